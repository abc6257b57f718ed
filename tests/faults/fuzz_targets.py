"""What takes bytes from strangers, each with good inputs and with what it may answer: anything else is a fault."""

import io
import struct
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pydicom.data import get_testdata_file

from services.admin import station_import
from services.admin.importing.found import Left, NotSent
from services.admin.importing.instances import read_instance
from services.admin.importing.sources import sources
from services.admin.rules.rule_subjects import of_header, of_upload
from services.dicom import commands, commitment, pdu
from services.dicom.contexts import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from services.dicom.elements import UnparsableDataSet
from services.dicom.errors import ProtocolViolation
from services.dicom.facts import read_elements, read_header
from services.dicom.identifiers import IdentifierFault, decode_identifier, encode_identifier
from services.dicom.part10 import ObjectMeta, file_head, read_object
from services.dicom.query_models import Model
from services.dicom.rules import Case, Defaults, parse, run_cases, subject_of_header
from services.dicom.transcoding import converted
from services.dicom.transcoding_errors import NotConvertible
from services.dicom.transforming.errors import NotTransformable
from services.dicom.transforming.tree import Tree
from services.query.questions import question
from services.runtime.errors import UsageError
from tests.factories import Instance, ct, nm_gated_tomo, nm_static
from tests.faults.fuzzing import Target
from tests.stations.hostile import REQUEST
from tests.stations.raw_sender import command_set, echo_command, item, number, store_command, uid
from tests.unit.dicom.test_part10 import write_object

CHECKOUT = Path(__file__).resolve().parents[2]
DEFAULTS = Defaults("GATEWAY", datetime(2026, 1, 31, 12, tzinfo=UTC))
KEY = "objects/2026/11/23/20/0193.dcm"
NM, CT = "1.2.840.10008.5.1.4.1.1.20", "1.2.840.10008.5.1.4.1.1.2"
LARGEST_OBJECT = 1 << 26
STRUCTURE = (
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff", b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0", b"\xff\xff\xff\xff",
    b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff", b"\x08\x00\x40\x11\xff\xff\xff\xff", b"\xe0\x7f\x10\x00OW\0\0",
    b"UN\0\0", b"\x08\x00\x05\x00CS\x0a\x00ISO 2022 IR 87", b"\x1b$B", b"\x1b-F\xe1", b"\\", b"\0", b"=", b"^",
    b"\x02\x00\x10\x00UI\x12\x001.2.840.10008.1.2", b"DICM", b"\x28\x00\x03\x01US\x02\x00\x01\x00",
)  # fmt: skip
"""Of data sets: items and their ends, lengths, sequences, character sets, escapes."""
WORDS = tuple(
    text.encode()
    for text in (
        "{all: [", "{any: [", "{none: [", "]}", "- ", ": ", "&a ", "*a ", "!!python/object:os.system ", "? ", "|\n",
        ">-\n", "'", '"', "\\", "\t", "\u2028", "\ufeff", "\0", "---\n", "...\n", "<<: ", "null", "true", "NaN",
        "9" * 40,         "1e400", "(a+)+$", "[[:alpha:]]", "{calling_aet}", "0x10", "12:30:00",
        "- {name: x, when: {all: []}, send: [{to: A}]}\n",
        "op: regex", "op: lt", "op: in", "value: [", "tag: (0009,\"ACME\",01)", "quiet: 99999999h", "%YAML 9.9\n",
        "\ud7ff", "\x85", "{tag: ReferencedStudySequence/ReferencedSOPInstanceUID, op: exists}",
    )
)  # fmt: skip
"""Of rule files, headers and lists of stations."""


def _answered(work: Callable[[bytes], object], *answers: type[Exception]) -> Callable[[bytes], str]:
    """The judge of something that may raise these."""

    def judge(data: bytes) -> str:
        try:
            work(data)
        except answers as answer:
            return f"{type(answer).__name__} {str(answer)[:80]}"
        return "taken"

    return judge


def _text(work: Callable[[str], object]) -> Callable[[bytes], str]:
    return _answered(lambda data: work(data.decode(errors="replace")), UsageError)


# ------------------------------------------------------------------------------------------------ associations


def _association(decode: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """The stream hands out bodies of at least the fixed part."""
    return lambda data: decode(data.ljust(68, b"\0"))


def _negotiations() -> list[bytes]:
    roles = item(0x54, struct.pack(">H", len(NM)) + NM.encode() + b"\1\1")
    identity = item(0x58, struct.pack(">BBH", 2, 1, 4) + b"user" + struct.pack(">H", 6) + b"secret")
    extended = item(0x56, struct.pack(">H", len(CT)) + CT.encode() + b"\1\1")
    user = item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x53, b"\0\1\0\1") + roles + identity + extended)
    return [REQUEST[6:], REQUEST[6 : REQUEST.index(b"\x50\0", 74)] + user]


def _answers() -> list[bytes]:
    accepted = item(0x21, b"\1\0\0\0" + item(0x40, b"1.2.840.10008.1.2"))
    return [REQUEST[6:74] + accepted * 3 + item(0x50, item(0x51, struct.pack(">I", 16384)))]


def _command(data: bytes) -> None:
    command = commands.decode(data)
    _ = (command.status, command.comment, command.action_type, command.event_type, command.priority)
    commands.encode_response(command, 0, "comment", False)


COMMANDS = (
    echo_command(1),
    store_command(CT, "1.2.3", 7),
    command_set({0x0100: number(0x8001), 0x0120: number(1), 0x0800: number(0x101), 0x0900: number(0)}),
    command_set({0x0002: uid(CT), 0x0100: number(0x21), 0x0110: number(3), 0x0600: b"STATION1", 0x0800: number(1)}),
)


# ---------------------------------------------------------------------------------------------------- data sets


def _deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


SMALL: tuple[Instance, ...] = (
    ct(1, pixel_bytes=64),
    nm_static(2, matrix=2),
    nm_gated_tomo(3, matrix=2, transfer_syntax=IMPLICIT_LITTLE_ENDIAN),
    nm_static(4, matrix=2, transfer_syntax=EXPLICIT_BIG_ENDIAN),
)
SYNTAXES = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, DEFLATED_LITTLE_ENDIAN)
"""The first byte of an input of a data set names one of them."""


def _data_sets() -> list[bytes]:
    plain = [bytes([SYNTAXES.index(each.transfer_syntax_uid)]) + each.data_set for each in SMALL]
    return [*plain, b"\3" + _deflated(SMALL[0].data_set)]


def _split(data: bytes) -> tuple[bytes, str]:
    return data[1:], SYNTAXES[data[0] % len(SYNTAXES)] if data else EXPLICIT_LITTLE_ENDIAN


def _header(data: bytes) -> None:
    raw, syntax = _split(data)
    read_header(io.BytesIO(raw), 0, len(raw), syntax)
    paths = frozenset({"00100010", "00081140/00081155", "0009:GEMS_GENIE_1:10"})
    read_elements(io.BytesIO(raw), 0, len(raw), syntax, paths)


def _conversion(data: bytes) -> None:
    raw, syntax = _split(data)
    for wanted in (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN):
        with converted(
            io.BytesIO(raw), 0, len(raw), syntax, wanted, folder=Path(tempfile.gettempdir()), largest=LARGEST_OBJECT
        ):
            pass


def _tree(data: bytes) -> None:
    raw, syntax = _split(data)
    if syntax in (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN):
        tree = Tree(io.BytesIO(raw), 0, len(raw), syntax)
        for _ in tree.levels():
            pass
        tree.write(io.BytesIO(), LARGEST_OBJECT)


# ------------------------------------------------------------------------------------------ queries, commitments

KEYS = {0x00100010: "M\u00fcller^J*", 0x00100020: "", 0x0020000D: "1.2\\1.3", 0x00080020: "20260101-", 0x00080061: "NM"}


def _identifiers() -> list[bytes]:
    made = [encode_identifier(level, KEYS, syntax) for level in ("STUDY", "IMAGE") for syntax in SYNTAXES[:2]]
    return [bytes([place % 2]) + data for place, data in enumerate(made)]


def _asked(data: bytes) -> None:
    raw, syntax = data[1:], SYNTAXES[data[0] % 2] if data else EXPLICIT_LITTLE_ENDIAN
    identifier = decode_identifier(raw, syntax)
    for text in identifier.keys.values():
        text.encode()  # what PostgreSQL is asked is UTF-8 without NUL
        if "\0" in text:
            raise AssertionError("NUL in the text of a key")
    for model in (Model("PATIENT"), Model("STUDY")):
        for xeleris in (False, True):
            with suppress(IdentifierFault):
                question(identifier, model, xeleris=xeleris, relational=True)


def _commitments() -> list[bytes]:
    named = [(NM, f"1.2.{each}") for each in range(3)]
    failed = [(NM, "1.2.9", 0x0112)]
    return [
        bytes([place]) + data
        for place, syntax in enumerate(SYNTAXES[:2])
        for data in (
            commitment.encode_request("1.2.99", named, syntax),
            commitment.encode_report("1.2.99", named, failed, syntax, retrieve_aet="ARCHIVE1"),
        )
    ]


def _commitment(data: bytes) -> None:
    raw, syntax = data[1:], SYNTAXES[data[0] % 2] if data else EXPLICIT_LITTLE_ENDIAN
    with suppress(commitment.UnreadableCommitment):
        commitment.read_request(raw, syntax)
    commitment.read_report(raw, syntax)


# ---------------------------------------------------------------------------------------------------------- files


def part_10(instance: Instance) -> bytes:
    meta = ObjectMeta(instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid, "SCANNER1")
    return file_head(meta) + instance.data_set


def _objects() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "object.dcm"
        write_object(path)
        return [path.read_bytes()]


def _zip(compression: int) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        archive.writestr("a.dcm", part_10(SMALL[0]))
        archive.writestr("folder/b.dcm", part_10(SMALL[1]))
        archive.writestr("readme.txt", "no DICOM")
    return target.getvalue()


def _imported(data: bytes, name: str) -> None:
    """As an import does: every file that the source hands out is opened and looked at."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        (Path(folder) / "IMG1").write_bytes(b"no DICOM")
        for found in sources([path], LARGEST_OBJECT, Path(folder)):
            if not isinstance(found, Left):
                with suppress(NotSent, OSError), found.open() as source:
                    read_instance(source)


def _media_directories() -> list[bytes]:
    return [Path(str(get_testdata_file("DICOMDIR"))).read_bytes()[:20_000]]


def _uploaded(data: bytes) -> None:
    with warnings.catch_warnings(action="ignore"):
        of_upload(data, {"calling_aet": "SCANNER1"}, DEFAULTS)


# ---------------------------------------------------------------------------------------------------------- texts

RULE_FILES = (
    (CHECKOUT / "deploy/local/demo/rules.yaml").read_bytes(),
    b"""version: 1
rules:
  - name: a
    when: {all: [{tag: Modality, op: in, value: [NM, PT]}, {any: [{tag: Rows, op: ge, value: 64},
           {none: [{fact: calling_aet, op: equals, value: GAMMA1}, {tag: PatientName, op: starts_with, value: A}]}]},
           {tag: StudyDate, op: lt, value: 20200101}, {tag: PatientID, op: exists}]}
    send: [{to: A, transform: [{do: new_uids}]}, {to: B}]
    transform: [{do: prefix, tag: PatientID, text: "{calling_aet}-"}, {do: replace, tag: PatientID, pattern: a, by: b}]
    stop: true
""",
)
HEADERS = (
    b"elements: {Modality: NM, Rows: 128, ImageType: [ORIGINAL, A], '(0008,0060)': NM}\nfacts: {calling_aet: A}\n",
)
STATIONS = (
    b"- {title: CT1, host: 10.0.0.1, port: 104, store: true}\n- {title: MR1, host: mr1.example, port: 11112}\n",
    b'[{"title": "CT1", "host": "::1", "port": 104, "description": "of radiology"}]',
)
_SUBJECT = subject_of_header({"elements": {"Modality": "NM", "Rows": 128, "PatientName": "A"}}, DEFAULTS)


def _rules(text: str) -> None:
    document = parse(text, ["A", "B", "ARCHIVE1", "WORKSTATION1"])
    run_cases(document, [Case("case", _SUBJECT, frozenset({"A"}))])


TARGETS = (
    Target("association_requests", _negotiations(), _answered(_association(pdu.decode_request), ProtocolViolation)),
    Target("association_answers", _answers(), _answered(_association(pdu.decode_answer), ProtocolViolation)),
    Target("command_sets", COMMANDS, _answered(_command, ProtocolViolation)),
    Target("data_sets", _data_sets(), _answered(_header, UnparsableDataSet), STRUCTURE),
    Target("conversions", _data_sets(), _answered(_conversion, NotConvertible), STRUCTURE),
    Target("transformed_data_sets", _data_sets(), _answered(_tree, NotTransformable, NotConvertible), STRUCTURE),
    Target("identifiers", _identifiers(), _answered(_asked, IdentifierFault), STRUCTURE),
    Target("commitments", _commitments(), _answered(_commitment, commitment.UnreadableCommitment), STRUCTURE),
    Target("stored_objects", _objects(), _answered(lambda data: read_object(io.BytesIO(data), KEY), UnparsableDataSet)),
    Target("files", [part_10(each) for each in SMALL], _answered(
        lambda data: read_instance(io.BytesIO(data)), NotSent), STRUCTURE),
    Target("uploads", [part_10(each) for each in SMALL], _answered(_uploaded, UsageError), STRUCTURE),
    Target("archives", [_zip(kind) for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2,
        zipfile.ZIP_LZMA)], _answered(lambda data: _imported(data, "a.zip"), UsageError)),
    Target("media_directories", _media_directories(), _answered(
        lambda data: _imported(data, "DICOMDIR"), UsageError), STRUCTURE),
    Target("rule_files", RULE_FILES, _text(_rules), WORDS),
    Target("headers", HEADERS, _text(lambda text: of_header(text, {"calling_aet": "A"}, DEFAULTS)), WORDS),
    Target("lists_of_stations", STATIONS, _text(station_import.read), WORDS),
)  # fmt: skip

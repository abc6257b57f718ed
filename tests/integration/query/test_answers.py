"""What a query is answered: statuses of both profiles, odd and hostile identifiers, character sets."""

import struct
import time
from pathlib import Path

import psycopg
import pytest
from private_servers.postgresql import PrivatePostgresql

from services.dicom.names import folded, whole_groups
from tests.ingest_process import IngestProcess
from tests.integration.query.conftest import answers, query_process
from tests.stations.finder import (
    EXPLICIT,
    MATCH,
    PATIENT_ROOT,
    SOME_KEYS,
    STUDY_ROOT,
    SUCCESS,
    Finder,
    element,
    identifier,
)  # fmt: skip
from tests.stations.raw_sender import VERIFICATION
from tests.waiting import until

NAME, PATIENT_ID, STUDY, SERIES, DATE = 0x00100010, 0x00100020, 0x0020000D, 0x0020000E, 0x00080020
ONE_STUDY = {STUDY: "1.2.826.1.77"}
PROFILES = ["gateway", "xeleris"]
MISMATCH = {"gateway": 0xA900, "xeleris": 0xC000}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("root", "level", "keys"),
    [
        (STUDY_ROOT, "PATIENT", {PATIENT_ID: "PAT0000078"}),
        (STUDY_ROOT, "", ONE_STUDY),
        (PATIENT_ROOT, "FRAME", ONE_STUDY),
        (STUDY_ROOT, "SERIES", {SERIES: ""}),
        (STUDY_ROOT, "IMAGE", ONE_STUDY),
        (STUDY_ROOT, "SERIES", {STUDY: "1.2.826.1.77\\1.2.826.1.78"}),
        (PATIENT_ROOT, "STUDY", ONE_STUDY),
    ],
)
def test_an_identifier_that_does_not_fit_the_model(
    request: pytest.FixtureRequest, profile: str, root: str, level: str, keys: dict[int, str | bytes]
) -> None:
    process: IngestProcess = request.getfixturevalue(profile)
    with Finder(process.port) as finder:
        assert [each.status for each in finder.find(identifier(level, keys), root)] == [MISMATCH[profile]]
        assert finder.echo() == SUCCESS


NESTED = struct.pack("<HHIHHI", 0x0040, 0xA730, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
LEVEL = element(0x00080052, "STUDY")


@pytest.mark.parametrize(
    ("data", "comment"),
    [
        (b"", "missing"),
        (LEVEL + element(STUDY, "1.2")[:-1], "truncated"),
        (LEVEL + NESTED * 300, "too-deep"),
        (LEVEL + element(STUDY, "\\".join(f"1.2.826.0.1.3680043.{n:08}" for n in range(50_000))), "too large"),
        (identifier("STUDY", {DATE: "yesterday"}), "date"),
        (identifier("STUDY", {PATIENT_ID: "?" * 1000}), "wildcards"),
    ],
    ids=["missing", "truncated", "nested", "50000-uids", "date", "wildcards"],
)
def test_what_cannot_be_processed_is_answered_c000(gateway: IngestProcess, data: bytes, comment: str) -> None:
    with Finder(gateway.port) as finder:
        (answer,) = finder.find(data)
        assert answer.status == 0xC000
        assert comment in answer.comment
        assert finder.find(identifier("STUDY", ONE_STUDY))[-1].status == SUCCESS


RELATIONAL = {STUDY_ROOT: b"\1\1\1\1", PATIENT_ROOT: b"\0", "1.2.3": b"\1"}


def test_relational_queries_by_negotiation(gateway: IngestProcess) -> None:
    """A key of any level and no unique key above: in profile gateway, where both sides want it."""
    with Finder(gateway.port, extended=RELATIONAL) as finder:
        assert finder.extended == {STUDY_ROOT: b"\1", PATIENT_ROOT: b"\0"}
        asked = identifier("SERIES", {0x00080050: "ACC0000077", STUDY: "", SERIES: ""})
        found = finder.find(asked)
        assert [each.status for each in found] == [MATCH, MATCH, SUCCESS]
        assert {each.identifier().StudyInstanceUID for each in found[:-1]} == {"1.2.826.1.77"}
        assert [each.status for each in finder.find(asked, PATIENT_ROOT)] == [0xA900]
        images = identifier("IMAGE", {STUDY: "1.2.826.1.77\\1.2.826.1.78", 0x00080018: ""})
        assert len(finder.find(images)) == 9


def test_profile_xeleris_has_no_extended_negotiation(xeleris: IngestProcess) -> None:
    with Finder(xeleris.port, extended=RELATIONAL) as finder:
        assert finder.extended == {}
        assert [each.status for each in finder.find(identifier("SERIES", {SERIES: ""}))] == [0xC000]


def test_a_request_on_a_context_of_another_class(gateway: IngestProcess) -> None:
    with Finder(gateway.port) as finder:
        assert [each.status for each in finder.find(b"", VERIFICATION)] == [0x0122]


@pytest.mark.parametrize("profile", PROFILES)
def test_odd_keys_of_workstations(request: pytest.FixtureRequest, profile: str) -> None:
    """Group lengths, private and unknown elements, sequences, a repeated key, zeros and blanks as padding."""
    process: IngestProcess = request.getfixturevalue(profile)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 8) + element(0x00080100)
    data = (
        element(0x00080000, b"\x0a\0\0\0") + element(0x00080052, "STUDY\0") + element(0x00081111, item)
        + element(0x00090010, "ACME") + element(0x00091099, "x") + element(NAME, "NAME0000078* ") + element(NAME, "Z")
        + element(0x00111234, b"\xff\xfe") + element(STUDY, "1.2.826.1.77\0") + element(0x7FDF0001, "?")
    )  # fmt: skip
    with Finder(process.port) as finder:
        found = finder.find(data)
    assert [each.status for each in found] == [SOME_KEYS, SUCCESS]
    answer = found[0].identifier()
    assert (answer.StudyInstanceUID, answer.PatientName) == ("1.2.826.1.77", "NAME0000078^GIVEN1")
    assert len(answer) == 4


@pytest.mark.parametrize(
    ("key", "gateway_says", "xeleris_says"),
    [
        ({DATE: ""}, MATCH, MATCH),
        ({0x00080054: ""}, MATCH, MATCH),
        ({0x00100030: ""}, MATCH, SOME_KEYS),
        ({0x00201208: ""}, MATCH, SOME_KEYS),
        ({0x00880130: ""}, SOME_KEYS, SOME_KEYS),
    ],
)
def test_ff01_says_that_a_key_is_not_supported(
    gateway: IngestProcess, xeleris: IngestProcess, key: dict[int, str | bytes], gateway_says: int, xeleris_says: int
) -> None:
    for process, status in ((gateway, gateway_says), (xeleris, xeleris_says)):
        with Finder(process.port) as finder:
            found = finder.find(identifier("STUDY", {**ONE_STUDY, **key}))
        assert [each.status for each in found] == [status, SUCCESS]


HOSTILE = ["%", "_'; DROP TABLE index.patient; --", "' or '1'='1", "\\%", "{columns}", "%(value_0)s", "*%*", "?%"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_value_becomes_part_of_a_statement(gateway: IngestProcess, database: str, text: str) -> None:
    with Finder(gateway.port) as finder:
        found = finder.find(identifier("STUDY", {0x00081030: text}))
        assert [each.status for each in found] == [SUCCESS]
        found = finder.find(identifier("PATIENT", {NAME: text}), PATIENT_ROOT)
        assert [each.status for each in found] == [SUCCESS]
    with psycopg.connect(database) as connection:
        assert connection.execute("select count(*) from index.patient").fetchone() == (5000,)


@pytest.mark.parametrize("text", ["*a" * 128, "*" * 60_000, "?" * 256, "*?" * 100])
def test_wildcard_bombs_end_soon(gateway: IngestProcess, text: str) -> None:
    began = time.monotonic()
    with Finder(gateway.port) as finder:
        finder.ask(identifier("PATIENT", {NAME: text}), PATIENT_ROOT)
        assert list(finder.responses())[-1].status == SUCCESS
    assert time.monotonic() - began < 10


def test_a_peer_without_manners_is_answered_in_its_syntax(gateway: IngestProcess) -> None:
    """Explicit VR, and the same association again and again."""
    explicit = b"".join(
        struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value
        for tag, vr, value in ((0x00080052, b"CS", b"STUDY "), (STUDY, b"UI", b"1.2.826.1.77"))
    )
    with Finder(gateway.port, syntax=EXPLICIT) as finder:
        for _ in range(5):
            found = finder.find(explicit)
            assert [each.status for each in found] == [MATCH, SUCCESS]
            assert found[0].identifier(EXPLICIT).StudyInstanceUID == "1.2.826.1.77"


NAMES = {"U1": "MÜLLER^JÖRG", "U2": "ŁUKASZ^Ä", "U3": "Yamada^Tarou=山田^太郎=やまだ^たろう"}


@pytest.fixture(scope="module")
def foreign(database: str) -> None:
    """Three patients with names beyond ASCII."""
    with psycopg.connect(database, autocommit=True) as connection:
        for patient_id, name in NAMES.items():
            connection.execute(
                "with p as (insert into index.patient (patient_id, name, name_folded) values (%s, %s, %s) returning id)"
                " insert into index.study (study_instance_uid, patient) select '9.' || id, id from p",
                (patient_id, name, folded(name)),
            )
            row = connection.execute(
                "select name_whole, name_ideographic, name_phonetic from index.patient where patient_id = %s",
                (patient_id,),
            ).fetchone()
            assert row is not None
            assert list(row) == whole_groups(name), "PostgreSQL derives the groups that keys are compared with"


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize(
    ("profile", "patient", "terms", "answered", "raw"),
    [
        ("gateway", "U1", "", "ISO_IR 192", "MÜLLER^JÖRG".encode()),
        ("gateway", "U1", "ISO_IR 100", "ISO_IR 100", "MÜLLER^JÖRG".encode("latin-1")),
        ("gateway", "U2", "ISO_IR 100", "ISO_IR 192", "ŁUKASZ^Ä".encode()),
        ("gateway", "U3", "\\ISO 2022 IR 87", "\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B"),
        ("xeleris", "U1", "ISO_IR 192", "ISO_IR 100", "MÜLLER^JÖRG".encode("latin-1")),
        ("xeleris", "U2", "ISO_IR 192", "ISO_IR 100", b"?UKASZ^\xc4"),
    ],
)
def test_character_sets_of_responses(
    request: pytest.FixtureRequest, profile: str, patient: str, terms: str, answered: str, raw: bytes
) -> None:
    process: IngestProcess = request.getfixturevalue(profile)
    with Finder(process.port) as finder:
        asked = {0x00080005: terms, PATIENT_ID: patient, NAME: ""}
        answer, end = finder.find(identifier("STUDY", asked))
    assert end.status == SUCCESS
    assert raw in answer.data
    stated = answer.identifier().SpecificCharacterSet
    assert (stated if isinstance(stated, str) else "\\".join(stated)) == answered


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("terms", "name", "patient"),
    [
        ("ISO_IR 100", "müller jörg".encode("latin-1"), "U1"),
        ("ISO_IR 192", "Müller^J*".encode(), "U1"),
        ("ISO_IR 192", "*山田*".encode(), "U3"),
        ("\\ISO 2022 IR 87", b"*=\x1b$B;3ED\x1b(B*", "U3"),
    ],
)
def test_names_are_found_in_any_character_set_and_case(
    request: pytest.FixtureRequest, profile: str, terms: str, name: bytes, patient: str
) -> None:
    process: IngestProcess = request.getfixturevalue(profile)
    with Finder(process.port) as finder:
        asked = {0x00080005: terms, NAME: name, PATIENT_ID: ""}
        found = finder.find(identifier("PATIENT", asked), PATIENT_ROOT)
    assert [each.identifier().PatientID for each in found[:-1]] == [patient]


@pytest.mark.parametrize("profile", PROFILES)
def test_ascii_responses_carry_no_character_set(request: pytest.FixtureRequest, profile: str) -> None:
    process: IngestProcess = request.getfixturevalue(profile)
    with Finder(process.port) as finder:
        answer, _ = finder.find(identifier("STUDY", {0x00080005: "ISO_IR 192", **ONE_STUDY}))
    assert "SpecificCharacterSet" not in answer.identifier()


def test_without_the_database_a_query_is_answered_a700_at_once(
    private_postgresql: PrivatePostgresql, tmp_path: Path
) -> None:
    """The process stays ready and receives; when the database is back, queries are answered again."""
    with query_process(tmp_path, private_postgresql.url) as process:
        private_postgresql.stop()
        with Finder(process.port) as finder:
            for _ in range(3):
                began = time.monotonic()
                (answer,) = finder.find(identifier("STUDY", ONE_STUDY))
                assert (answer.status, answer.comment) == (0xA700, "database is away or busy")
                assert time.monotonic() - began < 2
            assert finder.echo() == SUCCESS
        assert process.ready()[0] == 200
        private_postgresql.start()
        until(lambda: answers(process), limit=20, what="queries to be answered again")

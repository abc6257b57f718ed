"""Random rules and headers (hypothesis): every operator and kind of value, nested nodes, private elements, sequences,
several values, empty, missing, binary and undecodable ones; written so that rules often match.

A header is made twice: as the plain values that ``reference`` evaluates, and as the bytes of a data set.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from hypothesis import strategies as st

from tests.factories import Instance
from tests.unit.rules.reference import Element, Header, Value

EXPLICIT: Final = "1.2.840.10008.1.2.1"
NM: Final = "1.2.840.10008.5.1.4.1.1.20"
CT: Final = "1.2.840.10008.5.1.4.1.1.2"
DESTINATIONS: Final = ("A", "B", "C", "D")

PRESENCE: Final = ("exists", "absent")
EQUALITY: Final = ("equals", "not_equals", "in")
TEXT: Final = ("contains", "starts_with", "wildcard", "regex")
ORDER: Final = ("lt", "le", "gt", "ge", "between")
UNDECODABLE: Final = b"\xff\xfe\xfd"
BINARY: Final = b"\x01\x00\x02\xff"


@dataclass(frozen=True)
class Tag:
    """An element that rules may name.

    ``written``: as rules write it, a step of a path; ``sent``: values it may hold; ``wanted``: values in rules, in
    order where the kind has one; ``operators`` that fit it.
    """

    written: str
    number: int
    vr: str
    sent: tuple[Value, ...]
    wanted: tuple[Value, ...]
    operators: tuple[str, ...] = PRESENCE + EQUALITY + TEXT
    creator: str = ""
    multiple: bool = True


EVERY: Final = PRESENCE + EQUALITY + TEXT + ORDER
TAGS: Final = (
    Tag("Modality", 0x00080060, "CS", ("NM", "CT", "PT"), ("NM", "nm", "CT")),
    Tag("ImageType", 0x00080008, "CS", ("ORIGINAL", "PRIMARY", "TOMO"), ("TOMO", "primary")),
    Tag("StudyDescription", 0x00081030, "LO", ("Heart", "HEART rest", "Straße", "頭部"), ("heart", "STRASSE", "頭部")),
    Tag("(0008,103E)", 0x0008103E, "LO", ("Heart", "Lung"), ("heart", "Lung")),
    Tag("PatientName", 0x00100010, "PN", ("Müller^Jürgen", "Doe^J"), ("müller^jürgen", "DOE^J", "Doe")),
    Tag("AccessionNumber", 0x00080050, "SH", ("A1", "a12", "B7"), ("A1", "B7", "")),
    Tag("PatientComments", 0x00104000, "LT", ("none", "y" * 300 + "end"), ("none",), multiple=False),
    Tag("SliceThickness", 0x00180050, "DS", ("2.5", "2.50", "3", "x"), (2, 2.5, 3), EVERY),
    Tag("InstanceNumber", 0x00200013, "IS", ("1", "2", "07", "x"), (1, 2, 7), EVERY),
    Tag("Rows", 0x00280010, "US", (64, 128), (64, 128), PRESENCE + EQUALITY + ORDER),
    Tag("PixelPaddingValue", 0x00280120, "SS", (-5, 3), (-5, 3), PRESENCE + EQUALITY + ORDER),
    Tag("ExaminedBodyThickness", 0x00109431, "FL", (0.5, 1.5), (0.5, 1.5), PRESENCE + EQUALITY + ORDER),
    Tag("RealWorldValueSlope", 0x00409225, "FD", (0.5, 0.1), (0.1, 0.5), PRESENCE + EQUALITY + ORDER),
    Tag("StudyDate", 0x00080020, "DA", ("20260131", "2026.02.01", "x"), ("2026-01-31", "20260201"), EVERY),
    Tag("StudyTime", 0x00080030, "TM", ("1030", "103015.5", "11"), ("10:30", "1031", "11:00:00"), EVERY),
    Tag("AcquisitionDateTime", 0x0008002A, "DT", ("20260131103000.5+0100", "20260131103000", "2026"),
        ("2026-01-31T09:30:00Z", "20260131103000.5", "2026-01-31T12:00:00+01:00"), EVERY),
    Tag("PatientAge", 0x00101010, "AS", ("018M", "045Y", "010D"), ("010D", "018M", "045Y"), EVERY),
    Tag("FrameOfReferenceUID", 0x00200052, "UI", ("1.2.3", "1.2.34"), ("1.2.3", "1.2.34")),
    Tag("FrameIncrementPointer", 0x00280009, "AT", ("00540010", "00540020"), ("(0054,0010)", "00540020")),
    Tag('(0009,"GEMS_GENIE_1",10)', 0x00091010, "LO", ("Heart", "Lung"), ("heart",), creator="GEMS_GENIE_1"),
    Tag('(0011,"NOBODY",20)', 0x00111020, "UN", ("7", "12", "beat"), ("7", "12"), EVERY, creator="NOBODY"),
    Tag("RedPaletteColorLookupTableData", 0x00281201, "OW", (), (), PRESENCE),
)  # fmt: skip
INNER: Final = (
    Tag("Radiopharmaceutical", 0x00180031, "LO", ("MIBI", "HDP"), ("mibi", "HDP")),
    Tag("RadionuclideTotalDose", 0x00181074, "DS", ("400", "7.5"), (7.5, 400), EVERY),
)
SEQUENCE: Final = "RadiopharmaceuticalInformationSequence"
DEEP: Final = ("GatedInformationSequence", "DataInformationSequence", "TimeSlotInformationSequence")
DEEPEST: Final = Tag("TimeSlotTime", 0x00540073, "DS", ("10", "20"), (10, 20), EVERY)
_SEQUENCES: Final = {
    SEQUENCE: 0x00540016, DEEP[0]: 0x00540062, DEEP[1]: 0x00540063, DEEP[2]: 0x00540072,
}  # fmt: skip
_PATTERNS: Final = ("^h", "an|ea", "[0-9]{2}", "^.{2}$", "t$")
_WILDCARDS: Final = ("*", "h*", "?e*", "*1*", "??", "*end")


@dataclass(frozen=True)
class Made:
    """An instance: its header in plain values, how it came, and its data set."""

    header: Header
    came: Mapping[str, Any]
    instance: Instance


def conditions() -> st.SearchStrategy[dict[str, Any]]:
    """A condition that checking accepts."""
    paths = [(tag.written, tag) for tag in TAGS] + [(f"{SEQUENCE}/{tag.written}", tag) for tag in INNER]
    paths += [("/".join((*DEEP, DEEPEST.written)), DEEPEST)] * 2
    sequences = st.fixed_dictionaries({"tag": st.just(SEQUENCE), "op": st.sampled_from(PRESENCE)})
    return st.one_of(st.sampled_from(paths).flatmap(lambda path: _condition("tag", *path)), sequences, _facts())


def _facts() -> st.SearchStrategy[dict[str, Any]]:
    texts = PRESENCE + EQUALITY + TEXT
    facts = (
        Tag("calling_aet", 0, "", (), ("GAMMA1", "ct2"), texts),
        Tag("peer_address", 0, "", (), ("10.1.2.3", "10.1.0.0/16"), PRESENCE + EQUALITY + ("starts_with",)),
        Tag("sop_class", 0, "", (), (NM, "CT Image Storage", "NuclearMedicineImageStorage"), texts),
        Tag("received_at", 0, "DT", (), ("2020-11-23T20:05:00Z", "20201124"), PRESENCE + ORDER),
    )
    return st.sampled_from(facts).flatmap(lambda fact: _condition("fact", fact.written, fact))


@st.composite
def _condition(draw: st.DrawFn, field: str, written: str, tag: Tag) -> dict[str, Any]:
    op = draw(st.sampled_from(tag.operators))
    condition: dict[str, Any] = {field: written, "op": op}
    if draw(st.integers(0, 3)) == 0:
        condition["ignore_case"] = False
    if op in PRESENCE:
        return condition
    operand = st.sampled_from(tag.wanted)
    if op == "in":
        wanted: Any = draw(st.lists(operand.filter(lambda value: value != ""), min_size=1, max_size=3))
    elif op == "between":
        first = draw(st.integers(0, len(tag.wanted) - 1))
        wanted = [tag.wanted[first], tag.wanted[draw(st.integers(first, len(tag.wanted) - 1))]]
    elif op in ("regex", "wildcard"):
        wanted = draw(st.sampled_from(_PATTERNS if op == "regex" else _WILDCARDS))
    else:
        wanted = draw(operand)
        wanted = str(wanted) or "A" if op in TEXT else wanted
    return {**condition, "value": wanted}


def nodes() -> st.SearchStrategy[dict[str, Any]]:
    """A condition, or all, any and none of some, nested."""
    kinds = ("all", "any", "none")
    return st.recursive(
        conditions(),
        lambda below: st.one_of(*(st.fixed_dictionaries({kind: st.lists(below, max_size=3)}) for kind in kinds)),
        max_leaves=6,
    )


def rules(most: int = 5) -> st.SearchStrategy[list[dict[str, Any]]]:
    """The rules of a document, each with a name of its own."""
    titles = st.lists(st.sampled_from(DESTINATIONS), min_size=1, max_size=2, unique=True)
    rule = st.fixed_dictionaries(
        {"when": nodes(), "send": titles.map(lambda chosen: [{"to": title} for title in chosen])},
        optional={"enabled": st.sampled_from([True, True, False]), "stop": st.booleans(), "back": st.booleans()},
    )
    return st.lists(rule, min_size=1, max_size=most).map(
        lambda made: [{"name": f"rule-{place}", **rule} for place, rule in enumerate(made)]
    )


@st.composite
def instances(draw: st.DrawFn, uid: str = "1.2.3.4") -> Made:
    """An instance with some of the elements; each instance is of a study of its own unless its UID says otherwise."""
    utf8 = draw(st.booleans())
    header, top = _elements(draw, TAGS, utf8=utf8)
    if items := draw(st.lists(st.just(INNER), max_size=2)):
        inner = [_elements(draw, tags, utf8=utf8) for tags in items]
        header[SEQUENCE] = [plain for plain, _ in inner]
        top[_SEQUENCES[SEQUENCE]] = _sequence(_SEQUENCES[SEQUENCE], [encoded for _, encoded in inner])
    if draw(st.booleans()):
        plain, encoded = _elements(draw, (DEEPEST,), utf8=utf8)
        below: list[Header] = [plain]
        for step in reversed(DEEP):
            encoded = {_SEQUENCES[step]: _sequence(_SEQUENCES[step], [encoded])}
            below = [{step: below}]
        header |= below[0]
        top |= encoded
    sop_class = draw(st.sampled_from((NM, CT)))
    came = {
        "calling_aet": draw(st.sampled_from(("GAMMA1", "CT2", DESTINATIONS[0]))),
        "called_aet": "GATEWAY",
        "peer_address": draw(st.sampled_from(("10.1.2.3", "10.2.0.9"))),
        "transfer_syntax": EXPLICIT,
        "sop_class": sop_class,
        "received_at": draw(
            st.sampled_from((datetime(2020, 11, 23, 20, 5, tzinfo=UTC), datetime(2020, 11, 25, tzinfo=UTC)))
        ),
    }
    top |= {
        0x00080005: _element(0x00080005, "CS", b"ISO_IR 192" if utf8 else b""),
        0x00080016: _element(0x00080016, "UI", sop_class.encode()),
        0x00080018: _element(0x00080018, "UI", uid.encode()),
        0x0020000D: _element(0x0020000D, "UI", f"{uid}.1".encode()),
        0x0020000E: _element(0x0020000E, "UI", f"{uid}.1.1".encode()),
    }
    return Made(header, came, Instance(sop_class, uid, f"{uid}.1", f"{uid}.1.1", EXPLICIT, _bytes(top)))


def _elements(draw: st.DrawFn, tags: Sequence[Tag], *, utf8: bool) -> tuple[dict[str, Any], dict[int, bytes]]:
    header, encoded = dict[str, Any](), dict[int, bytes]()
    for tag in draw(st.lists(st.sampled_from(tags), max_size=12, unique=True)):
        if tag.creator:
            block = tag.number & 0xFFFF0000 | 0x0010
            encoded[block] = _element(block, "LO", tag.creator.encode())
        header[tag.written], value = _value(draw, tag, utf8=utf8)
        encoded[tag.number] = _element(tag.number, tag.vr, value)
    return header, encoded


def _value(draw: st.DrawFn, tag: Tag, *, utf8: bool) -> tuple[Element, bytes]:
    """An element in plain values and its bytes."""
    chance = draw(st.integers(0, 9))
    if not tag.sent or (tag.vr == "UN" and chance == 0):
        return Element(tag.vr, None), BINARY
    if tag.vr in ("LO", "PN", "SH", "LT") and chance == 0:
        return Element(tag.vr, (), decodable=False), UNDECODABLE
    values = draw(st.lists(st.sampled_from(tag.sent), max_size=3 if tag.multiple else 1))
    if tag.vr in _NUMBERS:
        return Element(tag.vr, _rounded(tag.vr, values)), b"".join(
            struct.pack(_NUMBERS[tag.vr], each) for each in values
        )
    if tag.vr == "AT":
        pairs = [struct.pack("<HH", int(str(each)[:4], 16), int(str(each)[4:], 16)) for each in values]
        return Element(tag.vr, tuple(values)), b"".join(pairs)
    text = "\\".join(map(str, values))
    decodable = utf8 or text.isascii()
    return Element(tag.vr, tuple(values), decodable), text.encode()


_NUMBERS: Final = {"US": "<H", "SS": "<h", "FL": "<f", "FD": "<d"}
_LONG: Final = frozenset({"OW", "UN", "SQ"})


def _rounded(vr: str, values: Sequence[Value]) -> tuple[Value, ...]:
    return tuple(struct.unpack(_NUMBERS[vr], struct.pack(_NUMBERS[vr], each))[0] for each in values)


def _sequence(number: int, items: Sequence[Mapping[int, bytes]]) -> bytes:
    encoded = [_bytes(item) for item in items]
    return _element(number, "SQ", b"".join(struct.pack("<HHL", 0xFFFE, 0xE000, len(each)) + each for each in encoded))


def _bytes(elements: Mapping[int, bytes]) -> bytes:
    return b"".join(elements[number] for number in sorted(elements))


def _element(number: int, vr: str, value: bytes) -> bytes:
    value += (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    length = struct.pack("<HL", 0, len(value)) if vr in _LONG else struct.pack("<H", len(value))
    return struct.pack("<HH", number >> 16, number & 0xFFFF) + vr.encode() + length + value

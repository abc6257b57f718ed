"""Whatever is taken over from the instance before is what reading the instance in full would have found."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from deploy.local.demo.nuclear_medicine import encoded
from services.dicom.elements import ITEM, UNDEFINED, Walker
from services.dicom.facts import Header
from services.dicom.iods.findings import Finding
from services.dicom.predecessor import Predecessor
from services.ingest.causes import Refusal
from services.ingest.examination import Examination
from tests.factories import ct, mr
from tests.unit.dicom.test_iods_fuzz import EDITS, OBJECTS, edited

LITTLE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
CONTENTS = [(syntax, encoded(data_set, syntax)) for data_set, syntax in OBJECTS if syntax in LITTLE] + [
    (syntax, make(1, transfer_syntax=syntax, study=1).data_set) for make in (ct, mr) for syntax in LITTLE
]
VALUES = st.lists(
    st.tuples(
        st.integers(0, 1 << 16),
        st.one_of(
            st.binary(max_size=20),
            st.sampled_from([b"", b"1", b"-12.5\\7", b"ISO_IR 192", b"Doe^J", b"20261130", b"1.2.3\0", b" ", b"\xfc^"]),
            st.integers(60, 300).map(lambda length: b"a" * length),
        ),
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


@dataclass
class Place:
    """Where an element of the main data set has its value, and the bytes that say its length."""

    start: int
    length: int
    length_bytes: int


def places(syntax: str, content: bytes) -> list[Place]:
    walker = Walker(io.BytesIO(content), 0, len(content), syntax, lambda _tag, _depth: "LO")
    return [
        Place(position, length, 4 if syntax == ImplicitVRLittleEndian or vr in ("OB", "OW", "UN", "UT") else 2)
        for tag, vr, position, length, depth in walker
        if not depth and tag != ITEM and vr != "SQ" and length != UNDEFINED
    ]


def with_values(syntax: str, content: bytes, values: list[tuple[int, bytes]]) -> bytes:
    """The object with other values of some elements, their lengths put right."""
    known = places(syntax, content)
    for number, value in sorted({number % len(known): value for number, value in values}.items(), reverse=True):
        place = known[number]
        length = (len(value)).to_bytes(place.length_bytes, "little")
        before = content[: place.start - place.length_bytes]
        content = before + length + value + content[place.start + place.length :]
    return content


def examined(predecessor: Predecessor, syntax: str, content: bytes) -> tuple[Header, tuple[Finding, ...]] | str:
    source = io.BytesIO(b"head" + content)
    try:
        examination = Examination(predecessor, source, 4, len(content), syntax)
    except Refusal as refusal:
        return str(refusal)
    return examination.header, examination.findings()


def taken_over(predecessor: Predecessor, syntax: str, content: bytes) -> bool:
    return predecessor.successor(io.BytesIO(content), 0, len(content), syntax) is not None


@settings(max_examples=600, deadline=None)
@given(before=st.sampled_from(CONTENTS), values=st.lists(VALUES, min_size=1, max_size=3))
def test_other_values(before: tuple[str, bytes], values: list[list[tuple[int, bytes]]]) -> None:
    syntax, content = before
    predecessor = Predecessor()
    for each in [[], *values]:
        later = with_values(syntax, content, each)
        assert examined(predecessor, syntax, later) == examined(Predecessor(), syntax, later)


@settings(max_examples=300, deadline=None)
@given(before=st.sampled_from(CONTENTS), other=st.sampled_from(CONTENTS), edits=EDITS)
def test_damage(before: tuple[str, bytes], other: tuple[str, bytes], edits: list[tuple[int, str, bytes]]) -> None:
    predecessor = Predecessor()
    for syntax, content in (before, (before[0], edited(before[1], edits)), (before[0], other[1]), other):
        assert examined(predecessor, syntax, content) == examined(Predecessor(), syntax, content)


def series() -> Iterator[bytes]:
    for number in range(1, 40):
        yield ct(
            number, study=1, SeriesInstanceUID="1.2.3.4", InstanceNumber=str(number), SliceLocation=str(number * -2.5),
            ImagePositionPatient=["0", "0", str(number * -2.5)], AcquisitionTime=f"1015{number:02}.5",
        ).data_set  # fmt: skip


def test_a_series_is_read_once() -> None:
    predecessor = Predecessor()
    first, *others = series()
    examined(predecessor, ExplicitVRLittleEndian, first)
    assert all(taken_over(predecessor, ExplicitVRLittleEndian, each) for each in others)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("Rows", 8),
        ("SpecificCharacterSet", "ISO_IR 192"),
        ("PixelRepresentation", 1),
        ("ImageType", ["DERIVED", "SECONDARY", "AXIAL"]),
        ("SliceThickness", ""),
        ("StudyDate", ""),
        ("StationName", "new"),
    ],
)
def test_what_may_mean_more_is_read_in_full(keyword: str, value: object) -> None:
    predecessor = Predecessor()
    examined(predecessor, ExplicitVRLittleEndian, ct(1, study=1).data_set)
    assert taken_over(predecessor, ExplicitVRLittleEndian, ct(2, study=1).data_set)
    elements: dict[str, Any] = {keyword: value}
    assert not taken_over(predecessor, ExplicitVRLittleEndian, ct(2, study=1, **elements).data_set)


def private(creator: bytes, value: bytes) -> bytes:
    """A CT with a private block before its pixels."""
    head, tag, pixels = ct(1, study=1).data_set.partition(b"\xe0\x7f\x10\x00")
    block = b"\x29\0\x10\0LO" + len(creator).to_bytes(2, "little") + creator
    return head + block + b"\x29\0\x01\x10LO" + len(value).to_bytes(2, "little") + value + tag + pixels


def test_a_private_creator_names_what_follows() -> None:
    predecessor = Predecessor()
    examined(predecessor, ExplicitVRLittleEndian, private(b"MAKER ONE ", b"x "))
    assert taken_over(predecessor, ExplicitVRLittleEndian, private(b"MAKER ONE ", b"more"))
    other = private(b"MAKER TWO ", b"x ")
    assert examined(predecessor, ExplicitVRLittleEndian, other) == examined(
        Predecessor(), ExplicitVRLittleEndian, other
    )


def test_what_is_never_alike_is_not_remembered_each_time() -> None:
    contents = [(ct, mr)[number % 2](number, study=1).data_set for number in range(32)]
    kept = 0
    for count in range(1, len(contents) + 1):
        predecessor = Predecessor()
        for content in contents[:count]:
            examined(predecessor, ExplicitVRLittleEndian, content)
        kept += taken_over(predecessor, ExplicitVRLittleEndian, contents[count - 1])
    assert 0 < kept <= 6

"""Whatever bytes reading the header accepts, the IOD check ends without an error and within its limits."""

import io

from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from deploy.local.demo.nuclear_medicine import encoded
from services.dicom.elements import UnparsableDataSet
from services.dicom.facts import read_header
from services.dicom.iods import check, explained, stored
from services.dicom.iods.check import MAX_FINDINGS
from tests.xeleris_objects import MADE_BY_XELERIS, SENT_ON, made

SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)
OBJECTS = [(made(name), syntax) for name in (*MADE_BY_XELERIS, *SENT_ON) for syntax in SYNTAXES]
ENCODED = [(str(data_set.SOPClassUID), syntax, encoded(data_set, syntax)) for data_set, syntax in OBJECTS]
KINDS = st.sampled_from(["set", "cut", "insert", "repeat"])
EDITS = st.lists(st.tuples(st.integers(0, 1 << 16), KINDS, st.binary(min_size=1, max_size=6)), min_size=1, max_size=8)


def edited(content: bytes, edits: list[tuple[int, str, bytes]]) -> bytes:
    """The content with bytes set, cut out, put in or repeated."""
    for place, kind, data in edits:
        at = place % (len(content) + 1)
        after = at if kind == "insert" else at + len(data)
        again = content[at : at + 64] if kind == "repeat" else b""
        content = content[:at] + (b"" if kind == "cut" else data) + again + content[after:]
    return content


@settings(max_examples=400, deadline=None)
@given(made_of=st.sampled_from(ENCODED), other=st.sampled_from(ENCODED), edits=EDITS)
def test_damaged_objects_are_checked_without_an_error(
    made_of: tuple[str, str, bytes], other: tuple[str, str, bytes], edits: list[tuple[int, str, bytes]]
) -> None:
    _, syntax, content = made_of
    damaged = edited(content, edits)
    for sop_class in (made_of[0], other[0]):
        found = check(io.BytesIO(damaged), 0, len(damaged), syntax, sop_class)
        assert len(found) <= MAX_FINDINGS
        assert sum(len(text) + 3 for text in stored(found)) <= 3072
        assert all(explained(str(finding)) for finding in found)


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=200), syntax=st.sampled_from(SYNTAXES))
def test_any_bytes_are_checked_without_an_error(content: bytes, syntax: str) -> None:
    found = check(io.BytesIO(content), 0, len(content), syntax, "1.2.840.10008.5.1.4.1.1.20")
    try:
        read_header(io.BytesIO(content), 0, len(content), syntax)
    except UnparsableDataSet:
        return
    assert found  # too short to be an image


def test_every_cut_of_an_object_ends_without_an_error() -> None:
    sop_class, syntax, content = ENCODED[0]
    for length in range(0, len(content), 31):
        assert isinstance(check(io.BytesIO(content), 0, length, syntax, sop_class), tuple)

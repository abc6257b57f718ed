"""All private elements of the Xeleris objects are read by creator, group and element, in explicit and implicit VR."""

import io

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from deploy.local.demo.nuclear_medicine import encoded
from services.dicom.dictionary import implicit_vr, stated_private_element, stated_private_elements
from services.dicom.elements import Walker
from services.dicom.facts import read_elements
from tests.iod_mutations import findings
from tests.iod_rules import read
from tests.xeleris_objects import made


def stated() -> list[tuple[str, int, int, str, str, str]]:
    """The private dictionary of the statement, written a second time: creator, group, low byte, VR, VM, name."""
    return [
        (row["creator"], int(row["group"], 16), int(row["element"], 16), row["vr"], row["vm"], row["name"])
        for row in read("private_elements.csv")
    ]


WRITTEN: dict[str, object] = {
    **{"SL": -2, "UL": 0xFFFFFFFE, "US": 0xFFFE, "FD": -2.5, "FL": -2.5, "OB": b"\1\2", "OW": b"\1\2"},
    **{"DA": "20260102", "TM": "101112", "DT": "20260102101112", "UI": "1.2.3", "CS": "TERM", "PN": "Name^A"},
    **{"SH": "Short", "LO": "Long", "LT": "Text", "ST": "Text", "UT": "Text", "IS": "7", "DS": "7.5"},
}
CONFLICTS = {
    ("GEMS_GENIE_1", 0x0009, 0x35): ("UL", 0xFFFFFFFE),
    ("GEMS_GENIE_1", 0x0011, 0x11): ("SL", -2),
    ("GEMS_GENIE_1", 0x0011, 0x14): ("LO", "Longer than sixteen characters"),
    ("GEMS_GENIE_1", 0x0011, 0x66): ("LO", "Longer than sixteen characters"),
    ("GEMS_GENIE_1", 0x0013, 0x12): ("SL", -2),
    ("GEMS_GENIE_1", 0x0013, 0x20): ("SL", -2),
    ("GEMS_GENIE_1", 0x0033, 0x07): ("LO", "1.2.3"),
    ("GEMS_GENIE_1", 0x0033, 0x30): ("SL", -2),
    ("GEMS_GENIE_1", 0x0033, 0x33): ("SL", -2),
    ("GEMS_GENIE_1", 0x0033, 0x34): ("SL", -2),
    ("GEMS_GENIE_1", 0x0033, 0x35): ("SL", -2),
    ("GEMS_GENIE_1", 0x5001, 0x1E): ("LO", "Red"),
    ("GEMS_XELPRV_01", 0x0057, 0x11): ("US", 0xFFFE),
    ("GEMS_XELPRV_01", 0x0057, 0x12): ("US", 0xFFFE),
    ("GEMS_XELPRV_01", 0x0057, 0x13): ("CS", "TERM"),
    ("GEMS_XELPRV_01", 0x0057, 0x14): ("LO", "Long"),
    ("GEMS_XELPRV_01", 0x0057, 0x15): ("US", 0xFFFE),
    ("GEMS_XELPRV_01", 0x0057, 0x16): ("LO", "Long"),
    ("GEMS_XELPRV_01", 0x0057, 0x17): ("OW", b"\1\2"),
}
"""Where pydicom's dictionary has another VR: the VR of the statement, and a value that tells them apart."""


def value_of(vr: str) -> object:
    """Something to write; a sequence has an item with an element."""
    if vr != "SQ":
        return WRITTEN[vr]
    item = Dataset()
    item.PatientID = "Inside"
    return Items([item])


def in_blocks(elements: dict[tuple[str, int, int], tuple[str, object]]) -> Dataset:
    """The elements in blocks that no creator has by habit."""
    data_set = Dataset()
    for block, creator in enumerate(sorted({creator for creator, _, _ in elements}), start=0x31):
        for group in sorted({group for one, group, _ in elements if one == creator}):
            data_set.add_new(group << 16 | block, "LO", creator)
            for (one, its_group, element), (vr, value) in elements.items():
                if (one, its_group) == (creator, group):
                    data_set.add_new(group << 16 | block << 8 | element, vr, value)
    return data_set


def read_back(elements: dict[tuple[str, int, int], tuple[str, object]], syntax: str) -> dict[str, list[object]]:
    """The elements written, and read by their fact keys."""
    data_set = in_blocks(elements)
    content = encoded(data_set, syntax)
    keys = [f"{group:04X}:{creator}:{element:02X}" for creator, group, element in elements]
    paths = [*keys, *(f"{key}/00100020" for key in keys)]
    return dict(read_elements(io.BytesIO(content), 0, len(content), syntax, paths)["values"])


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_all_elements_are_read_by_creator_group_and_element(syntax: str) -> None:
    written = {(creator, group, element): (vr, value_of(vr)) for creator, group, element, vr, _, _ in stated()}
    assert len(written) == 348
    read = read_back(written, syntax)
    for (creator, group, element), (vr, value) in written.items():
        key = f"{group:04X}:{creator}:{element:02X}"
        if vr == "SQ":
            assert read[f"{key}/00100020"] == ["Inside"]
        else:
            assert read[key] == [None if vr in ("OB", "OW") else value]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_where_dictionaries_differ_the_statement_is_followed(syntax: str) -> None:
    read = read_back(CONFLICTS, syntax)
    assert read == {
        f"{group:04X}:{creator}:{element:02X}": [None if vr == "OW" else value]
        for (creator, group, element), (vr, value) in CONFLICTS.items()
    }


def test_the_dictionary_is_that_of_the_statement() -> None:
    ours = [(creator, int(group, 16), int(low, 16), *rest) for creator, group, low, *rest in stated_private_elements()]
    assert sorted(ours) == sorted(stated())
    assert len(ours) == 348


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_each_element_has_the_vr_of_the_statement(syntax: str) -> None:
    """In implicit VR as it is resolved, so that OB and OW, LO and SH are told apart; in explicit as it is written."""
    data_set = in_blocks({(creator, group, low): (vr, value_of(vr)) for creator, group, low, vr, _, _ in stated()})
    creators = {each.tag >> 16 << 8 | each.tag & 0xFFFF: each.value for each in data_set if each.tag & 0xFFFF < 0x100}

    def resolve(tag: int, depth: int) -> str:
        return implicit_vr(tag, creators if not depth else {}, signed=False)

    content = encoded(data_set, syntax)
    read = {
        (creators[tag >> 8], tag >> 16, tag & 0xFF): vr
        for tag, vr, _, _, depth in Walker(io.BytesIO(content), 0, len(content), syntax, resolve)
        if not depth and tag & 0xFFFF > 0xFF
    }
    assert read == {(creator, group, low): vr for creator, group, low, vr, _, _ in stated()}
    for creator, group, low, vr, _, name in stated():
        assert stated_private_element(creator, group, low) == (vr, name)


def test_another_vr_than_that_of_the_statement_is_found_in_explicit() -> None:
    """Each of the 348, where one that is as the statement says has no finding (test_iods)."""
    others = {"OB": "OW", "OW": "OB", "LO": "SH", "SH": "LO"}
    written = {
        (creator, group, low): (other := others.get(vr, "LT" if vr != "LT" else "ST"), value_of(other))
        for creator, group, low, vr, _, _ in stated()
        if vr != "SQ"
    }
    found: set[str] = set()
    for creators in (("GEMS_GENIE_1",), {creator for creator, _, _ in written} - {"GEMS_GENIE_1"}):
        for half in (0, 1):
            some = {key: of for key, of in written.items() if key[0] in creators and key[2] % 2 == half}
            data_set = made("PET")
            data_set.update(in_blocks(some))
            found |= {finding for finding in findings(data_set) if " vr " in finding}
    assert len(found) == len(written)

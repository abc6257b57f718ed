"""All private elements of the Xeleris objects are read by creator, group and element, in explicit and implicit VR."""

import io
import json
from importlib.resources import files

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from deploy.local.demo.nuclear_medicine import encoded
from services.dicom.facts import read_elements

ELEMENTS: dict[str, dict[str, dict[str, list[str]]]] = json.loads(
    files("schemas.dicom").joinpath("private_elements.json").read_text(encoding="utf-8")
)["elements"]
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


def read_back(elements: dict[tuple[str, int, int], tuple[str, object]], syntax: str) -> dict[str, list[object]]:
    """The elements written to blocks that no creator has by habit, and read by their fact keys."""
    data_set = Dataset()
    for block, creator in enumerate(sorted({creator for creator, _, _ in elements}), start=0x31):
        for group in sorted({group for one, group, _ in elements if one == creator}):
            data_set.add_new(group << 16 | block, "LO", creator)
            for (one, its_group, element), (vr, value) in elements.items():
                if (one, its_group) == (creator, group):
                    data_set.add_new(group << 16 | block << 8 | element, vr, value)
    content = encoded(data_set, syntax)
    keys = [f"{group:04X}:{creator}:{element:02X}" for creator, group, element in elements]
    paths = [*keys, *(f"{key}/00100020" for key in keys)]
    return dict(read_elements(io.BytesIO(content), 0, len(content), syntax, paths)["values"])


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_all_elements_are_read_by_creator_group_and_element(syntax: str) -> None:
    written = {
        (creator, int(group, 16), int(element, 16)): (entry[0], value_of(entry[0]))
        for creator, groups in ELEMENTS.items()
        for group, elements in groups.items()
        for element, entry in elements.items()
    }
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

"""Private elements are known by creator, group and low byte; our list goes before pydicom's."""

import json
from importlib.resources import files

import pytest

from services.dicom.dictionary import keyword_of, private_creators, private_vr, standard_vr, tag_of

ELEMENTS: dict[str, dict[str, dict[str, list[str]]]] = json.loads(
    files("schemas.dicom").joinpath("private_elements.json").read_text(encoding="utf-8")
)["elements"]


def test_all_elements_of_the_xeleris_objects_are_known() -> None:
    known = [
        (creator, int(group, 16), int(element, 16), entry[0])
        for creator, groups in ELEMENTS.items()
        for group, elements in groups.items()
        for element, entry in elements.items()
    ]
    assert len(known) == 348
    assert [entry for entry in known if private_vr(*entry[:3]) != entry[3]] == []
    assert set(ELEMENTS) <= private_creators()


@pytest.mark.parametrize(
    ("creator", "group", "element", "vr"),
    [
        ("GEMS_GENIE_1", 0x0009, 0x40, "PN"),
        ("GEMS_PETD_01", 0x0009, 0x38, ELEMENTS["GEMS_PETD_01"]["0009"]["38"][0]),
        ("SIEMENS CSA HEADER", 0x0029, 0x10, "OB"),
        ("GEMS_GENIE_1", 0x0099, 0x40, "UN"),
        ("NOBODY", 0x0009, 0x40, "UN"),
    ],
)
def test_private_vr(creator: str, group: int, element: int, vr: str) -> None:
    assert private_vr(creator, group, element) == vr


def test_standard_elements() -> None:
    assert standard_vr(0x00080060) == "CS"
    assert standard_vr(0x60023000) == "OW"
    assert standard_vr(0x00280106) == "US"
    assert standard_vr(0x00080000) == "UL"
    assert standard_vr(0x0008FFFF) == "UN"
    assert tag_of("Modality") == 0x00080060
    assert tag_of("Modalty") is None
    assert keyword_of(0x00080060) == "Modality"

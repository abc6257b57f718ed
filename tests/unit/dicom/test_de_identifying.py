"""De-identification (PS3.15 annex E) by what becomes of a data set, in every encoding a data set comes in."""

from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.unit.dicom.transformed_data import (
    BLOCK,
    SYNTAXES,
    changed,
    image,
)


def everything(data_set: Dataset) -> str:
    return "\n".join(f"{element.keyword}={element.value!r}" for element in data_set.iterall())


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_de_identified_data_set_tells_nothing_of_the_patient(syntax: str) -> None:
    requested = Dataset()
    requested.PatientName, requested.PatientID, requested.CodeValue = "Müller^Jörg", "0042", "1"
    whole = image(ReferencedPatientSequence=Sequence([requested]), ReferencedStudySequence=Sequence([requested]))
    whole.add_new(0x60003000, "OW", b"\0\0")
    found = changed(whole, {"do": "deidentify"}, syntax=syntax)
    text = everything(found)
    for told in ("Müller", "0042", "A1", "A2", "19500101", "CT1", "Spital", "X1", "1.2.3.", "Jörg", "ACME"):
        assert told not in text
    assert (0x6000, 0x3000) not in found
    assert found.PatientID == str(found.PatientName) == changed(image(), {"do": "deidentify"}).PatientID
    assert found.PatientID != changed(image(PatientID="43"), {"do": "deidentify"}).PatientID
    assert found.PatientID != changed(image(), {"do": "deidentify", "project": "trial"}).PatientID
    assert found.PatientIdentityRemoved == "YES"
    assert found.LongitudinalTemporalInformationModified == "REMOVED"
    assert [code.CodeValue for code in found.DeidentificationMethodCodeSequence] == ["113100"]
    assert found.PixelData == bytes(range(8))


def test_the_profile_is_whole_and_the_librarys_edition_is_the_one_it_says() -> None:
    from services.dicom.transforming.deidentification import table

    assert len(table().tags) > 600
    assert table().action(0x50100001) == table().action(0x60024000) == "remove"
    assert table().action(0x00100010) == "empty"
    assert table().action(0x00280010) == ""


@pytest.mark.parametrize(
    ("option", "kept", "code"),
    [
        ("retain-uids", {"SOPInstanceUID": "1.2.3.4", "StudyInstanceUID": "1.2.3"}, "113110"),
        ("retain-full-dates", {"StudyDate": "20260131"}, "113106"),
        ("retain-device", {"StationName": "CT1"}, "113109"),
        ("retain-institution", {"InstitutionName": "Spital"}, "113112"),
        ("retain-patient-characteristics", {"PatientAge": "076Y", "PatientWeight": 80.5}, "113108"),
    ],
)
def test_an_option_keeps_what_it_is_for(option: str, kept: dict[str, Any], code: str) -> None:
    without = changed(image(), {"do": "deidentify"})
    found = changed(image(), {"do": "deidentify", "options": [option]})
    for keyword, value in kept.items():
        assert found[keyword].value == value
        assert without.get(keyword) != value
    assert [each.CodeValue for each in found.DeidentificationMethodCodeSequence] == ["113100", code]
    assert found.PatientBirthDate == ""


def test_what_is_named_to_be_kept_is_kept() -> None:
    found = changed(image(), {"do": "deidentify", "keep": [BLOCK + "11)", "AccessionNumber"]})
    assert (found[0x0009, 0x1011].value, (0x0009, 0x1010) in found) == (7, False)
    assert found.AccessionNumber == "A1"
    assert [each.CodeValue for each in found.DeidentificationMethodCodeSequence] == ["113100", "113111"]

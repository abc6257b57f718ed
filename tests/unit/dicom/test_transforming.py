"""Every step of a transformation by what becomes of a data set, in every encoding a data set comes in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydicom.dataset import Dataset

from deploy.local.demo.nuclear_medicine import encoded
from services.dicom.contexts import (
    EXPLICIT_LITTLE_ENDIAN,
)
from services.dicom.transforming.errors import NotTransformable
from services.dicom.transforming.transformation import resolved, stored
from tests.unit.dicom.transformed_data import (
    BLOCK,
    CT,
    KEY,
    SYNTAXES,
    bytes_in,
    changed,
    image,
    read,
    sent,
    transformation,
)


@dataclass(frozen=True)
class Case:
    """``see`` looks at what was sent; ``elements`` stand in the image."""

    name: str
    steps: list[dict[str, Any]]
    see: Callable[[Dataset], Any]
    expected: Any
    elements: dict[str, Any] = field(default_factory=dict)


def private(data_set: Dataset, element: int) -> str:
    """Text of group 0009; in implicit VR nobody knows that it is text."""
    value = data_set[0x0009, element].value
    return value.decode("latin-1").rstrip() if isinstance(value, bytes) else str(value)


def requests(keyword: str) -> Callable[[Dataset], Any]:
    return lambda data_set: [item.get(keyword) for item in data_set.RequestAttributesSequence]


CASES = [
    Case("set", [{"do": "set", "tag": ["InstitutionName"], "value": ["Other"]}], lambda d: d.InstitutionName, "Other"),
    Case("set what is missing", [{"do": "set", "tag": "PatientComments", "value": "é"}],
         lambda d: d.PatientComments, "é"),
    Case("set several", [{"do": "set", "tag": "OtherPatientIDs", "value": ["A", "B", "C"]}],
         lambda d: list(d.OtherPatientIDs), ["A", "B", "C"]),
    Case("set to nothing", [{"do": "set", "tag": ["AccessionNumber", "StudyID"], "value": ""}],
         lambda d: (d.AccessionNumber, d.StudyID), ("", "")),
    Case("set a number", [{"do": "set", "tag": "PatientWeight", "value": 81.25}], lambda d: float(d.PatientWeight),
         81.25),
    Case("set binary numbers", [{"do": "set", "tag": "LossyImageCompressionRatio", "value": [2, 3.5]},
         {"do": "set", "tag": "SmallestImagePixelValue", "value": 5}],
         lambda d: (list(d.LossyImageCompressionRatio), d.SmallestImagePixelValue), ([2, 3.5], 5)),
    Case("set in every item", [{"do": "set", "tag": "RequestAttributesSequence/AccessionNumber", "value": "N"}],
         requests("AccessionNumber"), ["N", "N"]),
    Case("set makes no items", [{"do": "set", "tag": "ReferencedStudySequence/ReferencedSOPInstanceUID",
         "value": "1.2"}], lambda d: "ReferencedStudySequence" in d, False),
    Case("set two levels down", [{"do": "set", "tag":
         "RequestAttributesSequence/RequestedProcedureCodeSequence/CodeMeaning", "value": "Kopf"}],
         lambda d: d.RequestAttributesSequence[0].RequestedProcedureCodeSequence[0].CodeMeaning, "Kopf"),
    Case("set a private element", [{"do": "set", "tag": BLOCK + "10)", "value": "new", "vr": "LO"}],
         lambda d: private(d, 0x1010), "new"),
    Case("set in a new private block", [{"do": "set", "tag": '(0009,"OTHER",20)', "value": "x"}],
         lambda d: (private(d, 0x0011), private(d, 0x1120)), ("OTHER", "x")),
    Case("change a private element", [{"do": "replace", "tag": BLOCK + "10)", "pattern": "^J", "by": "Y"}],
         lambda d: private(d, 0x1010), "Yörg"),
    Case("remove", [{"do": "remove", "tag": ["InstitutionName", "PatientComments"]}],
         lambda d: "InstitutionName" in d, False),
    Case("remove a sequence", [{"do": "remove", "tag": "RequestAttributesSequence"}],
         lambda d: "RequestAttributesSequence" in d, False),
    Case("remove in items", [{"do": "remove", "tag": "RequestAttributesSequence/RequestedProcedureID"}],
         requests("RequestedProcedureID"), [None, None]),
    Case("remove a private element", [{"do": "remove", "tag": BLOCK + "10)"}],
         lambda d: ((0x0009, 0x1010) in d, (0x0009, 0x1011) in d), (False, True)),
    Case("copy", [{"do": "copy", "tag": "StudyID", "to": "AccessionNumber"}], lambda d: d.AccessionNumber, "S1"),
    Case("copy out of the first item", [{"do": "copy", "tag": "RequestAttributesSequence/RequestedProcedureID",
         "to": "StudyID"}], lambda d: d.StudyID, "P1"),
    Case("copy a number into text", [{"do": "copy", "tag": "Rows", "to": "StudyID"}], lambda d: d.StudyID, "2"),
    Case("copy what is missing", [{"do": "copy", "tag": "PatientComments", "to": "StudyID"}], lambda d: d.StudyID,
         "S1"),
    Case("copy what is empty", [{"do": "copy", "tag": "PatientComments", "to": "StudyID"}], lambda d: d.StudyID, "",
         {"PatientComments": ""}),
    Case("replace", [{"do": "replace", "tag": "PatientID", "pattern": "^0+", "by": ""}], lambda d: d.PatientID, "42"),
    Case("replace with groups", [{"do": "replace", "tag": "StudyDate", "pattern": "^([0-9]{4})([0-9]{4})$",
         "by": r"2020\2"}], lambda d: d.StudyDate, "20200131"),
    Case("replace in each value", [{"do": "replace", "tag": "OtherPatientIDs", "pattern": "x", "by": "Y"}],
         lambda d: list(d.OtherPatientIDs), ["Y1", "Y2"]),
    Case("replace with case", [{"do": "replace", "tag": "OtherPatientIDs", "pattern": "x", "by": "Y",
         "ignore_case": False}], lambda d: list(d.OtherPatientIDs), ["X1", "X2"]),
    Case("replace in a name", [{"do": "replace", "tag": "PatientName", "pattern": "ü", "by": "ue"}],
         lambda d: str(d.PatientName), "Mueller^Jörg"),
    Case("prefix", [{"do": "prefix", "tag": ["PatientID", "AccessionNumber"], "text": "B-"}],
         lambda d: (d.PatientID, d.AccessionNumber), ("B-0042", "B-A1")),
    Case("prefix once", [{"do": "prefix", "tag": "PatientID", "text": "00"}], lambda d: d.PatientID, "0042"),
    Case("prefix nothing", [{"do": "prefix", "tag": ["PatientID", "PatientComments"], "text": "B-"}],
         lambda d: (d.PatientID, "PatientComments" in d), ("", False), {"PatientID": ""}),
    Case("prefix in items", [{"do": "prefix", "tag": "RequestAttributesSequence/AccessionNumber", "text": "B"}],
         requests("AccessionNumber"), ["BA1", "BA2"]),
    Case("in their order", [{"do": "copy", "tag": "PatientID", "to": "StudyID"},
         {"do": "set", "tag": "PatientID", "value": "9"}, {"do": "prefix", "tag": "StudyID", "text": "W"}],
         lambda d: (d.PatientID, d.StudyID), ("9", "W0042")),
    Case("charset", [{"do": "charset", "value": "ISO_IR 192"}],
         lambda d: (d.SpecificCharacterSet, str(d.PatientName),
                    d.RequestAttributesSequence[0].RequestedProcedureCodeSequence[0].CodeMeaning),
         ("ISO_IR 192", "Müller^Jörg", "Schädel")),
    Case("charset, then what only it can hold", [{"do": "charset", "value": "ISO_IR 192"},
         {"do": "set", "tag": "PatientComments", "value": "患者"}], lambda d: d.PatientComments, "患者"),
]  # fmt: skip


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_step_does_what_it_says(case: Case, syntax: str) -> None:
    assert case.see(changed(image(**case.elements), *case.steps, syntax=syntax)) == case.expected


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_no_step_names_stays_as_it_is(syntax: str) -> None:
    """Private elements, sequences and pixels included; in the received syntax where that can be written."""
    change = transformation({"do": "set", "tag": "StudyID", "value": "X"})
    data, sent_in, renamed = sent(bytes_in(image(), syntax), syntax, change)
    assert sent_in == (EXPLICIT_LITTLE_ENDIAN if syntax in SYNTAXES[2:] else syntax)
    assert read(data, sent_in) == read(encoded(image(StudyID="X"), sent_in), sent_in)
    assert renamed == {}
    assert sent(bytes_in(image(), syntax), syntax, change)[0] == data, "the same again"


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_new_uids_are_the_same_everywhere_and_another_projects_are_not(syntax: str) -> None:
    found = changed(image(), {"do": "new_uids"}, syntax=syntax)
    assert found.SOPClassUID == found.ReferencedImageSequence[0].ReferencedSOPClassUID == CT
    new = [found.StudyInstanceUID, found.SeriesInstanceUID, found.SOPInstanceUID, found.FrameOfReferenceUID]
    assert len(set(new)) == 4
    assert all(uid.startswith("2.25.") and uid.is_valid for uid in new)
    assert found.ReferencedImageSequence[0].ReferencedSOPInstanceUID == found.SOPInstanceUID
    again = changed(image(SOPInstanceUID="1.2.3.5"), {"do": "new_uids"}, {"do": "set", "tag": "StudyID", "value": ""})
    assert again.StudyInstanceUID == found.StudyInstanceUID, "one study stays one, whatever else a rule does"
    assert again.SOPInstanceUID != found.SOPInstanceUID
    other = changed(image(), {"do": "new_uids", "project": "trial"})
    assert other.StudyInstanceUID != found.StudyInstanceUID


def test_new_uids_are_told() -> None:
    change = transformation({"do": "new_uids"})
    data, syntax, renamed = sent(bytes_in(image(), EXPLICIT_LITTLE_ENDIAN), EXPLICIT_LITTLE_ENDIAN, change)
    found = read(data, syntax)
    assert renamed == {
        "1.2.3": found.StudyInstanceUID,
        "1.2.3.1": found.SeriesInstanceUID,
        "1.2.3.4": found.SOPInstanceUID,
    }
    assert change.sent_uid("1.2.3.4") == found.SOPInstanceUID
    assert transformation({"do": "new_uids"}, key=b"other").sent_uid("1.2.3.4") != found.SOPInstanceUID
    assert change.sent_uid("1.2.3.4") == "2.25.288653615740950284535524701679266222554", (
        "on every day, in every process"
    )


UNDECLARED = dict.fromkeys(("the text of PatientName", "PatientName is not in the character"), b"ISO_IR 6  ")
"""Faults of a data set whose text is not in the character set that it names."""


@pytest.mark.parametrize(
    ("elements", "steps", "reason"),
    [
        (
            {},
            [{"do": "prefix", "tag": "AccessionNumber", "text": "0123456789ABCDEF"}],
            "AccessionNumber cannot be writ",
        ),
        ({}, [{"do": "set", "tag": "PatientComments", "value": "患者"}], "character set"),
        ({}, [{"do": "replace", "tag": "PatientName", "pattern": "a", "by": "b"}], "the text of PatientName"),
        ({}, [{"do": "charset", "value": "ISO_IR 192"}], "PatientName is not in the character"),
        ({}, [{"do": "charset", "value": "ISO_IR 6"}], "cannot hold the text of PatientName"),
        ({}, [{"do": "replace", "tag": "StudyDate", "pattern": "^2026", "by": "A"}], "no date"),
        ({}, [{"do": "replace", "tag": "PatientWeight", "pattern": "80", "by": "x"}], "no decimal number"),
        ({}, [{"do": "copy", "tag": "PatientName", "to": "Rows"}], "Rows cannot be written"),
        ({"BurnedInAnnotation": "YES"}, [{"do": "deidentify"}], "burned_in"),
        ({"EncapsulatedDocument": b"%PDF"}, [{"do": "deidentify"}], "EncapsulatedDocument"),
    ],
)
def test_what_cannot_be_done_is_refused_without_telling_values(
    elements: dict[str, Any], steps: list[dict[str, Any]], reason: str
) -> None:
    data_set = image(**elements)
    del data_set[0x0009, 0x1010]
    data = encoded(data_set, EXPLICIT_LITTLE_ENDIAN).replace(b"ISO_IR 100", UNDECLARED.get(reason, b"ISO_IR 100"))
    with pytest.raises(NotTransformable, match=reason) as caught:
        sent(data, EXPLICIT_LITTLE_ENDIAN, transformation(*steps))
    for value in ("0042", "ller", "A1", "A0131", "80.5"):
        assert value not in str(caught.value)


@pytest.mark.parametrize("cut", [1, 9, 40])
def test_a_data_set_that_cannot_be_followed_is_refused(cut: int) -> None:
    data = encoded(image(), EXPLICIT_LITTLE_ENDIAN)[:-cut]
    with pytest.raises(NotTransformable, match="cannot be followed"):
        sent(data, EXPLICIT_LITTLE_ENDIAN, transformation({"do": "set", "tag": "StudyID", "value": "X"}))


def test_burned_in_annotations_are_sent_if_the_rule_says_so() -> None:
    found = changed(image(BurnedInAnnotation="YES"), {"do": "deidentify", "burned_in": True})
    assert found.PatientIdentityRemoved == "YES"


def test_items_say_nothing_of_character_sets_after_a_conversion() -> None:
    data_set = image()
    item = data_set.RequestAttributesSequence[1]
    item.SpecificCharacterSet, item.RequestedProcedureDescription = "ISO_IR 144", "Голова"
    found = changed(data_set, {"do": "charset", "value": "ISO_IR 192"})
    assert "SpecificCharacterSet" not in found.RequestAttributesSequence[1]
    assert found.RequestAttributesSequence[1].RequestedProcedureDescription == "Голова"


def test_an_item_is_written_in_its_own_character_set() -> None:
    data_set = image()
    data_set.RequestAttributesSequence[1].SpecificCharacterSet = "ISO_IR 144"
    step = {"do": "set", "tag": "RequestAttributesSequence/RequestedProcedureDescription", "value": "Голова"}
    with pytest.raises(NotTransformable, match="character set"):  # the first item is in ISO_IR 100
        changed(data_set, step)
    del data_set.RequestAttributesSequence[0]
    assert changed(data_set, step).RequestAttributesSequence[0].RequestedProcedureDescription == "Голова"


def test_texts_name_who_sent_the_instance() -> None:
    steps = transformation({"do": "prefix", "tag": "PatientID", "text": "{calling_aet}-"}).steps
    (step,) = resolved(steps, {"calling_aet": "CT1", "called_aet": "GATEWAY"})
    assert step.text == "CT1-"


def test_steps_of_another_version_send_nothing() -> None:
    change = stored("0" * 64, [{"do": "fly"}], KEY)
    with pytest.raises(NotTransformable, match="another version"):
        sent(encoded(image(), EXPLICIT_LITTLE_ENDIAN), EXPLICIT_LITTLE_ENDIAN, change)

"""What is asked of other stations, by profile and level, and what cannot be asked (R125, R139, R144, R147, R148)."""

import io

import pytest
from pydicom import Dataset
from pydicom.filereader import read_dataset

from schemas.dicom.query_keys import Level
from services.dicom.asked_keys import KeyFault, asked, retrieved
from services.dicom.contexts import IMPLICIT_LITTLE_ENDIAN
from services.dicom.dictionary import tag_of
from services.dicom.profile import Profile, profile_of
from services.dicom.settings import DicomSettings

XELERIS, GATEWAY = (profile_of(name, DicomSettings()) for name in ("xeleris", "gateway"))  # type: ignore[arg-type]
STUDY_KEYS = (
    "AccessionNumber ModalitiesInStudy PatientID PatientName QueryRetrieveLevel StudyDate StudyDescription StudyID "
    "StudyInstanceUID StudyTime"
)
SERIES_KEYS = (
    "Modality NumberOfSeriesRelatedInstances QueryRetrieveLevel SeriesDate SeriesDescription SeriesInstanceUID "
    "SeriesNumber SeriesTime StudyInstanceUID"
)
IMAGE_KEYS = (
    "Columns ImageID ImageIndex InstanceNumber NumberOfFrames QueryRetrieveLevel Rows SOPInstanceUID "
    "SeriesInstanceUID StudyInstanceUID"
)
REPORT_KEYS = "CompletionFlag ConceptNameCodeSequence VerificationFlag VerifyingObserverSequence"
ABOVE = {"SERIES": {"StudyInstanceUID": "1.2"}, "IMAGE": {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3"}}


def tags(given: dict[str, str]) -> dict[int, str]:
    return {tag_of(keyword) or 0: value for keyword, value in given.items()}


def sent(profile: Profile, level: Level, given: dict[str, str] | None = None, *, reports: bool = False) -> Dataset:
    """The identifier as pydicom reads it."""
    question = asked(profile, level, tags((given or {}) | ABOVE.get(level, {})))
    data = question.identifier(IMPLICIT_LITTLE_ENDIAN, profile, structured_reports=reports)
    return read_dataset(io.BytesIO(data), True, True)


def keywords(data_set: Dataset) -> list[str]:
    return sorted(element.keyword for element in data_set)


@pytest.mark.parametrize(("level", "keys"), [("STUDY", STUDY_KEYS), ("SERIES", SERIES_KEYS), ("IMAGE", IMAGE_KEYS)])
def test_profile_xeleris_asks_for_the_keys_of_the_statement(level: Level, keys: str) -> None:
    assert keywords(sent(XELERIS, level)) == keys.split()


def test_keys_of_structured_reports_are_asked_of_who_has_them() -> None:
    found = sent(XELERIS, "IMAGE", reports=True)
    assert keywords(found) == sorted([*IMAGE_KEYS.split(), *REPORT_KEYS.split()])
    assert keywords(found.VerifyingObserverSequence[0]) == ["VerificationDateTime", "VerifyingObserverName"]
    assert keywords(found.ConceptNameCodeSequence[0]) == ["CodeValue", "CodingSchemeDesignator"]


@pytest.mark.parametrize("level", ["STUDY", "SERIES", "IMAGE"])
def test_profile_gateway_asks_for_all_of_that_and_more(level: Level) -> None:
    for reports in (False, True):
        ours, statement = (set(keywords(sent(each, level, reports=reports))) for each in (GATEWAY, XELERIS))
        assert ours > statement or (level == "SERIES" and ours == statement)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("StudyDate", "20260101-20260131"), ("StudyDate", "20260131"), ("StudyDate", "-20260131"),
        ("StudyDate", "20260101-"), ("AccessionNumber", "A*"), ("StudyID", "1"), ("StudyDescription", "?one*"),
        ("PatientName", "DOE^*"), ("PatientID", "4711"), ("ModalitiesInStudy", "*"), ("ModalitiesInStudy", "NM"),
    ],
)  # fmt: skip
def test_criteria_go_out_as_they_are(keyword: str, value: str) -> None:
    for profile in (XELERIS, GATEWAY):
        assert str(sent(profile, "STUDY", {keyword: f" {value} "})[keyword].value) == value


@pytest.mark.parametrize(
    ("level", "given", "fault"),
    [
        ("STUDY", {"StudyInstanceUID": "1.2"}, "StudyInstanceUID is no criterion at level STUDY"),
        ("STUDY", {"StudyTime": "12"}, "StudyTime is no criterion"),
        ("STUDY", {"ModalitiesInStudy": "US"}, "ModalitiesInStudy = US: give one of NM, PT, CT, MR, *"),
        ("STUDY", {"PatientID": "47*"}, "PatientID = 47*: give one value"),
        ("STUDY", {"PatientID": "1\\2"}, "give one value"),
        ("SERIES", {"StudyInstanceUID": "1.2", "Modality": "NM"}, "Modality is no criterion at level SERIES"),
        ("PATIENT", {}, "level PATIENT"),
    ],
)
def test_what_profile_xeleris_does_not_ask(level: Level, given: dict[str, str], fault: str) -> None:
    with pytest.raises(KeyFault, match=fault.replace("*", r"\*")):
        asked(XELERIS, level, tags(given))
    if level != "PATIENT":
        asked(GATEWAY, level, tags(given))


@pytest.mark.parametrize(
    ("level", "given", "fault"),
    [
        ("SERIES", {}, "StudyInstanceUID is missing"),
        ("IMAGE", {"StudyInstanceUID": "1.2"}, "SeriesInstanceUID is missing"),
        ("SERIES", {"StudyInstanceUID": "1.*"}, "StudyInstanceUID = 1.*: give a UID"),
        ("SERIES", {"StudyInstanceUID": "1.2\\1.3"}, "give one value"),
        ("STUDY", {"StudyDate": "2026-01-31"}, "give a date or a range"),
        ("STUDY", {"StudyDate": "20260230"}, "give a date or a range"),
        ("STUDY", {"StudyDate": "20260131-20260101"}, "give a date or a range"),
        ("STUDY", {"PatientName": "A\nB"}, "printable"),
        ("STUDY", {"PatientName": "x" * 2000}, "at most 1024"),
    ],
)
def test_what_nobody_asks(level: Level, given: dict[str, str], fault: str) -> None:
    for profile in (XELERIS, GATEWAY):
        with pytest.raises(KeyFault, match=fault.replace("*", r"\*")):
            asked(profile, level, tags(given))


def test_the_model_patient_root_is_profile_gateways() -> None:
    with pytest.raises(KeyFault, match="Study Root only"):
        asked(XELERIS, "PATIENT", {}, "PATIENT")
    assert asked(GATEWAY, "PATIENT", {}, "PATIENT").sop_class.endswith(".1.1")
    with pytest.raises(KeyFault, match="PatientID is missing"):
        asked(GATEWAY, "STUDY", {}, "PATIENT")


def test_other_text_than_latin_1_is_refused_or_sent_as_utf_8() -> None:
    assert "SpecificCharacterSet" not in sent(XELERIS, "STUDY", {"PatientName": "DOE*"})
    assert sent(XELERIS, "STUDY", {"PatientName": "DÖE*"}).SpecificCharacterSet == "ISO_IR 100"
    with pytest.raises(KeyFault, match="ISO_IR 100"):
        sent(XELERIS, "STUDY", {"PatientName": "山*"})
    assert sent(GATEWAY, "STUDY", {"PatientName": "DÖE*"}).SpecificCharacterSet == "ISO_IR 100"
    wide = sent(GATEWAY, "STUDY", {"PatientName": "山*"})
    assert (wide.SpecificCharacterSet, str(wide.PatientName)) == ("ISO_IR 192", "山*")


def test_a_retrieval_names_the_unique_keys_down_to_its_level() -> None:
    assert retrieved("STUDY", "", "", "1.2") == tags({"StudyInstanceUID": "1.2"})
    assert retrieved("SERIES", "1.2", "", "1.3") == tags({"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3"})
    assert retrieved("IMAGE", "1.2", "1.3", "1.4") == tags(
        {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3", "SOPInstanceUID": "1.4"}
    )

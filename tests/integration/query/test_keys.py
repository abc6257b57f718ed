"""DCMTK's findscu asks every key at every level of both models, in both profiles, over 10,000 studies."""

from collections.abc import Callable

import pytest

from tests.ingest_process import IngestProcess
from tests.integration.query.conftest import STUDIES
from tests.integration.query.dcmtk import findscu
from tests.integration.query.generated import Study

ALL = [Study(number) for number in range(1, STUDIES + 1)]
STUDY, SERIES, INSTANCE = "1.2.826.1.77", "1.2.826.1.77.2", "1.2.826.1.77.2.1"
PATIENT = Study(77)
Keys = dict[str, str]
Expected = Callable[[Study], bool]


@pytest.fixture(params=["gateway", "xeleris"])
def either(request: pytest.FixtureRequest) -> IngestProcess:
    """Each profile in turn."""
    process: IngestProcess = request.getfixturevalue(request.param)
    return process


IN_BOTH: list[tuple[Keys, Expected]] = [
    ({"StudyInstanceUID": "1.2.826.1.77"}, lambda s: s.number == 77),
    ({"PatientID": "PAT0000078"}, lambda s: s.patient == 78),
    ({"PatientName": "name000001*"}, lambda s: s.patient // 10 == 1),
    ({"PatientName": "NAME0000078 GIVEN1"}, lambda s: s.patient == 78),
    ({"PatientName": "*78^given?"}, lambda s: s.patient % 100 == 78),
    ({"StudyDate": "20000318"}, lambda s: s.date == "20000318"),
    ({"StudyDate": "20000318-20000320"}, lambda s: "20000318" <= s.date <= "20000320"),
    ({"StudyDate": "20160601-"}, lambda s: s.date >= "20160601"),
    ({"StudyDate": "-20000103"}, lambda s: s.date <= "20000103"),
    ({"AccessionNumber": "ACC0000077"}, lambda s: s.number == 77),
    ({"AccessionNumber": "ACC000007?"}, lambda s: s.number // 10 == 7),
    ({"StudyID": "ID77"}, lambda s: s.number == 77),
    ({"StudyID": "ID77*"}, lambda s: str(s.number).startswith("77")),
    ({"StudyDescription": "Study number 77"}, lambda s: s.number == 77),
    ({"StudyDescription": "*number 777*"}, lambda s: str(s.number).startswith("777")),
    ({"ModalitiesInStudy": "NM", "AccessionNumber": "ACC00000*"}, lambda s: s.number < 100 and "NM" in s.modalities),
    ({"ModalitiesInStudy": "M*", "AccessionNumber": "ACC00000*"}, lambda s: s.number < 100 and "MR" in s.modalities),
    ({"ModalitiesInStudy": "*", "AccessionNumber": "ACC000007*"}, lambda s: s.number // 10 == 7),
]


@pytest.mark.parametrize(("keys", "expected"), IN_BOTH)
def test_study_level_of_study_root(either: IngestProcess, keys: Keys, expected: Expected) -> None:
    found = findscu(either, "S", "STUDY", {"StudyInstanceUID": "", **keys})
    assert sorted(str(each.StudyInstanceUID) for each in found) == sorted(s.uid for s in ALL if expected(s))


IN_GATEWAY: list[tuple[Keys, Expected]] = [
    ({"StudyInstanceUID": "1.2.826.1.77\\1.2.826.1.78"}, lambda s: s.number in (77, 78)),
    ({"PatientID": "PAT000007*"}, lambda s: s.patient // 10 == 7),
    ({"PatientID": "PAT0000078\\PAT0000079"}, lambda s: s.patient in (78, 79)),
    ({"PatientName": "NAME0000078*\\NAME0000079*"}, lambda s: s.patient in (78, 79)),
    ({"StudyTime": "1717", "AccessionNumber": "ACC0000*"}, lambda s: s.number < 1000 and s.time == "171700"),
    ({"StudyTime": "10-1130", "AccessionNumber": "ACC0000*"},
     lambda s: s.number < 1000 and "100000" <= s.time <= "113000"),
    ({"AccessionNumber": "ACC0000077\\ACC0000079"}, lambda s: s.number in (77, 79)),
    ({"ModalitiesInStudy": "NM\\MR", "AccessionNumber": "ACC00000*"},
     lambda s: s.number < 100 and bool({"NM", "MR"} & s.modalities)),
    ({"PatientBirthDate": "19880101", "PatientSex": "F", "AccessionNumber": "ACC0000*"},
     lambda s: s.number < 1000 and s.patient % 90 == 78),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "expected"), IN_GATEWAY)
def test_profile_gateway_adds_lists_and_times(gateway: IngestProcess, keys: Keys, expected: Expected) -> None:
    found = findscu(gateway, "S", "STUDY", {"StudyInstanceUID": "", **keys})
    assert sorted(str(each.StudyInstanceUID) for each in found) == sorted(s.uid for s in ALL if expected(s))


@pytest.mark.parametrize(
    ("keys", "count"),
    [
        ({"StudyInstanceUID": "1.2.826.1.77\\1.2.826.1.78"}, 0),
        ({"PatientID": "PAT000007*"}, 0),
        ({"StudyTime": "000000", "StudyInstanceUID": "1.2.826.1.77"}, 1),
        ({"PatientSex": "X", "StudyInstanceUID": "1.2.826.1.77"}, 1),
    ],
)
def test_profile_xeleris_takes_single_values_and_matches_no_times(
    xeleris: IngestProcess, keys: Keys, count: int
) -> None:
    assert len(findscu(xeleris, "S", "STUDY", keys)) == count


def test_every_study_key_is_returned(either: IngestProcess) -> None:
    asked = ["StudyDate", "StudyTime", "AccessionNumber", "PatientName", "PatientID", "StudyID", "ModalitiesInStudy",
             "StudyDescription"]  # fmt: skip
    (found,) = findscu(either, "S", "STUDY", {"StudyInstanceUID": STUDY, **dict.fromkeys(asked, "")})
    assert found.QueryRetrieveLevel == "STUDY"
    assert found.RetrieveAETitle == "GATEWAY"
    assert (found.StudyDate, found.StudyTime) == (PATIENT.date, PATIENT.time)
    assert (found.PatientID, found.PatientName) == (PATIENT.patient_id, PATIENT.patient_name)
    assert (found.AccessionNumber, found.StudyID) == (PATIENT.accession, "ID77")
    assert (found.StudyDescription, set(found.ModalitiesInStudy)) == ("Study number 77", PATIENT.modalities)
    assert len(found) == len(asked) + 3


@pytest.mark.parametrize(
    ("keys", "patients"),
    [
        ({"PatientID": "PAT0000078"}, [78]),
        ({"PatientName": "name000007*"}, list(range(70, 80))),
    ],
)
def test_patient_level(either: IngestProcess, keys: Keys, patients: list[int]) -> None:
    found = findscu(either, "P", "PATIENT", {"PatientID": "", "PatientName": "", **keys})
    assert sorted(each.PatientID for each in found) == [f"PAT{number:07}" for number in patients]
    assert {each.RetrieveAETitle for each in found} == {"GATEWAY"}


@pytest.mark.parametrize("keys", [{"StudyID": "ID77"}, {"StudyDate": "20000318"}, {"AccessionNumber": "ACC000007*"}])
def test_study_level_of_patient_root(either: IngestProcess, keys: Keys) -> None:
    (found,) = findscu(either, "P", "STUDY", {"PatientID": PATIENT.patient_id, "StudyInstanceUID": "", **keys})
    assert (found.StudyInstanceUID, found.PatientID) == (STUDY, PATIENT.patient_id)


UPPER = {"P": {"PatientID": PATIENT.patient_id}, "S": dict[str, str]()}


@pytest.mark.parametrize("root", ["P", "S"])
@pytest.mark.parametrize(
    ("keys", "numbers"),
    [
        ({}, [1, 2]),
        ({"Modality": "PT"}, [2]),
        ({"Modality": "?T"}, [2]),
        ({"SeriesNumber": "2"}, [2]),
        ({"SeriesInstanceUID": SERIES}, [2]),
    ],
)
def test_series_level(either: IngestProcess, root: str, keys: Keys, numbers: list[int]) -> None:
    asked = {"SeriesNumber": "", "SeriesDate": "", "SeriesTime": "", "SeriesDescription": "", "Modality": "", **keys}
    found = findscu(either, root, "SERIES", {**UPPER[root], "StudyInstanceUID": STUDY, **asked})
    assert sorted(int(each.SeriesNumber) for each in found) == numbers
    last = max(found, key=lambda each: int(each.SeriesNumber))
    assert (last.SeriesInstanceUID, last.StudyInstanceUID, last.Modality) == (SERIES, STUDY, "PT")
    assert (last.SeriesDate, last.SeriesTime, last.SeriesDescription) == (PATIENT.date, "101500", "Series 2")


@pytest.mark.parametrize("root", ["P", "S"])
@pytest.mark.parametrize(
    ("keys", "numbers"), [({}, [1, 2]), ({"InstanceNumber": "1"}, [1]), ({"SOPInstanceUID": INSTANCE}, [1])]
)
def test_image_level(either: IngestProcess, root: str, keys: Keys, numbers: list[int]) -> None:
    returned = dict.fromkeys(["InstanceNumber", "ImageID", "ImageType", "Rows", "Columns", "NumberOfFrames"], "")
    upper = {**UPPER[root], "StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES}
    found = findscu(either, root, "IMAGE", {**upper, **returned, **keys})
    assert sorted(int(each.InstanceNumber) for each in found) == numbers
    first = min(found, key=lambda each: int(each.InstanceNumber))
    assert (first.SOPInstanceUID, first.SeriesInstanceUID, first.StudyInstanceUID) == (INSTANCE, SERIES, STUDY)
    assert (first.Rows, first.Columns, first.NumberOfFrames) == (512, 256, 1)
    assert (first.ImageID, list(first.ImageType)) == ("IMG1", ["ORIGINAL", "PRIMARY"])


@pytest.mark.parametrize(
    ("root", "level", "keys", "expected"),
    [
        ("P", "PATIENT", {"PatientID": PATIENT.patient_id},
         {"NumberOfPatientRelatedStudies": 2, "NumberOfPatientRelatedSeries": 4, "NumberOfPatientRelatedInstances": 8}),
        ("S", "STUDY", {"StudyInstanceUID": STUDY},
         {"NumberOfStudyRelatedSeries": 2, "NumberOfStudyRelatedInstances": 4, "InstanceAvailability": "ONLINE",
          "SOPClassesInStudy": "1.2.840.10008.5.1.4.1.1.2"}),
        ("S", "SERIES", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES},
         {"NumberOfSeriesRelatedInstances": 2, "PatientName": PATIENT.patient_name, "StudyDate": PATIENT.date}),
        ("S", "IMAGE", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "SOPInstanceUID": INSTANCE},
         {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "Modality": "PT"}),
    ],
)  # fmt: skip
def test_profile_gateway_counts_and_returns_what_stands_above(
    gateway: IngestProcess, root: str, level: str, keys: Keys, expected: dict[str, object]
) -> None:
    (found,) = findscu(gateway, root, level, {**keys, **dict.fromkeys(expected, "")})
    assert {keyword: getattr(found, keyword) for keyword in expected} == expected


@pytest.mark.parametrize("syntax", ["-xi", "-xe"])
def test_either_transfer_syntax(gateway: IngestProcess, syntax: str) -> None:
    (found,) = findscu(gateway, "S", "STUDY", {"StudyInstanceUID": STUDY, "StudyDate": ""}, syntax)
    assert found.StudyDate == PATIENT.date

"""C-FIND as SCP (R12, R20, R94, R97 to R100, R124, R127, R137 to R143, R145, R146), asked by DCMTK, dcmjs and raw."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg
import pytest
from pydicom import Dataset

from tests.conformance.clients import dcmjs, dcmtk
from tests.conformance.conftest import XELERIS
from tests.conformance.whole import TITLE, Objects, Sent, WholeGateway, indexed, store
from tests.ingest_process import IngestProcess, snapshot
from tests.integration.query.generated import fill
from tests.stations.finder import CANCELLED, MATCH, PATIENT_ROOT, SOME_KEYS, STUDY_ROOT, SUCCESS, Finder, identifier
from tests.waiting import until

MANY = 3000
LEVEL, CHARACTER_SET, RETRIEVE_AET = 0x00080052, 0x00080005, 0x00080054
NAME, PATIENT_ID = 0x00100010, 0x00100020
DATE, TIME, ACCESSION, STUDY_ID, DESCRIPTION = 0x00080020, 0x00080030, 0x00080050, 0x00200010, 0x00081030
MODALITIES, STUDY, SERIES, INSTANCE = 0x00080061, 0x0020000D, 0x0020000E, 0x00080018
MODALITY, SERIES_NUMBER, SERIES_DATE, SERIES_TIME = 0x00080060, 0x00200011, 0x00080021, 0x00080031
SERIES_DESCRIPTION, SERIES_INSTANCES = 0x0008103E, 0x00201209
NUMBER, IMAGE_ID, IMAGE_TYPE, ROWS, COLUMNS, FRAMES = (
    0x00200013, 0x00540400, 0x00080008, 0x00280010, 0x00280011, 0x00280008,
)  # fmt: skip
IMAGE_INDEX, COMPLETION = 0x00541330, 0x0040A491
Keys = Mapping[int, bytes | str]


@dataclass(frozen=True)
class Library:
    """Three studies of the suite among thousands of others."""

    gateway: WholeGateway
    bone: Sequence[Sent]
    heart: Sent
    foreign: Sent

    def ask(self, level: str, keys: Keys, root: str = STUDY_ROOT) -> tuple[list[Dataset], list[int]]:
        """The matches of a query and the statuses of all responses."""
        with Finder(self.gateway.dicom_port).calling(TITLE) as finder:
            responses = finder.find(identifier(level, keys), root)
        assert responses[-1].data == b""
        return [each.identifier() for each in responses[:-1]], [each.status for each in responses]

    def studies(self, root: str = STUDY_ROOT, **keys: str) -> list[str]:
        """Which studies match, by their accession number; ``keys`` by name of this module."""
        asked = {globals()[name]: value for name, value in keys.items()}
        found, statuses = self.ask("STUDY", {STUDY: "", ACCESSION: "", **asked}, root)
        assert statuses[-1] == SUCCESS
        return sorted(str(each.AccessionNumber) for each in found)


@pytest.fixture(scope="module")
def library(xeleris: WholeGateway, objects: Objects) -> Library:
    """The studies, stored over the network and found by queries."""
    bone = {"PatientName": "MILLER^Anna^Maria", "PatientID": "BONE1", "StudyDate": "20310105", "StudyTime": "101500",
            "AccessionNumber": "ACC-BONE", "StudyID": "B-1", "StudyDescription": "Bone scan, 3 phases"}  # fmt: skip
    first = objects("NM STATIC", SeriesNumber=1, InstanceNumber=1, SeriesDescription="Anterior", **bone)
    same = {"StudyInstanceUID": first.study, **bone}
    others = [objects("CT", SeriesNumber=2, InstanceNumber=number, **same) for number in (1, 2)]
    others[1].data_set.SeriesInstanceUID = others[0].data_set.SeriesInstanceUID
    heart = objects(
        "PET", PatientName="miller^bernd", PatientID="HEART1", StudyDate="20310210", AccessionNumber="ACC-HEART",
        StudyID="H-1", StudyDescription="Heart, rest",
    )  # fmt: skip
    foreign = objects(
        "MR", PatientName="M\u00fcller^J\u00fcrgen", PatientID="FOREIGN1", StudyDate="20310315",
        AccessionNumber="ACC-FOREIGN", StudyID="F-1", StudyDescription="Sch\u00e4del",
        SpecificCharacterSet="ISO_IR 100",
    )  # fmt: skip
    for each in (first, *others, heart, foreign):
        assert store(xeleris.dicom_port, each) in (0x0000, 0xB007)
    for each in (first, *others, heart, foreign):
        indexed(xeleris, each)
    with psycopg.connect(xeleris.database_url, autocommit=True) as connection:
        fill(connection, MANY)
    return Library(xeleris, (first, *others), heart, foreign)


@pytest.mark.requirement("R20", "R97", "R100")
def test_each_match_is_pending_and_success_comes_last(library: Library) -> None:
    found, statuses = library.ask("STUDY", {STUDY: "", ACCESSION: "ACC-*"})
    assert sorted(str(each.AccessionNumber) for each in found) == ["ACC-BONE", "ACC-FOREIGN", "ACC-HEART"]
    assert statuses == [MATCH, MATCH, MATCH, SUCCESS]
    assert library.ask("STUDY", {STUDY: "1.2.3"}) == ([], [SUCCESS])


@pytest.mark.requirement("R20", "R100")
def test_a_cancel_ends_it_with_fe00(library: Library) -> None:
    with Finder(library.gateway.dicom_port).calling(TITLE) as finder:
        finder.ask(identifier("STUDY", {STUDY: ""}))
        responses = finder.responses()
        assert next(responses).status == MATCH
        finder.cancel()
        rest = list(responses)
        assert rest[-1].status == CANCELLED
        assert len(rest) < MANY
        assert finder.echo() == 0


@pytest.mark.requirement("R100")
@pytest.mark.parametrize(
    ("level", "keys"), [("IMAGES", {STUDY: ""}), ("", {STUDY: ""}), ("STUDY", {DATE: "yesterday"})]
)
def test_what_cannot_be_understood_is_c000(library: Library, level: str, keys: Keys) -> None:
    assert library.ask(level, keys) == ([], [0xC000])


@pytest.mark.requirement("R98")
@pytest.mark.parametrize("level", ["SERIES", "IMAGE"])
def test_nothing_is_relational(library: Library, level: str) -> None:
    """Unique keys of the levels above must be there."""
    assert library.ask(level, {SERIES: "", MODALITY: "CT"}) == ([], [0xC000])


@pytest.mark.requirement("R98", "R142")
def test_study_keys(library: Library) -> None:
    """Ranges of dates; wildcards in accession number, id, description and modalities; time is only returned."""
    assert library.studies(DATE="20310101-20310131") == ["ACC-BONE"]
    assert library.studies(DATE="20310210") == ["ACC-HEART"]
    assert library.studies(DATE="20310201-") == ["ACC-FOREIGN", "ACC-HEART"]
    assert library.studies(ACCESSION="ACC-?ONE") == ["ACC-BONE"]
    assert library.studies(ACCESSION="ACC-*", STUDY_ID="H-1") == ["ACC-HEART"]
    assert library.studies(ACCESSION="ACC-*", STUDY_ID="?-1") == ["ACC-BONE", "ACC-FOREIGN", "ACC-HEART"]
    assert library.studies(ACCESSION="ACC-*", DESCRIPTION="*scan*") == ["ACC-BONE"]
    assert library.studies(ACCESSION="ACC-*", MODALITIES="PT") == ["ACC-HEART"]
    assert library.studies(STUDY=library.heart.study) == ["ACC-HEART"]
    assert library.studies(ACCESSION="ACC-BONE", TIME="235959") == ["ACC-BONE"]
    (found,), _ = library.ask("STUDY", {ACCESSION: "ACC-BONE", TIME: ""})
    assert (found.StudyTime, found.StudyInstanceUID) == ("101500", library.bone[0].study)


@pytest.mark.requirement("R99", "R141")
def test_names_match_as_a_whole_in_any_case(library: Library) -> None:
    """Component limits do not count; a Patient ID is one value, without wildcards."""
    assert library.studies(NAME="MILLER*", ACCESSION="ACC-*") == ["ACC-BONE", "ACC-HEART"]
    assert library.studies(NAME="miller*", ACCESSION="ACC-*") == ["ACC-BONE", "ACC-HEART"]
    assert library.studies(NAME="Miller^Anna^Maria") == ["ACC-BONE"]
    assert library.studies(NAME="miller anna*") == ["ACC-BONE"]
    assert library.studies(NAME="*BERND", ACCESSION="ACC-*") == ["ACC-HEART"]
    assert library.studies(PATIENT_ID="BONE1") == ["ACC-BONE"]
    assert library.studies(PATIENT_ID="BONE*") == []


@pytest.mark.requirement("R12", "R139", "R141")
def test_patients_in_patient_root_alone(library: Library) -> None:
    found, statuses = library.ask("PATIENT", {NAME: "miller*", PATIENT_ID: ""}, PATIENT_ROOT)
    assert sorted(str(each.PatientID) for each in found) == ["BONE1", "HEART1"]
    assert statuses[-1] == SUCCESS
    assert library.ask("PATIENT", {NAME: "miller*", PATIENT_ID: ""}, STUDY_ROOT) == ([], [0xC000])


@pytest.mark.requirement("R143")
def test_any_modality_of_a_study_matches(library: Library) -> None:
    for modality in ("NM", "CT", "?M", "*T"):
        keys = {"PATIENT_ID": "BONE1", "MODALITIES": modality}
        assert library.studies(PATIENT_ROOT, **keys) == ["ACC-BONE"], modality
    assert library.studies(PATIENT_ROOT, PATIENT_ID="BONE1", MODALITIES="MR") == []
    (found,), _ = library.ask("STUDY", {PATIENT_ID: "BONE1", MODALITIES: ""}, PATIENT_ROOT)
    assert sorted(found.ModalitiesInStudy) == ["CT", "NM"]


@pytest.mark.requirement("R137", "R139", "R145")
def test_series_keys(library: Library) -> None:
    study = library.bone[0].study
    asked: dict[int, bytes | str] = {STUDY: study, SERIES: "", MODALITY: "", SERIES_NUMBER: ""}
    found, _ = library.ask("SERIES", asked)
    assert sorted((str(each.Modality), int(each.SeriesNumber)) for each in found) == [("CT", 2), ("NM", 1)]
    for keys, count in (
        ({MODALITY: "NM"}, 1), ({MODALITY: "?T"}, 1), ({MODALITY: "PT"}, 0), ({SERIES_NUMBER: "2"}, 1),
        ({SERIES: str(library.bone[0].data_set.SeriesInstanceUID)}, 1),
    ):  # fmt: skip
        assert len(library.ask("SERIES", asked | keys)[0]) == count, keys
    texts: dict[int, bytes | str] = {SERIES_DATE: "", SERIES_TIME: "", SERIES_DESCRIPTION: "no filter"}
    (series,), statuses = library.ask("SERIES", asked | {MODALITY: "NM"} | texts)
    assert series.SeriesDescription == "Anterior"
    assert series.StudyInstanceUID == study
    assert statuses == [MATCH, SUCCESS]
    (series,), statuses = library.ask("SERIES", asked | {MODALITY: "NM", SERIES_INSTANCES: ""})
    assert "NumberOfSeriesRelatedInstances" not in series
    assert statuses == [SOME_KEYS, SUCCESS]


@pytest.mark.requirement("R137", "R139", "R146")
def test_image_keys(library: Library) -> None:
    ct = library.bone[1]
    asked: dict[int, bytes | str] = {
        STUDY: ct.study, SERIES: str(ct.data_set.SeriesInstanceUID), INSTANCE: "", NUMBER: "",
    }  # fmt: skip
    found, statuses = library.ask("IMAGE", asked)
    assert {str(each.SOPInstanceUID) for each in found} == {each.uid for each in library.bone[1:]}
    assert statuses == [MATCH, MATCH, SUCCESS]
    for keys in ({NUMBER: "1"}, {INSTANCE: ct.uid}):
        ((image,), _) = library.ask("IMAGE", asked | keys)
        assert image.SOPInstanceUID == ct.uid
    shown: dict[int, bytes | str] = {IMAGE_TYPE: "", ROWS: b"", COLUMNS: b"", FRAMES: "", IMAGE_ID: ""}
    ((image,), statuses) = library.ask("IMAGE", asked | {NUMBER: "1"} | shown)
    assert (image.Rows, image.Columns) == (ct.data_set.Rows, ct.data_set.Columns)
    assert list(image.ImageType) == list(ct.data_set.ImageType)
    assert statuses == [MATCH, SUCCESS]
    for unused in (IMAGE_INDEX, COMPLETION):
        ((image,), statuses) = library.ask("IMAGE", asked | {NUMBER: "1", unused: b""})
        assert unused not in image
        assert statuses == [SOME_KEYS, SUCCESS]


@pytest.mark.requirement("R138", "R140")
@pytest.mark.parametrize("root", [PATIENT_ROOT, STUDY_ROOT])
def test_common_keys_at_every_level(library: Library, root: str) -> None:
    """The level and our own title are in every response, asked for or not; file-set keys never."""
    ct = library.bone[1]
    above: dict[int, bytes | str] = {PATIENT_ID: "BONE1", STUDY: ct.study, SERIES: str(ct.data_set.SeriesInstanceUID)}
    levels = {
        "PATIENT": {PATIENT_ID},
        "STUDY": {PATIENT_ID, STUDY},
        "SERIES": {PATIENT_ID, STUDY, SERIES},
        "IMAGE": {*above},
    }
    for level, tags in levels.items():
        if level == "PATIENT" and root == STUDY_ROOT:
            continue
        keys = {tag: above[tag] for tag in tags if root == PATIENT_ROOT or level == "STUDY" or tag != PATIENT_ID}
        found, statuses = library.ask(level, keys | {0x00880130: "", 0x00880140: ""}, root)
        assert found, level
        assert statuses[-1] == SUCCESS
        for each in found:
            assert (each.QueryRetrieveLevel, each.RetrieveAETitle) == (level, TITLE)
            assert 0x00880130 not in each


@pytest.mark.requirement("R127")
def test_a_character_set_only_with_text_that_needs_one(library: Library) -> None:
    (plain,), _ = library.ask("STUDY", {ACCESSION: "ACC-BONE", NAME: "", DESCRIPTION: ""})
    assert CHARACTER_SET not in plain
    for keys in ({NAME: ""}, {DESCRIPTION: ""}):
        (found,), _ = library.ask("STUDY", {ACCESSION: "ACC-FOREIGN", **keys})
        assert found.SpecificCharacterSet == "ISO_IR 100"
    (found,), _ = library.ask("STUDY", {ACCESSION: "ACC-FOREIGN", NAME: ""})
    assert str(found.PatientName) == "M\u00fcller^J\u00fcrgen"
    (found,), _ = library.ask("STUDY", {ACCESSION: "ACC-FOREIGN"})
    assert CHARACTER_SET not in found


@pytest.fixture(scope="module")
def polish(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IngestProcess]:
    """Another receiving process on the same database, configured for ISO_IR 101."""
    settings = {"GATEWAY_CHARACTER_SET": "ISO_IR 101", "GATEWAY_DATABASE_URL": library.gateway.database_url}
    process = IngestProcess(tmp_path_factory.mktemp("polish"), XELERIS | settings, services=("ingest", "query"))
    try:
        process.configure(snapshot())
        process.start()
        yield process
    finally:
        process.end()


@pytest.mark.requirement("R124")
def test_the_configured_character_set_is_the_one_that_is_sent(polish: IngestProcess) -> None:
    def asked() -> Dataset | None:
        with Finder(polish.port).calling(TITLE) as finder:
            first = finder.find(identifier("STUDY", {ACCESSION: "ACC-FOREIGN", NAME: ""}))[0]
        return first.identifier() if first.data else None

    found = until(asked, limit=20, what="an answer from the database")
    assert found is not None
    assert found.SpecificCharacterSet == "ISO_IR 101"
    assert str(found.PatientName) == "M\u00fcller^J\u00fcrgen"


@pytest.mark.requirement("R20", "R94", "R97", "R99")
def test_dcmtk_finds_studies(library: Library) -> None:
    keys = [
        ("QueryRetrieveLevel", "STUDY"),
        ("PatientName", "miller*"),
        ("AccessionNumber", "ACC-*"),
        ("StudyInstanceUID", ""),
    ]
    options = [part for name, value in keys for part in ("-k", f"{name}={value}")]
    done = dcmtk("findscu", library.gateway.dicom_port, "-S", *options)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("(Pending)") == 2
    assert "Received Final Find Response (Success)" in done.stderr
    for each in (library.bone[0], library.heart):
        assert each.study in done.stderr


@pytest.mark.requirement("R20", "R97", "R140")
@pytest.mark.usefixtures("dcmjs_client")
def test_dcmjs_finds_studies(library: Library) -> None:
    keys = {
        "QueryRetrieveLevel": "STUDY",
        "StudyInstanceUID": "",
        "AccessionNumber": "ACC-HEART",
        "ModalitiesInStudy": "",
    }
    answer = dcmjs("find", library.gateway.dicom_port, keys=keys)
    assert answer["fault"] is None
    assert answer["statuses"] == [MATCH, SUCCESS]
    (match,) = answer["matches"]
    assert match["StudyInstanceUID"] == library.heart.study
    assert match["ModalitiesInStudy"] == "PT"
    assert match["RetrieveAETitle"] == TITLE

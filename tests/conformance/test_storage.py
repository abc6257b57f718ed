"""What is received (R8, R19, R84, R89, R91 to R96, R118, R128, R129): kept whole, checked, answered, found."""

from collections.abc import Callable
from contextlib import ExitStack

import pytest
from pydicom import Dataset

from deploy.local.demo.nuclear_medicine import encoded
from tests.conformance.clients import dcmjs, dcmtk
from tests.conformance.conftest import XELERIS, started
from tests.conformance.expected import CT, EXPLICIT, IMPLICIT, MR, PRIVATE
from tests.conformance.whole import TITLE, Objects, Sent, WholeGateway, indexed, store, written
from tests.ingest_process import IngestProcess
from tests.stations import RawSender
from tests.stations.finder import Finder, identifier
from tests.xeleris_objects import made


@pytest.mark.requirement("R8", "R19", "R84", "R89", "R91", "R92")
def test_every_kind_of_object_is_written_to_disk_whole(xeleris: WholeGateway, kept: dict[str, Sent]) -> None:
    """Full and base classes alike, private elements included: bit for bit."""
    files = {path.read_bytes() for path in (xeleris.home / "objects").rglob("*.dcm")}
    for each in kept.values():
        assert any(each.content in content for content in files), each.name
        (instance,) = xeleris.json("where", each.uid)["instances"]
        assert (instance["sha256"], instance["status"], instance["findings"]) == (each.digest, "0000", [])


@pytest.mark.requirement("R84", "R89", "R95")
def test_dcmtk_sends_what_it_has(xeleris: WholeGateway, objects: Objects) -> None:
    kinds = ("NM STATIC", "PET", "SC", "MFSC color", "Curve", "CT", "MR", "Enhanced SR", "PDF")
    sent = [objects(name) for name in kinds]
    done = dcmtk("storescu", xeleris.dicom_port, "-R", files=[each.path for each in sent])
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Received Store Response (Success)") == len(sent)
    for each in sent:
        indexed(xeleris, each)


@pytest.mark.requirement("R84", "R89")
@pytest.mark.usefixtures("dcmjs_client")
def test_dcmjs_sends_what_it_has(xeleris: WholeGateway, objects: Objects) -> None:
    """It writes objects again in its own way; what it wrote is kept."""
    sent = [objects(name) for name in ("NM GATED TOMO", "PET", "CT")]
    answer = dcmjs("store", xeleris.dicom_port, files=[str(each.path) for each in sent])
    assert answer["fault"] is None
    assert len(answer["statuses"]) == len(sent)
    assert set(answer["statuses"]) <= {0x0000, 0xB007}
    for each in sent:
        indexed(xeleris, each)


def answer(process: IngestProcess, data_set: Dataset, **command: str) -> int:
    """The status of a C-STORE whose command may name another class or instance."""
    sop_class, instance = str(data_set.SOPClassUID), str(data_set.SOPInstanceUID)
    return answer_to(process, encoded(data_set), command.get("sop_class", sop_class), command.get("instance", instance))


def answer_to(process: IngestProcess, content: bytes, sop_class: str, instance: str) -> int:
    """The status of a C-STORE of these bytes."""
    with RawSender(process.port, called_aet=TITLE, contexts=[(sop_class, EXPLICIT)]) as sender:
        return sender.store(sop_class, instance, EXPLICIT, content)


def without(data_set: Dataset, keyword: str) -> None:
    """Take an element away."""
    delattr(data_set, keyword)


def with_value(data_set: Dataset, keyword: str, value: object) -> None:
    """Give an element another value."""
    setattr(data_set, keyword, value)


BREACHES: dict[str, Callable[[Dataset], None]] = {
    "type 1 missing": lambda made: without(made, "ImagePositionPatient"),
    "type 2 missing": lambda made: without(made, "PatientBirthDate"),
    "value not allowed": lambda made: with_value(made, "PatientSex", "X"),
    "another VR": lambda made: made.add_new("StudyDate", "LO", "20260102"),
    "image attributes": lambda made: with_value(made, "HighBit", 3),
}


@pytest.mark.requirement("R93", "R95")
@pytest.mark.parametrize("breach", BREACHES)
def test_an_object_that_breaks_its_iod_is_kept_with_a_warning(receiving: IngestProcess, breach: str) -> None:
    data_set = made("CT", seed=7000 + list(BREACHES).index(breach))
    assert answer(receiving, data_set) == 0x0000
    broken = made("CT", seed=8000 + list(BREACHES).index(breach))
    BREACHES[breach](broken)
    assert answer(receiving, broken) == 0xB007
    assert any(encoded(broken) in receiving.objects.get_bytes(key) for key in receiving.stored())


@pytest.mark.requirement("R89", "R93", "R95")
def test_what_cannot_be_kept_is_refused_with_the_status_of_its_cause(receiving: IngestProcess) -> None:
    data_set = made("CT", seed=9000)
    whole = encoded(data_set)
    short = made("CT", seed=9001)
    short.PixelData = b"\0" * 8
    none = made("CT", seed=9002)
    del none.PixelData
    before = len(receiving.stored())
    assert answer_to(receiving, whole[:-20], CT, data_set.SOPInstanceUID) == 0xA730
    assert answer_to(receiving, b"no data set at all", CT, data_set.SOPInstanceUID) == 0xA730
    assert answer(receiving, short) == 0xA740
    assert answer(receiving, none) == 0xA740
    assert answer(receiving, data_set, sop_class=MR) == 0xA900
    assert answer(receiving, data_set, instance="1.2.3") == 0xC000
    assert len(receiving.stored()) == before


@pytest.mark.requirement("R95")
def test_a_server_short_of_resources_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    with ExitStack() as stack:
        full = started(stack, tmp_path_factory, XELERIS | {"GATEWAY_MINIMUM_FREE_BYTES": str(1 << 60)}, ready=False)
        assert answer(full, made("CT", seed=9100)) == 0xA700


@pytest.mark.requirement("R96")
def test_the_private_class_is_kept_whatever_it_holds(receiving: IngestProcess) -> None:
    data_set = made("NM STATIC", seed=9200)
    data_set.SOPClassUID = PRIVATE
    del data_set.PixelData
    assert answer(receiving, data_set) == 0x0000
    assert any(encoded(data_set) in receiving.objects.get_bytes(key) for key in receiving.stored())


@pytest.mark.requirement("R118")
@pytest.mark.parametrize("name", ["NM STATIC", "PET", "SC", "MFSC grayscale", "Curve", "PDF"])
def test_further_type_3_and_private_elements_are_no_breach(receiving: IngestProcess, name: str) -> None:
    data_set = made(name, seed=9300)
    data_set.PatientComments = "Standard, type 3"
    data_set.private_block(0x0041, "SOMEBODY ELSE", create=True).add_new(0x01, "LO", "Unlisted")
    assert answer(receiving, data_set) == 0x0000


@pytest.mark.requirement("R129")
def test_codes_of_the_fixed_sets_are_known_and_others_noticed(
    xeleris: WholeGateway, objects: Objects, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Radionuclide (Table 3-31): 99SDM and SRT name the same set; a code outside is a finding that refuses nothing."""
    folder = tmp_path_factory.mktemp("codes")

    def stored_with(value: str, scheme: str) -> list[str]:
        data_set = objects("NM STATIC").data_set
        code = data_set.RadiopharmaceuticalInformationSequence[0].RadionuclideCodeSequence[0]
        code.CodeValue, code.CodingSchemeDesignator = value, scheme
        sent = written("code", data_set, folder)
        assert store(xeleris.dicom_port, sent) == 0
        indexed(xeleris, sent)
        (instance,) = xeleris.json("where", sent.uid)["instances"]
        return [str(finding) for finding in instance["findings"]]

    assert stored_with("C-105A1", "99SDM") == []
    assert stored_with("C-105A1", "SRT") == []
    (finding,) = stored_with("C-999999", "SRT")
    assert finding.startswith("X code 00540016/00540300")  # its Radionuclide Code Sequence


@pytest.mark.requirement("R94", "R128")
def test_what_is_kept_is_found_in_its_own_character_set(xeleris: WholeGateway, objects: Objects) -> None:
    """ISO_IR 100 for what is not ASCII, no character set otherwise; objects are never changed."""
    plain, foreign = objects("CT", PatientName="Plain^Ascii"), objects("CT", PatientName="Gr\u00e4f^J\u00fcrgen")
    foreign.data_set.SpecificCharacterSet = "ISO_IR 100"
    for sent in (plain, foreign):
        assert store(xeleris.dicom_port, sent) in (0x0000, 0xB007)
        indexed(xeleris, sent)
        (instance,) = xeleris.json("where", sent.uid)["instances"]
        assert instance["sha256"] == sent.digest
        with Finder(xeleris.dicom_port).calling(TITLE) as finder:
            first, last = finder.find(identifier("STUDY", {0x0020000D: sent.study, 0x00100010: ""}))
        assert last.status == 0
        found = first.identifier(IMPLICIT)
        assert str(found.PatientName) == str(sent.data_set.PatientName)
        assert found.get("SpecificCharacterSet") == ("ISO_IR 100" if sent is foreign else None)

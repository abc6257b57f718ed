"""Profile gateway as a whole: the superset (P10), used by DCMTK's clients and held to the bytes they sent."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pydicom.data
import pytest

from tests.conformance.clients import dcmtk
from tests.conformance.whole import WholeGateway, whole_gateway
from tests.running_gateway import FreshServers
from tests.stations import Part10, StationReceiver, part10
from tests.stations.raw_association import proposal
from tests.waiting import until

FILES = Path(pydicom.data.__file__).parent / "test_files"
COMPRESSED = FILES / "JPEG2000.dcm"
TITLE = "GATEWAY"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, fresh_servers: FreshServers) -> Iterator[WholeGateway]:
    """A whole gateway in its default profile that DCMTK may use, with an image in JPEG 2000."""
    with fresh_servers() as shared, whole_gateway(tmp_path_factory.mktemp("gateway") / "home", {}, shared) as running:
        running.add_station("DCMTK")
        running.wait_configured()
        done = dcmtk("storescu", running.dicom_port, "-R", "-xw", files=[COMPRESSED], called=TITLE)
        assert done.returncode == 0, done.stderr
        statement = "select 1 from index.instance where sop_instance_uid = %s"
        until(lambda: running.rows(statement, image().sop_instance), limit=20, what="the image to be indexed")
        yield running


def image() -> Part10:
    """The compressed image."""
    return part10(COMPRESSED)


def of_the_study(*more: str) -> list[str]:
    """Options of DCMTK's clients that name the image's study."""
    study = pydicom.dcmread(COMPRESSED, stop_before_pixels=True).StudyInstanceUID
    return [part for key in ("QueryRetrieveLevel=STUDY", f"StudyInstanceUID={study}", *more) for part in ("-k", key)]


def test_echoscu(gateway: WholeGateway) -> None:
    assert dcmtk("echoscu", gateway.dicom_port, called=TITLE).returncode == 0


def test_findscu(gateway: WholeGateway) -> None:
    done = dcmtk("findscu", gateway.dicom_port, "-S", *of_the_study("NumberOfStudyRelatedInstances="), called=TITLE)
    assert done.stderr.count("(Pending)") == 1
    assert "Received Final Find Response (Success)" in done.stderr


def test_movescu_sends_the_image_as_it_came(gateway: WholeGateway) -> None:
    with StationReceiver("MOVED") as receiver:
        gateway.add_station("MOVED", receiver.port, "--store")
        done = dcmtk("movescu", gateway.dicom_port, "-S", "-aem", "MOVED", *of_the_study(), called=TITLE)
        assert done.returncode == 0, done.stderr
        (instance,) = gateway.json("where", image().sop_instance)["instances"]
        assert receiver.digests(image().sop_instance) == {instance["sha256"]}


def test_getscu_brings_the_image(gateway: WholeGateway, tmp_path: Path) -> None:
    """In a syntax of the client's: it is decompressed where that is all the client takes."""
    done = dcmtk("getscu", gateway.dicom_port, "-S", "-od", str(tmp_path), *of_the_study(), called=TITLE)
    assert done.returncode == 0, done.stderr
    (brought,) = tmp_path.iterdir()
    assert (pydicom.dcmread(brought).pixel_array == pydicom.dcmread(COMPRESSED).pixel_array).all()


def test_sending_proposes_what_is_sent_and_no_more(gateway: WholeGateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as thread:
        gateway.add_station("CAPTURE", listener.getsockname()[1], "--store")
        seen = thread.submit(proposal, listener)
        gateway.cli("send", image().sop_instance, "--to", "CAPTURE")
        contexts = seen.result(20).contexts
    assert image().transfer_syntax in {syntax for each in contexts for syntax in each.transfer_syntaxes}
    assert {each.abstract_syntax for each in contexts} == {image().sop_class}
    assert [each.id for each in contexts] == list(range(1, 2 * len(contexts), 2))

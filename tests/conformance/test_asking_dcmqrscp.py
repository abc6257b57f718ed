"""Query, retrieve and cancel against DCMTK's archive, which shares no code with the gateway."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.clients import dcmtk
from tests.conformance.test_asking import ended, retrieve
from tests.conformance.whole import TITLE, Objects, Sent, WholeGateway
from tests.stations import StationReceiver
from tests.stations.receiver import Slow
from tests.waiting import until

ARCHIVE: Final = "DCMQRSCP"
IMAGES: Final = 12
CONFIGURATION: Final = """NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
gateway = ({title}, localhost, {gateway})
slow = (SLOWWS, localhost, {slow})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
{archive} {folder} RW (200, 1024mb) ANY
AETable END
"""


@contextmanager
def dcmqrscp(folder: Path, gateway: int, slow: int) -> Iterator[int]:
    """The archive's port; it knows the gateway and the slow workstation as move destinations."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    (folder / "store").mkdir()
    configuration = folder / "dcmqrscp.cfg"
    configuration.write_text(
        CONFIGURATION.format(
            port=port, title=TITLE, gateway=gateway, slow=slow, archive=ARCHIVE, folder=folder / "store"
        )
    )
    with (folder / "dcmqrscp.log").open("wb") as log:
        process = subprocess.Popen(["dcmqrscp", "-v", "-c", str(configuration)], stdout=log, stderr=log)
    try:
        until(lambda: dcmtk("echoscu", port, called=ARCHIVE).returncode == 0, what="dcmqrscp to answer")
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.requirement("R11", "R12", "R16", "R17", "R51", "R57", "R63", "R66", "R67", "R69")
def test_query_retrieve_and_cancel(xeleris: WholeGateway, objects: Objects, tmp_path: Path) -> None:
    first = objects("CT")
    series = {"StudyInstanceUID": first.study, "SeriesInstanceUID": str(first.data_set.SeriesInstanceUID)}
    images = [first, *(objects("CT", **series, PatientID=str(first.data_set.PatientID)) for _ in range(IMAGES - 1))]
    with (
        StationReceiver("SLOWWS", Slow(0.3)) as slow,
        dcmqrscp(tmp_path, xeleris.dicom_port, slow.port) as port,
    ):
        stored = dcmtk("storescu", port, files=[each.path for each in images], called=ARCHIVE)
        assert stored.returncode == 0, stored.stderr
        xeleris.add_station(ARCHIVE, port, "--query-retrieve")
        xeleris.add_station("SLOWWS", slow.port)
        xeleris.wait_configured()
        _finds(xeleris, images)
        _is_ours(xeleris, images, ended(xeleris, retrieve(xeleris, ARCHIVE, TITLE, first.study))["id"])
        _cancelled(xeleris, slow, first.study)


def _finds(xeleris: WholeGateway, images: list[Sent]) -> None:
    first = images[0]
    (found,) = xeleris.json("query", ARCHIVE)["matches"]
    assert (found["StudyInstanceUID"], found["PatientID"]) == (first.study, str(first.data_set.PatientID))
    above = ["--study-uid", first.study]
    (found,) = xeleris.json("query", ARCHIVE, "--level", "SERIES", *above)["matches"]
    assert (found["SeriesInstanceUID"], found["Modality"]) == (str(first.data_set.SeriesInstanceUID), "CT")
    above += ["--series-uid", found["SeriesInstanceUID"]]
    found = xeleris.json("query", ARCHIVE, "--level", "IMAGE", *above)["matches"]
    assert {each["SOPInstanceUID"] for each in found} == {each.uid for each in images}


def _is_ours(xeleris: WholeGateway, images: list[Sent], job: str) -> None:
    """What came is a normal receipt, and says who sent it for which job."""
    shown = xeleris.json("jobs", "show", job)
    assert (shown["state"], shown["done"], shown["failed"], shown["remaining"]) == ("COMPLETED", IMAGES, 0, 0)

    def recorded() -> bool:
        held = xeleris.rows("select count(*) as n from storage.receipt where calling_aet = %s", ARCHIVE)
        return bool(held[0]["n"] == IMAGES)

    until(recorded, limit=20, what="the receipts")
    found = xeleris.json("where", images[0].study)
    assert {each["uid"] for each in found["instances"]} == {each.uid for each in images}
    assert {(r["source"], r["disposition"], r["job"]) for each in found["instances"] for r in each["receipts"]} == {
        (ARCHIVE, "NEW", job)
    }
    assert {row["source"] for row in xeleris.rows("select source from routing.retrieved_view where to_us")} >= {ARCHIVE}


def _cancelled(xeleris: WholeGateway, slow: StationReceiver, study: str) -> None:
    job = retrieve(xeleris, ARCHIVE, "SLOWWS", study)
    until(lambda: slow.uids, limit=20, what="the first image")
    xeleris.cli("jobs", "cancel", job)
    until(lambda: xeleris.json("jobs", "show", job)["moves"][0]["state"] == "CANCELED", limit=20, what="the end")
    shown = xeleris.json("jobs", "show", job)
    assert (shown["state"], shown["moves"][0]["status"]) == ("CANCELED", "FE00")
    assert len(slow.uids) < IMAGES

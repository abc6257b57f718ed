"""P4: what a destination gets is the data set bit for bit as received, whatever class and transfer syntax."""

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pydicom.data
import pytest

from tests.factories import Instance, accepted_files, nuclear_medicine_instances
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.running_gateway import FreshServers, RunningGateway, running_gateway
from tests.stations import StationReceiver
from tests.waiting import until

SAMPLES = Path(pydicom.data.__file__).parent / "test_files"
RULES = """
version: 1
rules:
  - name: dcmtk-gets-what-dcmtk-sent
    when: {all: [{fact: calling_aet, op: equals, value: STORESCU}]}
    send: [{to: STORESCP}]
    stop: true
  - name: everything
    when: {all: []}
    send: [{to: ARCHIVE1}]
"""
SYNTAX_OPTIONS = {
    "1.2.840.10008.1.2": "-xi",
    "1.2.840.10008.1.2.1": "-xe",
    "1.2.840.10008.1.2.2": "-xb",
    "1.2.840.10008.1.2.5": "-xr",
    "1.2.840.10008.1.2.4.50": "-xy",
    "1.2.840.10008.1.2.4.51": "-xx",
    "1.2.840.10008.1.2.4.70": "-xs",
    "1.2.840.10008.1.2.4.80": "-xt",
    "1.2.840.10008.1.2.4.81": "-xu",
    "1.2.840.10008.1.2.4.90": "-xv",
    "1.2.840.10008.1.2.4.91": "-xw",
}


@pytest.fixture
def archive() -> Iterator[StationReceiver]:
    """A receiver of the suite's own."""
    with StationReceiver(title="ARCHIVE1") as receiver:
        yield receiver


@pytest.fixture
def gateway(tmp_path: Path, archive: StationReceiver, fresh_servers: FreshServers) -> Iterator[RunningGateway]:
    """A gateway that sends everything on; a fresh one each, because a duplicate is not routed again."""
    with fresh_servers() as shared, running_gateway(tmp_path / "home", shared=shared) as running:
        running.add_station("SCANNER1")
        running.add_station("STORESCU")
        running.add_station("ARCHIVE1", archive.port, "--store")
        running.add_station("STORESCP", free_port(), "--store")
        running.apply_rules(RULES)
        yield running


def free_port() -> int:
    """A loopback port that nobody listens on."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def distinct(instances: list[Instance]) -> list[Instance]:
    """One instance for each SOP Instance UID: the sample files share some."""
    return list({instance.sop_instance_uid: instance for instance in instances}.values())


@pytest.mark.timeout(240)
def test_every_sample_and_fifty_nm(gateway: RunningGateway, archive: StationReceiver) -> None:
    """Every storable file under pydicom's test files and 50 generated NM arrive unchanged."""
    instances = distinct([*accepted_files(SAMPLES), *nuclear_medicine_instances(50, seed=2)])
    assert len(instances) > 100
    ledger = Ledger()
    Traffic(gateway.dicom_port, ledger).send(instances, associations=2)
    assert ledger.acknowledged == {instance.sop_instance_uid for instance in instances}
    ledger.check(gateway, archive, limit=90)
    for instance in instances:
        assert archive.data_set(instance.sop_instance_uid) == instance.data_set


@pytest.mark.timeout(240)
def test_dcmtk_on_both_sides(gateway: RunningGateway, tmp_path: Path) -> None:
    """What storescp wrote equals the gateway's stored object (storescu may have rewritten it on its way in)."""
    received = tmp_path / "received"
    received.mkdir()
    (station,) = [s for s in gateway.json("station", "list") if s["title"] == "STORESCP"]
    command = ["storescp", "+B", "+xa", "-od", str(received), "-aet", "STORESCP", str(station["port"])]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as archive:
        try:
            sent = [
                instance for instance in distinct(list(accepted_files(SAMPLES))) if sent_by_dcmtk(gateway, instance)
            ]
            assert len(sent) > 40
            uids = [instance.sop_instance_uid for instance in sent]
            until(lambda: len(list(received.iterdir())) >= len(uids), limit=90, what="storescp to have all")
            until(lambda: delivered(gateway, uids) == len(uids), limit=60, what="all deliveries to be recorded")
        finally:
            archive.terminate()
    written = {hashlib.sha256(data_set_of(file)).hexdigest() for file in received.iterdir()}
    stored = gateway.rows("select object_key, sha256 from storage.identity where sop_instance_uid = any(%s)", uids)
    sent_objects = {
        data_set_digest(gateway.home / "objects" / row["object_key"]) for row in stored if row["sha256"] in written
    }
    assert {row["sha256"] for row in stored if row["sha256"] in written} == sent_objects
    assert len(sent_objects) == len(uids)


def sent_by_dcmtk(gateway: RunningGateway, instance: Instance) -> bool:
    """Send one sample with storescu and the option of its syntax; False when DCMTK cannot send that file."""
    option = SYNTAX_OPTIONS.get(instance.transfer_syntax_uid)
    if option is None or instance.path is None:
        return False
    command = ["storescu", "-R", option, "-aet", "STORESCU", "-aec", "GATEWAY", "127.0.0.1", str(gateway.dicom_port)]
    done = subprocess.run([*command, str(instance.path)], capture_output=True, timeout=30, check=False)
    return done.returncode == 0


def delivered(gateway: RunningGateway, uids: list[str]) -> int:
    """How many of them storescp has, according to the ledger."""
    found = gateway.rows(
        "select 1 from routing.delivery where destination = 'STORESCP' and state = 'DELIVERED' "
        "and sop_instance_uid = any(%s)",
        uids,
    )
    return len(found)


def data_set_of(file: Path) -> bytes:
    """The data set of a Part 10 file: what follows the file meta (PS3.10 7.1)."""
    content = file.read_bytes()
    meta_length = int.from_bytes(content[140:144], "little")
    return content[144 + meta_length :]


def data_set_digest(file: Path) -> str:
    """SHA-256 of the data set of a stored object."""
    return hashlib.sha256(data_set_of(file)).hexdigest()

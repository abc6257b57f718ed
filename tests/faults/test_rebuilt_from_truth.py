"""PostgreSQL and the objects are the truth: everything else may be lost while the gateway stands still."""

import shutil
from pathlib import Path

import pytest

from tests.factories import small_instances
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.running_gateway import EVERYTHING_TO_ARCHIVE1, running_gateway
from tests.stations import Accept, Refuse, StationReceiver
from tests.waiting import until

KEPT = {"postgresql", "objects"}


@pytest.mark.timeout(300)
def test_broker_data_and_local_files_may_vanish(tmp_path: Path) -> None:
    """All is stopped, all but PostgreSQL's files and the objects is deleted: nothing is lost, jobs are as before."""
    ledger = Ledger()
    with running_gateway(tmp_path) as gateway, StationReceiver(title="ARCHIVE1") as archive:
        gateway.add_station("SCANNER1")
        gateway.add_station("ARCHIVE1", archive.port, "--store")
        gateway.apply_rules(EVERYTHING_TO_ARCHIVE1)
        archive.behave(Refuse())
        traffic = Traffic(gateway.dicom_port, ledger)
        traffic.send(small_instances(100, seed=8))
        until(lambda: len(gateway.rows("select 1 from routing.delivery")) == 100, limit=60, what="100 deliveries")
        for name in ("storage", "index", "forwarder"):
            gateway.kill(name)
        traffic.send(small_instances(50, seed=88))
        jobs = {job["id"] for job in gateway.json("jobs", "list")}
        rules = gateway.json("rules", "show")
        for name in gateway.part_names:
            gateway.kill(name)
        gateway.rabbitmq.kill()
        gateway.postgresql.stop()
        for entry in tmp_path.iterdir():
            if entry.name not in KEPT:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        gateway.start_servers()
        gateway.start_parts()
        archive.behave(Accept())
        ledger.check(gateway, archive, limit=90)
        assert jobs <= {job["id"] for job in gateway.json("jobs", "list")}
        assert gateway.json("rules", "show") == rules

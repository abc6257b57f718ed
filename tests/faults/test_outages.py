"""P3: ingest accepts while the broker, the database, or both are away, and all is delivered after their return."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.factories import Instance, small_instances
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.running_gateway import RunningGateway, running_gateway
from tests.stations import StationReceiver
from tests.waiting import until

RULES = """
version: 1
rules:
  - name: whole-studies
    when: {all: [{fact: calling_aet, op: equals, value: SCANNER2}]}
    level: study
    quiet: 3s
    send: [{to: ARCHIVE1}]
    stop: true
  - name: everything
    when: {all: []}
    send: [{to: ARCHIVE1}]
"""


@pytest.fixture(scope="module")
def archive() -> Iterator[StationReceiver]:
    """The destination."""
    with StationReceiver(title="ARCHIVE1") as receiver:
        yield receiver


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, archive: StationReceiver) -> Iterator[RunningGateway]:
    """A gateway with one destination, one sender of single images and one of whole studies."""
    with running_gateway(tmp_path_factory.mktemp("outages"), ingest_processes=1) as running:
        running.add_station("SCANNER1")
        running.add_station("SCANNER2")
        running.add_station("ARCHIVE1", archive.port, "--store")
        running.apply_rules(RULES)
        yield running


@contextmanager
def outage(gateway: RunningGateway, away: str) -> Iterator[None]:
    """The broker, the database or both are stopped."""
    servers = [server for server in (gateway.rabbitmq, gateway.postgresql) if away in (server.name.lower(), "both")]
    assert servers
    for server in servers:
        server.stop()
    try:
        yield
    finally:
        for server in reversed(servers):
            server.start()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("away", "traffic_seed"), [("rabbitmq", 41), ("postgresql", 42), ("both", 43)])
def test_senders_get_success_throughout(
    gateway: RunningGateway, archive: StationReceiver, away: str, traffic_seed: int, outage_seconds: float
) -> None:
    """0000 all the time, from a freshly started ingest too; everything delivered within 60 s of the return."""
    ledger = Ledger()
    traffic = Traffic(gateway.dicom_port, ledger)
    pause = threading.Event()
    instances = small_instances(60, seed=traffic_seed)
    with outage(gateway, away):
        traffic.send(instances[:20])
        gateway.kill("ingest-1")
        gateway.launch("ingest-1")
        traffic.send(instances[20:40])
        pause.wait(outage_seconds)
        traffic.send(instances[40:])
    assert set(traffic.statuses) == {0}
    ledger.check(gateway, archive, limit=60)


@pytest.mark.timeout(300)
def test_no_study_completes_before_its_backlog_is_recorded(gateway: RunningGateway, archive: StationReceiver) -> None:
    """P7: the quiet time passes while storage is away; the study still goes out in one job."""
    study = small_instances(30, seed=77, one_study=True)
    ledger = Ledger()
    traffic = Traffic(gateway.dicom_port, ledger, calling_aet="SCANNER2")
    traffic.send(study[:10])
    collecting = "select 1 from routing.job where study_instance_uid = %s"
    until(
        lambda: gateway.rows(collecting, study[0].study_instance_uid), limit=20, what="the job that collects the study"
    )
    gateway.kill("storage")
    with outage(gateway, "rabbitmq"):
        traffic.send(study[10:])
        threading.Event().wait(6)
        assert [job["state"] for job in jobs_of(gateway, study[0])] == ["QUEUED"]
    gateway.launch("storage")
    ledger.check(gateway, archive, limit=60)
    (job,) = until(
        lambda: [job for job in jobs_of(gateway, study[0]) if job["state"] == "COMPLETED"],
        limit=20,
        what="the study's job to complete",
    )
    assert job["total"] == job["done"] == 30


def jobs_of(gateway: RunningGateway, instance: Instance) -> list[dict[str, object]]:
    """The jobs of the instance's study, as ``where`` names them."""
    where = json.loads(gateway.cli("where", instance.study_instance_uid, "--json"))
    names = {delivery["job"] for delivery in where["deliveries"]}
    return [job for job in gateway.json("jobs", "list") if job["id"] in names]

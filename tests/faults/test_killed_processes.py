"""P2, P5: whatever is killed while instances flow, each acknowledged one ends recorded, indexed and delivered once."""

import random
import threading
from pathlib import Path

import pytest

from tests.factories import small_instances
from tests.faults.ledger import Ledger
from tests.faults.traffic import Beside, Traffic
from tests.running_gateway import EVERYTHING_TO_ARCHIVE1, RunningGateway, running_gateway
from tests.stations import StationReceiver

INSTANCES = 1_000


def kill_in_turn(gateway: RunningGateway, chance: random.Random, pause: threading.Event) -> None:
    """Each service process, then the broker, then the database: kill -9 at a random instant, start again."""
    for name in gateway.part_names:
        pause.wait(chance.uniform(0.1, 1.5))
        gateway.kill(name)
        gateway.launch(name)
    for server in (gateway.rabbitmq, gateway.postgresql):
        pause.wait(chance.uniform(0.1, 1.5))
        server.kill()
        pause.wait(chance.uniform(0.1, 1.0))
        server.start()


@pytest.mark.timeout(400)
def test_nothing_is_lost_or_doubled(tmp_path: Path, seed: int) -> None:
    """1,000 instances while every process, the broker and the database are killed in turn."""
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails: replays the run
    chance = random.Random(seed)
    ledger = Ledger()
    settings = {"GATEWAY_FORWARDER_LEASE_SECONDS": "15"}  # what a killed worker had under way is known lost sooner
    with (
        running_gateway(tmp_path, ingest_processes=2, settings=settings) as gateway,
        StationReceiver(title="ARCHIVE1") as archive,
    ):
        gateway.add_station("SCANNER1")
        gateway.add_station("ARCHIVE1", archive.port, "--store")
        gateway.apply_rules(EVERYTHING_TO_ARCHIVE1)
        traffic = Traffic(gateway.dicom_port, ledger, limit=240)
        instances = small_instances(INSTANCES, seed=seed)
        with Beside(lambda: kill_in_turn(gateway, chance, threading.Event())) as kills:
            while kills.running and len(instances) > 0:
                batch, instances = instances[:50], instances[50:]
                traffic.send(batch)
            kills.join(240)
        traffic.send(instances)
        assert len(ledger.acknowledged) == INSTANCES
        ledger.check(gateway, archive, limit=120)


@pytest.mark.timeout(900)
@pytest.mark.all_faults
def test_everything_dies_at_once(tmp_path: Path, seed: int) -> None:
    """B1-18: all processes, the broker and the database get SIGKILL together, ten times a seed, under load."""
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails: replays the run
    chance, pause = random.Random(seed), threading.Event()
    ledger = Ledger()
    settings = {"GATEWAY_FORWARDER_LEASE_SECONDS": "5"}
    with (
        running_gateway(tmp_path, ingest_processes=2, settings=settings) as gateway,
        StationReceiver(title="ARCHIVE1") as archive,
    ):
        gateway.add_station("SCANNER1")
        gateway.add_station("ARCHIVE1", archive.port, "--store", "--retry-most-seconds", "2")
        gateway.apply_rules(EVERYTHING_TO_ARCHIVE1)
        traffic = Traffic(gateway.dicom_port, ledger, limit=600)
        instances = small_instances(3_000, seed=1_000 + seed)

        def kill_all() -> None:
            for _ in range(10):
                pause.wait(chance.uniform(0.5, 6))
                for name in gateway.part_names:
                    gateway.parts[name].process.kill()
                gateway.rabbitmq.kill()
                gateway.postgresql.kill()
                for name in gateway.part_names:
                    gateway.kill(name)
                gateway.postgresql.begin()
                gateway.rabbitmq.begin()
                for name in gateway.part_names:
                    gateway.launch(name)
                for server in (gateway.postgresql, gateway.rabbitmq):
                    server.wait_ready()

        with Beside(kill_all) as kills:
            while kills.running and instances:
                batch, instances = instances[:20], instances[20:]
                traffic.send(batch)
                pause.wait(0.2)
            kills.join(400)
        ledger.check(gateway, archive, limit=180)

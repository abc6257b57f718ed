"""B3-36, N16: the volume of PostgreSQL or of RabbitMQ is full; each has a disk of its own, so that ingest goes on."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.factories import small_instances
from tests.faults.aftermath import Aftermath
from tests.faults.disks import fill, mounted
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.running_gateway import RunningGateway
from tests.stations import StationReceiver

RULES = "version: 1\nrules:\n  - {name: all, when: {all: []}, send: [{to: ARCHIVE1}]}\n"
BELOW_ITS_LIMIT = 20 << 20
DISK_ALARM = "true = lists:any(fun({{resource_limit, disk, _}, _}) -> true end, rabbit_alarm:get_alarms())"
FILLER = "create table filler as select repeat('x', 1000) from generate_series(1, 100000)"


def full(home: Path, server: str, size: str, leave: int, proof: Callable[[RunningGateway], None]) -> None:
    """Fill that server's volume while instances come; with room again all of them are delivered."""
    folder, ledger = home / server, Ledger()
    folder.mkdir(parents=True)
    gateway = RunningGateway(home)
    with ExitStack() as stack:
        archive = stack.enter_context(StationReceiver(title="ARCHIVE1"))
        stack.enter_context(mounted(folder, f"size={size},mode=755"))
        stack.callback(gateway.end)
        gateway.start()
        gateway.add_station("SCANNER1")
        gateway.add_station("ARCHIVE1", archive.port, "--store")
        gateway.apply_rules(RULES)
        traffic = Traffic(gateway.dicom_port, ledger)
        traffic.send(small_instances(20, seed=1))
        ledger.check(gateway, archive)
        aftermath = Aftermath(gateway)
        ballast = fill(folder, leave)
        proof(gateway)
        traffic.send(small_instances(200, seed=2))
        ballast.unlink()
        for each in (gateway.postgresql, gateway.rabbitmq):
            each.start()  # nothing if it runs
        traffic.send(small_instances(20, seed=3))
        assert set(traffic.statuses) == {0}
        ledger.check(gateway, archive, limit=120)
        aftermath.check(limit=60)


def no_room_for_rows(gateway: RunningGateway) -> None:
    """PostgreSQL says that its disk is full."""
    with psycopg.connect(gateway.database_url, autocommit=True) as connection, pytest.raises(psycopg.OperationalError):
        connection.execute(FILLER)


def alarmed(gateway: RunningGateway) -> None:
    """RabbitMQ says that its disk is."""
    gateway.rabbitmq.evaluate("ok = rabbit_disk_monitor:set_disk_free_limit(50000000)")  # it looks at once
    gateway.rabbitmq.evaluate(
        "true = lists:any(fun({{resource_limit, disk, _}, _}) -> true end, rabbit_alarm:get_alarms())"
    )


@pytest.mark.root
@pytest.mark.all_faults
@pytest.mark.timeout(400)
def test_a_full_volume_of_the_database_stops_no_sender(tmp_path: Path) -> None:
    full(tmp_path, "postgresql", "400m", 0, no_room_for_rows)


@pytest.mark.root
@pytest.mark.all_faults
@pytest.mark.timeout(400)
def test_a_full_volume_of_the_broker_stops_no_sender(tmp_path: Path) -> None:
    full(tmp_path, "rabbitmq", "400m", BELOW_ITS_LIMIT, alarmed)

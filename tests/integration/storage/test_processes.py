"""Ingest and storage as real processes over real servers: with everything, and with the broker away."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.factories import Instance, ct, small_instances
from tests.running_gateway import RunningGateway
from tests.stations import RawSender
from tests.waiting import until

PARTS = ["ingest-1", "storage"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """Servers, one ingest and one storage, with the stations SCANNER1 and STRICT (whose revisions are refused)."""
    running = RunningGateway(tmp_path_factory.mktemp("gateway"))
    try:
        running.start_servers()
        running.add_station("SCANNER1")
        running.add_station("STRICT")
        execute(running, "update config.station set revision_policy = 'refuse' where title = 'STRICT'")
        bump(running)
        running.start_parts(PARTS)
        yield running
    finally:
        running.end()


def execute(gateway: RunningGateway, statement: str) -> None:
    """Change the database as admin does."""
    with psycopg.connect(gateway.postgresql.url, autocommit=True) as connection:
        connection.execute(statement)


def bump(gateway: RunningGateway) -> None:
    """The configuration has changed."""
    execute(gateway, "update config.generation set number = number + 1; notify config_changed")


def send(gateway: RunningGateway, instances: list[Instance], calling_aet: str = "SCANNER1") -> list[int]:
    """Send all in one association; their statuses."""
    contexts = sorted({(one.sop_class_uid, one.transfer_syntax_uid) for one in instances})
    with RawSender(gateway.dicom_port, calling_aet, contexts=contexts) as sender:
        return [
            sender.store(one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid, one.data_set)
            for one in instances
        ]


def recorded(gateway: RunningGateway, instances: list[Instance]) -> int:
    """How many of the instances have a row."""
    uids = [one.sop_instance_uid for one in instances]
    rows = gateway.rows("select count(*) as n from storage.identity where sop_instance_uid = any(%s)", uids)
    return int(rows[0]["n"])


def test_sent_is_recorded_at_once(gateway: RunningGateway) -> None:
    instances = small_instances(50, seed=1)
    assert set(send(gateway, instances)) == {0}
    until(lambda: recorded(gateway, instances) == 50, limit=5, what="all to be recorded")
    until(lambda: gateway.rows("select 1 from runtime.outbox where published_at is null") == [], what="the outbox")


def test_with_the_broker_away_the_sweep_records(gateway: RunningGateway) -> None:
    instances = small_instances(50, seed=2)
    gateway.rabbitmq.stop()
    try:
        assert set(send(gateway, instances)) == {0}
        until(lambda: recorded(gateway, instances) == 50, limit=20, what="all to be recorded by the sweep")
    finally:
        gateway.rabbitmq.start()
    until(lambda: gateway.rows("select 1 from runtime.outbox where published_at is null") == [], limit=60, what="it")


def test_a_changed_configuration_is_in_force_within_two_seconds(gateway: RunningGateway) -> None:
    execute(gateway, "insert into config.station (title, host, port) values ('LATER', '127.0.0.1', 104)")
    bump(gateway)

    def accepted() -> bool:
        try:
            return send(gateway, [ct(77)], "LATER") == [0]
        except ConnectionRefusedError:
            return False

    until(accepted, limit=2, what="LATER to be known")


def test_revisions_are_refused_where_the_station_says_so(gateway: RunningGateway, tmp_path: Path) -> None:
    first = ct(900)
    other = Instance(**{**vars(first), "data_set": first.data_set[:-2] + b"\x7f\x7f"})
    assert send(gateway, [first], "STRICT") == [0]
    until(lambda: recorded(gateway, [first]) == 1, what="the first to be recorded")
    assert send(gateway, [other, first], "STRICT") == [0x0111, 0]
    assert send(gateway, [other], "SCANNER1") == [0]
    gateway.postgresql.suspend()
    try:
        assert send(gateway, [ct(901)], "STRICT") == [0xA700]
        assert send(gateway, [ct(902)], "SCANNER1") == [0]
    finally:
        gateway.postgresql.resume()
    until(lambda: recorded(gateway, [ct(902)]) == 1, limit=60, what="what was sent meanwhile to be recorded")
    assert recorded(gateway, [ct(901)]) == 0


def test_the_watermark_moves_on(gateway: RunningGateway) -> None:
    statement = "select recorded_through as at from storage.watermark_view"
    before = gateway.rows(statement)[0]["at"]
    until(lambda: gateway.rows(statement)[0]["at"] > before, limit=15, what="the watermark to move")


def test_the_end_of_an_association_is_published(gateway: RunningGateway) -> None:
    name = 'gateway_ingest_published_total{type="association.ended"}'
    before = metric(gateway, name)
    assert send(gateway, [ct(950)]) == [0]
    until(lambda: metric(gateway, name) > before, what="association.ended to be confirmed")


def metric(gateway: RunningGateway, name: str) -> float:
    """One sample of ingest's metrics."""
    with urllib.request.urlopen(f"{gateway.http_address('ingest-1')}/metrics", timeout=5) as answer:  # noqa: S310
        lines = answer.read().decode().splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)

"""A whole gateway whose services connect by logins of their own does its work, and none of it as an administrator."""

import asyncio
from dataclasses import replace
from pathlib import Path

import aio_pika
from private_servers.logins import LOGINS
from private_servers.rabbitmq import PrivateRabbitmq

from schemas.topology import INDEX_INSTANCE_STORED
from tests.factories import small_instances
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.running_gateway import EVERYTHING_TO_ARCHIVE1, FreshServers, RunningGateway
from tests.stations import StationReceiver
from tests.waiting import until

CONNECTED = """
select distinct application_name as process, usename as login from pg_stat_activity
where datname = current_database() and application_name like 'gateway-%%'
"""
PROCESSES = {
    "gateway-ingest-query": "ingest", "gateway-query": "query",
    **{f"gateway-{service}": service for service in ("storage", "index", "forwarder", "commitment", "admin")},
}  # fmt: skip


REFUSALS = (b"42501", b"ACCESS_REFUSED")
PARKED = "select id, state from runtime.dead_letter where queue = %s and state = 'PARKED'"


def test_what_is_received_is_delivered_and_nobody_connects_as_an_administrator(
    tmp_path: Path, fresh_servers: FreshServers, rabbitmq: PrivateRabbitmq
) -> None:
    """A message that dies is parked, and goes to its queue again when a person says so."""
    with StationReceiver("ARCHIVE1") as archive, fresh_servers() as shared:
        host = shared.amqp_url.rpartition("/")[2]
        gateway = RunningGateway(
            tmp_path, shared=replace(shared, service_urls={**shared.service_urls, **rabbitmq.service_urls(host)})
        )
        try:
            gateway.start_servers()
            rabbitmq.import_definitions(gateway.cli("broker-definitions"))
            gateway.start_parts()
            gateway.add_station("SCANNER1")
            gateway.add_station("ARCHIVE1", archive.port, "--store")
            gateway.apply_rules(EVERYTHING_TO_ARCHIVE1)
            ledger = Ledger()
            Traffic(gateway.dicom_port, ledger).send(small_instances(20, seed=46))
            ledger.check(gateway, archive)
            check_dead_letters(gateway)
            found = {row["process"]: row["login"] for row in gateway.rows(CONNECTED)}
            assert found == {process: LOGINS[service] for process, service in PROCESSES.items()}
            rabbitmq.evaluate(
                '[] = [Found || [{user, <<"gateway">>}, {vhost, <<"' + host + '">>}] = Found '
                "<- rabbit_networking:connection_info_all([user, vhost])]"
            )
            refused = [log.name for log in tmp_path.glob("*.log") if any(each in log.read_bytes() for each in REFUSALS)]
            assert refused == []
        finally:
            gateway.end()


def check_dead_letters(gateway: RunningGateway) -> None:
    """What cannot be read dies, and again after it was sent again: admin's relay may write to the queue."""
    asyncio.run(send(gateway.amqp_url, INDEX_INSTANCE_STORED.name))
    (first,) = until(lambda: gateway.rows(PARKED, INDEX_INSTANCE_STORED.name), limit=30, what="the dead letter")
    gateway.cli("dead", "replay", str(first["id"]))
    (second,) = until(lambda: gateway.rows(PARKED, INDEX_INSTANCE_STORED.name), limit=30, what="its second death")
    assert second["id"] > first["id"]


async def send(url: str, queue: str) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.default_exchange.publish(aio_pika.Message(b"nothing"), queue)

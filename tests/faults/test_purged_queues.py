"""P2: purging every queue changes only delay."""

import asyncio
from pathlib import Path

import aio_pika
import pytest

from schemas.topology import QUEUES
from tests.factories import small_instances
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.running_gateway import EVERYTHING_TO_ARCHIVE1, FreshServers, running_gateway
from tests.stations import StationReceiver


async def purge_all(url: str) -> None:
    """Throw away what waits in every queue."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        for queue in QUEUES:
            await (await channel.get_queue(queue.name)).purge()


@pytest.mark.timeout(300)
def test_only_delay(tmp_path: Path, fresh_servers: FreshServers) -> None:
    """Every queue is purged three times while 1,000 instances flow."""
    ledger = Ledger()
    with (
        fresh_servers() as shared,
        running_gateway(tmp_path, ingest_processes=2, shared=shared) as gateway,
        StationReceiver(title="ARCHIVE1") as archive,
    ):
        gateway.add_station("SCANNER1")
        gateway.add_station("ARCHIVE1", archive.port, "--store")
        gateway.apply_rules(EVERYTHING_TO_ARCHIVE1)
        traffic = Traffic(gateway.dicom_port, ledger)
        instances = small_instances(1_000, seed=6)
        for start in range(0, 1_000, 250):
            traffic.send(instances[start : start + 250])
            if start < 750:
                asyncio.run(purge_all(gateway.amqp_url))
        assert len(ledger.acknowledged) == 1_000
        ledger.check(gateway, archive, limit=90)

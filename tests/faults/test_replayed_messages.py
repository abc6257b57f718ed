"""B4-50: every message that ever crossed the broker comes again, backwards, twice: no effect."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from schemas.topology import EXCHANGE, QUEUES
from tests.factories import small_instances
from tests.faults.aftermath import Aftermath
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.running_gateway import FreshServers, RunningGateway, running_gateway
from tests.stations import StationReceiver
from tests.waiting import until, until_async

RULES = "version: 1\nrules:\n  - {name: all, when: {all: []}, send: [{to: ARCHIVE1}]}\n"
KEPT = "tests.kept"
EFFECTS = """
select (select count(*) from storage.receipt) as receipts, (select count(*) from storage.identity) as contents,
       (select count(*) from index.instance) as indexed, (select count(*) from routing.job) as jobs,
       (select count(*) from routing.delivery) as deliveries, (select count(*) from routing.attempt) as attempts,
       (select count(*) from commitment.item) as committed,
       (select count(*) from runtime.dead_letter) as dead
"""


async def keep_everything(url: str) -> None:
    """A queue that gets a copy of every message from now on."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(KEPT, durable=True)
        await queue.bind(EXCHANGE, "#")


async def replay(url: str, times: int) -> int:
    """Publish all that was kept again, the last one first, and wait until every queue is empty; how many there were."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        kept = await channel.get_queue(KEPT)
        await kept.unbind(EXCHANGE, "#")
        messages: list[AbstractIncomingMessage] = []
        while (message := await kept.get(no_ack=True, fail=False)) is not None:
            messages.append(message)
        await publish_backwards(await channel.get_exchange(EXCHANGE), messages, times)
        for queue in QUEUES:

            async def empty(name: str = queue.name) -> bool:
                return (await channel.declare_queue(name, passive=True)).declaration_result.message_count == 0

            await until_async(empty, limit=60, what=f"{queue.name} to be empty")
    return len(messages)


async def publish_backwards(
    exchange: aio_pika.abc.AbstractExchange, messages: Sequence[AbstractIncomingMessage], times: int
) -> None:
    """As they were, headers and all."""
    for _ in range(times):
        for message in reversed(messages):
            again = aio_pika.Message(
                message.body, headers=message.headers, delivery_mode=aio_pika.DeliveryMode.PERSISTENT
            )
            await exchange.publish(again, message.routing_key or "")


def effects(gateway: RunningGateway) -> dict[str, int]:
    """How many rows everything has come to."""
    return gateway.rows(EFFECTS)[0]


@pytest.mark.all_faults
@pytest.mark.timeout(200)
def test_every_message_again_changes_nothing(tmp_path: Path, fresh_servers: FreshServers) -> None:
    ledger = Ledger()
    with (
        fresh_servers() as shared,
        running_gateway(tmp_path, shared=shared) as gateway,
        StationReceiver(title="ARCHIVE1") as archive,
    ):
        gateway.add_station("SCANNER1")
        gateway.add_station("VAULT", 104, "--commit-server")
        gateway.add_station("ARCHIVE1", archive.port, "--store", "--commit-on", "VAULT")
        gateway.apply_rules(RULES)
        asyncio.run(keep_everything(gateway.amqp_url))
        Traffic(gateway.dicom_port, ledger).send(small_instances(100, seed=5))
        ledger.check(gateway, archive)
        unfinished = "select count(*) as n from routing.job where finished_at is null"
        until(lambda: gateway.rows(unfinished)[0]["n"] == 0, limit=30, what="every job to end")
        until(lambda: effects(gateway)["committed"] == 100, limit=30, what="what is to be committed to be collected")
        aftermath, before = Aftermath(gateway), effects(gateway)
        assert before["dead"] == 0
        assert asyncio.run(replay(gateway.amqp_url, 2)) > 300
        ledger.check(gateway, archive)
        assert effects(gateway) == before
        aftermath.check()

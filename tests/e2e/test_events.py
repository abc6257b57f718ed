"""Other programs may listen: one valid message a stored instance; each service may be away alone."""

import asyncio
from collections.abc import Iterator

import aio_pika
import pytest

from schemas.messages import InstanceReceived, decode
from schemas.topology import (
    EXCHANGE,
    FORWARDER_INSTANCE_STORED,
    INDEX_INSTANCE_STORED,
    STORAGE_INSTANCE_RECEIVED,
    Queue,
)
from tests.factories import small_instances
from tests.faults.ledger import DELIVERED, INDEXED, RECORDED, Ledger
from tests.faults.traffic import Traffic
from tests.running_gateway import EVERYTHING_TO_ARCHIVE1, FreshServers, RunningGateway, running_gateway
from tests.stations import StationReceiver
from tests.waiting import until

ALONE = [
    ("storage", STORAGE_INSTANCE_RECEIVED, ()),
    ("index", INDEX_INSTANCE_STORED, (RECORDED, DELIVERED)),
    ("forwarder", FORWARDER_INSTANCE_STORED, (RECORDED, INDEXED)),
]


@pytest.fixture(scope="module")
def archive() -> Iterator[StationReceiver]:
    """The destination."""
    with StationReceiver(title="ARCHIVE1") as receiver:
        yield receiver


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, archive: StationReceiver, fresh_servers: FreshServers
) -> Iterator[RunningGateway]:
    """A gateway that sends everything to one archive."""
    with fresh_servers() as shared, running_gateway(tmp_path_factory.mktemp("events"), shared=shared) as running:
        running.add_station("SCANNER1")
        running.add_station("ARCHIVE1", archive.port, "--store")
        running.apply_rules(EVERYTHING_TO_ARCHIVE1)
        yield running


async def collect(url: str, ready: asyncio.Event, wanted: int) -> list[bytes]:
    """A plain AMQP client with a queue of its own on the exchange."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("", exclusive=True)
        await queue.bind(EXCHANGE, InstanceReceived.routing_key())
        ready.set()
        bodies: list[bytes] = []
        async with queue.iterator(timeout=30) as messages:
            async for message in messages:
                await message.ack()
                bodies.append(message.body)
                if len(bodies) == wanted:
                    break
        return bodies


async def test_one_valid_message_for_each_instance(gateway: RunningGateway) -> None:
    """A client bound to instance.received.v1 gets one message per stored instance that validates."""
    instances = small_instances(40, seed=70)
    ready = asyncio.Event()
    collecting = asyncio.create_task(collect(gateway.amqp_url, ready, len(instances)))
    await asyncio.wait_for(ready.wait(), 10)
    ledger = Ledger()
    await asyncio.to_thread(Traffic(gateway.dicom_port, ledger).send, instances)
    received = [decode(body).body for body in await collecting]
    assert all(isinstance(body, InstanceReceived) for body in received)
    uids = sorted(body.receipt.sop_instance_uid for body in received if isinstance(body, InstanceReceived))
    assert uids == sorted(ledger.acknowledged)


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("service", "queue", "others"), ALONE, ids=[name for name, _, _ in ALONE])
def test_each_may_be_away_alone(
    gateway: RunningGateway, archive: StationReceiver, service: str, queue: Queue, others: tuple[str, ...]
) -> None:
    """The others go on, its queue grows, it drains after the start."""
    assert gateway.stop(service) == 0
    ledger = Ledger()
    instances = small_instances(50, seed=71 + len(service))
    Traffic(gateway.dicom_port, ledger).send(instances)
    until(lambda: depth(gateway, queue) >= len(instances), limit=30, what=f"{queue.name} to hold the messages")
    for statement in others:
        until(
            lambda statement=statement: len(ledger.counts(gateway, statement)) == len(instances),  # type: ignore[misc]
            limit=30,
            what="the other services to go on",
        )
    gateway.start_parts([service])
    ledger.check(gateway, archive, limit=60)
    until(lambda: depth(gateway, queue) == 0, limit=30, what=f"{queue.name} to be drained")


def depth(gateway: RunningGateway, queue: Queue) -> int:
    """Messages in the queue."""

    async def asked() -> int:
        async with await aio_pika.connect(gateway.amqp_url) as connection:
            declared = await (await connection.channel()).get_queue(queue.name)
            return declared.declaration_result.message_count or 0

    return asyncio.run(asked())

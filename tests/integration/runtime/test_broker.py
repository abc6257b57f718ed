"""The bus and the outbox through the faults of a real RabbitMQ: killed, frozen, queues purged and deleted, alarms."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid4

import aio_pika
import pytest
import pytest_asyncio
from aio_pika.tools import OneShotCallback
from private_servers.rabbitmq import PrivateRabbitmq
from prometheus_client import REGISTRY

from schemas.messages import CommitmentReported, Envelope, RequestMade
from schemas.topology import COMMITMENT_REPORTED, EXCHANGE, FORWARDER_REQUEST, QUEUES
from services.runtime import bus as bus_module
from services.runtime import dead_letters
from services.runtime.bus import Bus
from services.runtime.db import Database
from services.runtime.errors import NotTaken, Unavailable, UsageError
from services.runtime.outbox import Outbox, enqueue, enqueue_many
from services.runtime.supervise import Supervisor
from tests.waiting import until_async

QUEUE = FORWARDER_REQUEST


@dataclass
class Process:
    """What a process has of the runtime."""

    db: Database
    bus: Bus
    outbox: Outbox
    supervisor: Supervisor
    seen: list[UUID]

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Remember."""
        for envelope in envelopes:
            assert isinstance(envelope.body, RequestMade)
            self.seen.append(envelope.body.request)

    async def unpublished(self) -> int:
        """Rows that wait."""
        async with self.db.transaction() as connection:
            query = "select count(*) as n from runtime.outbox where published_at is null"
            row = await (await connection.execute(query)).fetchone()
        assert row is not None
        return int(row["n"])


@asynccontextmanager
async def process(database_url: str, amqp_url: str) -> AsyncIterator[Process]:
    supervisor = Supervisor()
    db, bus = Database(database_url, application="test"), Bus(amqp_url, supervisor)
    found = Process(db, bus, Outbox(db, bus, supervisor), supervisor, [])
    await db.open()
    await bus.open()
    yield found
    await supervisor.drain(10)
    await bus.close()
    await db.close()


@pytest_asyncio.fixture
async def shared(database_url: str, amqp_url: str) -> AsyncIterator[Process]:
    """On the run's broker, queues empty."""
    async with process(database_url, amqp_url) as found:
        await until_async(lambda: found.bus.available and found.db.available, limit=20)
        async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
            for queue in QUEUES:
                await (await channel.get_queue(queue.name)).purge()
                await (await channel.get_queue(queue.dead)).purge()
        yield found


def request() -> Envelope:
    return Envelope.wrap(RequestMade(request=uuid4()), "test", correlation="a")


def uid(envelope: Envelope) -> UUID:
    assert isinstance(envelope.body, RequestMade)
    return envelope.body.request


async def test_the_outbox_publishes_what_was_committed_and_nothing_else(shared: Process) -> None:
    await shared.bus.consume(QUEUE, shared.handle, while_available=shared.db)
    shared.supervisor.spawn("relay", shared.outbox.relay)
    rolled_back, committed = request(), [request() for _ in range(120)]

    async def fail() -> None:
        async with shared.db.transaction() as connection:
            await enqueue(connection, rolled_back)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with shared.db.transaction() as connection:
        await enqueue_many(connection, committed)
        assert shared.seen == []
    await until_async(lambda: len(shared.seen) >= 120)
    assert set(shared.seen) == {uid(envelope) for envelope in committed}
    await until_async(lambda: nothing_waits(shared))


async def nothing_waits(found: Process) -> bool:
    return await found.unpublished() == 0


async def test_two_relays_share_the_rows(shared: Process) -> None:
    await shared.bus.consume(QUEUE, shared.handle, while_available=shared.db)
    async with shared.db.transaction() as connection:
        await enqueue_many(connection, [request() for _ in range(100)])
    other = Outbox(shared.db, shared.bus, shared.supervisor)
    assert sorted(await asyncio.gather(shared.outbox.relay_batch(), other.relay_batch())) == [50, 50]
    await until_async(lambda: len(shared.seen) == 100)
    assert len(set(shared.seen)) == 100


async def test_messages_that_the_broker_does_not_take_stall_no_others(shared: Process) -> None:
    await shared.bus.consume(QUEUE, shared.handle, while_available=shared.db)
    good = request()
    async with shared.db.transaction() as connection:
        await enqueue_many(connection, [request() for _ in range(60)])
        await connection.execute("update runtime.outbox set exchange = '', routing_key = 'no.such.queue'")
        await enqueue(connection, good)
    with pytest.raises(NotTaken, match="no queue takes"):
        await shared.outbox.relay_batch()
    assert await shared.outbox.relay_batch() == 1
    await until_async(lambda: shared.seen == [uid(good)])
    assert await shared.outbox.relay_batch() == 0, "the others wait for their time"
    async with shared.db.transaction() as connection:
        await connection.execute("update runtime.outbox set next_attempt_at = now(), exchange = 'gateway'")
        await enqueue(connection, good)
        found = await connection.execute("select attempts from runtime.outbox where published_at is null order by id")
        assert [row["attempts"] for row in await found.fetchall()] == [1] * 60 + [0]
        await connection.execute("update runtime.outbox set routing_key = %s", [QUEUE.binding])
    shared.supervisor.spawn("relay", shared.outbox.relay)
    await until_async(lambda: len(shared.seen) == 62)
    assert shared.seen[1] == uid(good), "after all that was never tried"


async def test_a_message_that_always_ends_its_consumer_dies_by_the_delivery_limit(shared: Process) -> None:
    await shared.bus.publish(request())
    reasons: list[str] = []
    async with await aio_pika.connect(shared.bus._publishing._url) as connection, connection.channel() as channel:
        queue = await channel.get_queue(QUEUE.name)
        deliveries = 0
        while message := await queue.get(fail=False, timeout=5):
            deliveries += 1
            await message.reject(requeue=True)
        assert deliveries == 21

    await shared.bus.consume(QUEUE, shared.handle, while_available=shared.db)

    async def parked() -> bool:
        async with shared.db.transaction() as connection:
            reasons[:] = [row["reason"] for row in await dead_letters.listed(connection)]
        return bool(reasons)

    await until_async(parked)
    assert "delivery limit" in reasons[0]


async def test_dead_letters_are_parked_once_replayed_and_discarded(shared: Process) -> None:
    shared.supervisor.spawn("relay", shared.outbox.relay)
    await shared.bus.consume(QUEUE, shared.handle, while_available=shared.db)
    for _ in range(2):
        await shared.bus.publish_raw("", QUEUE.name, b"junk", {"event_id": "no uuid", "type": "a\x00b"})
    await shared.bus.publish_raw("", QUEUE.name, b"other", {})
    await until_async(lambda: parked_are(shared, 2))
    async with shared.db.transaction() as connection:
        found = {bytes((await dead_letters.shown(connection, row["id"]))["body"]): row["id"]
                 for row in await dead_letters.listed(connection)}  # fmt: skip
        await dead_letters.discard(connection, found[b"other"], "me")
        await dead_letters.replay(connection, found[b"junk"], "me")
        with pytest.raises(UsageError, match="is REPLAYED already"):
            await dead_letters.replay(connection, found[b"junk"], "me")
        with pytest.raises(UsageError, match="does not exist"):
            await dead_letters.discard(connection, 999, "me")
    await until_async(lambda: parked_are(shared, 1))
    async with shared.db.transaction() as connection:
        [again] = await dead_letters.listed(connection)
        assert again["id"] not in found.values(), "the replayed message died again: a row of its own"
        assert {row["state"] for row in await dead_letters.listed(connection, None)} == {
            "PARKED",
            "REPLAYED",
            "DISCARDED",
        }


async def parked_are(found: Process, count: int) -> bool:
    async with found.db.transaction() as connection:
        return len(await dead_letters.listed(connection)) == count


async def test_a_deleted_queue_is_declared_again_and_consumed(shared: Process) -> None:
    consumer = await shared.bus.consume(QUEUE, shared.handle, while_available=shared.db)
    await until_async(lambda: consumer.consuming)
    await delete(shared, QUEUE.name)

    async def received() -> bool:
        await published(shared, request())
        return bool(shared.seen)

    await until_async(received, limit=20)


async def test_a_deleted_queue_without_a_consumer_is_declared_again_by_the_publisher(shared: Process) -> None:
    """Of a type that has one consumer: where there are several, the others take it, and the reconcilers do the rest."""
    reported = Envelope.wrap(CommitmentReported(object_key="reports/2026/11/24/10/1.json"), "test")
    await delete(shared, COMMITMENT_REPORTED.name)
    with pytest.raises(Unavailable, match="no queue takes"):
        await shared.bus.publish(reported)
    await until_async(lambda: published(shared, reported), limit=20)


async def published(found: Process, envelope: Envelope) -> bool:
    try:
        await found.bus.publish(envelope)
    except Unavailable:
        return False
    return True


async def delete(found: Process, name: str) -> None:
    async with await aio_pika.connect(found.bus._publishing._url) as connection, connection.channel() as channel:
        await channel.queue_delete(name)


async def test_a_queue_declared_otherwise_is_named_with_argument_and_cure(shared: Process) -> None:
    await delete(shared, QUEUE.name)
    async with await aio_pika.connect(shared.bus._publishing._url) as connection, connection.channel() as channel:
        await channel.declare_queue(QUEUE.name, durable=True, arguments={**QUEUE.arguments(), "x-delivery-limit": 5})
    async with process(shared.db._url, shared.bus._publishing._url) as found:
        try:
            await until_async(lambda: "x-delivery-limit 5, this gateway needs 20" in str(found.bus.reason), limit=20)
            assert f"queue {QUEUE.name!r}" in str(found.bus.reason)
            assert f"rabbitmqctl delete_queue {QUEUE.name}" in str(found.bus.reason)
            assert not found.bus.available
        finally:
            await delete(shared, QUEUE.name)
        await until_async(lambda: found.bus.available, limit=20)


async def test_a_consumer_that_the_broker_forgot_silently_comes_back(
    database_url: str, private_rabbitmq: PrivateRabbitmq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "WATCH_SECONDS", 0.3)
    monkeypatch.setattr(bus_module, "MISSING_SECONDS", 1.5)
    before = REGISTRY.get_sample_value(MISSING) or 0
    async with process(database_url, private_rabbitmq.url) as found:
        consumer = await found.bus.consume(QUEUE, found.handle, while_available=found.db)
        await until_async(lambda: consumer.consuming and found.bus.available and found.db.available, limit=20)
        await asyncio.to_thread(private_rabbitmq.evaluate, FORGET_CONSUMERS)
        begun = time.monotonic()
        await found.bus.publish(request())
        await until_async(lambda: found.seen, limit=20)
        assert time.monotonic() - begun > 1, "it noticed by itself, after its time"
        assert REGISTRY.get_sample_value(MISSING) == before + 1
        await until_async(lambda: published(found, request()), limit=20)
        await until_async(lambda: len(found.seen) == 2, limit=20)
        assert REGISTRY.get_sample_value(MISSING) == before + 1


async def test_asking_about_queues_leaves_nothing_behind(shared: Process) -> None:
    """With each channel that is opened and closed aio_pika leaves callbacks at the connection."""

    def left() -> int:
        gc.collect()
        return sum(isinstance(each, OneShotCallback) for each in gc.get_objects())

    await shared.bus.consume(QUEUE, shared.handle, while_available=shared.db)
    asked = shared.bus._consumers
    await until_async(partial(asked, QUEUE.name), limit=20, what="a consumer")
    assert await asked("gateway.no-such-queue") == 0, "and the broker has closed the channel"
    assert await asked(QUEUE.name) == 1
    before = left()
    assert {await asked(QUEUE.name) for _ in range(20)} == {1}
    assert left() == before


MISSING = "gateway_bus_consumers_missing_total"
FORGET_CONSUMERS = f"""
{{ok, Queue}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"{QUEUE.name}">>)),
[{{ok, _, _}} = ra:process_command(amqqueue:get_pid(Queue),
                                  rabbit_fifo:make_checkout({{element(2, C), element(1, C)}}, cancel, #{{}}))
 || C <- rabbit_amqqueue:consumers(Queue)]
"""
DISK_FREE_LIMIT = 'ok = rabbit_disk_monitor:set_disk_free_limit("{}")'


async def test_a_purged_queue_leaves_the_bus_working(shared: Process) -> None:
    await shared.bus.publish(request())
    async with await aio_pika.connect(shared.bus._publishing._url) as connection, connection.channel() as channel:
        await (await channel.get_queue(QUEUE.name)).purge()
    await shared.bus.consume(QUEUE, shared.handle, while_available=shared.db)
    kept = request()
    await shared.bus.publish(kept)
    await until_async(lambda: shared.seen == [uid(kept)])


async def test_nothing_is_lost_when_the_broker_is_killed(database_url: str, private_rabbitmq: PrivateRabbitmq) -> None:
    async with process(database_url, private_rabbitmq.url) as found:
        await until_async(lambda: found.bus.available and found.db.available, limit=20)
        consumer = await found.bus.consume(QUEUE, found.handle, batch=10, while_available=found.db)
        found.supervisor.spawn("relay", found.outbox.relay)
        expected = await enqueue_some(found, 100)
        await until_async(lambda: len(set(found.seen)) == 100)
        await settled(private_rabbitmq)
        expected += await enqueue_some(found, 500)
        await asyncio.to_thread(private_rabbitmq.kill)
        await until_async(lambda: not found.bus.available and not consumer.consuming)
        expected += await enqueue_some(found, 100)
        with pytest.raises(Unavailable):
            await found.bus.publish(request())
        await asyncio.to_thread(private_rabbitmq.start)
        await until_async(lambda: set(found.seen) == set(expected), limit=60)
        await until_async(lambda: nothing_waits(found))
        assert consumer.consuming


async def enqueue_some(found: Process, count: int) -> list[UUID]:
    envelopes = [request() for _ in range(count)]
    async with found.db.transaction() as connection:
        await enqueue_many(connection, envelopes)
    return [uid(envelope) for envelope in envelopes]


async def settled(server: PrivateRabbitmq) -> None:
    """RabbitMQ 3.10 forgets quorum queues that are younger than its own directory's flush: wait for a second one."""
    names = next(server.folder.glob("mnesia/*/quorum/*/names.dets"))  # of quorum queues, not of the coordination
    before = names.stat().st_mtime_ns
    await until_async(lambda: names.stat().st_size > 0 and names.stat().st_mtime_ns >= before)
    async with await aio_pika.connect(server.url) as connection, connection.channel() as channel:
        await channel.declare_queue("settled", durable=True, arguments={"x-queue-type": "quorum"})
    await until_async(lambda: names.stat().st_mtime_ns > before, limit=20)


async def test_a_resource_alarm_makes_publishes_time_out_with_unknown_outcome(
    database_url: str, private_rabbitmq: PrivateRabbitmq
) -> None:
    async with process(database_url, private_rabbitmq.url) as found:
        await until_async(lambda: found.bus.available and found.db.available, limit=20)
        await found.bus.publish(request())
        await asyncio.to_thread(private_rabbitmq.evaluate, DISK_FREE_LIMIT.format("999GB"))
        with pytest.raises(Unavailable, match="outcome unknown"):
            await published_or_raise(found)
        assert not found.bus.available
        consumer = await found.bus.consume(QUEUE, found.handle, while_available=found.db)
        await until_async(lambda: consumer.consuming and found.seen)
        await asyncio.to_thread(private_rabbitmq.evaluate, DISK_FREE_LIMIT.format("50MB"))
        await until_async(lambda: found.bus.available, limit=20)
        await until_async(lambda: published(found, request()))


async def published_or_raise(found: Process) -> None:
    """The alarm reaches the broker's connections a moment after the command."""
    async with asyncio.timeout(20):
        while True:
            await found.bus.publish(request(), timeout=1)


async def test_a_broker_that_is_away_at_the_start_or_frozen(
    database_url: str, private_rabbitmq: PrivateRabbitmq
) -> None:
    await asyncio.to_thread(private_rabbitmq.stop)
    async with process(database_url, private_rabbitmq.url) as found:
        with pytest.raises(Unavailable):
            await found.bus.publish(request())
        await asyncio.to_thread(private_rabbitmq.start)
        await until_async(lambda: found.bus.available, limit=30)
        await found.bus.publish_raw(EXCHANGE, QUEUE.binding, request().encode(), {})
        private_rabbitmq.suspend()
        with pytest.raises(Unavailable, match="outcome unknown"):
            await found.bus.publish(request(), timeout=1)
        assert not found.bus.available
        private_rabbitmq.resume()
        await until_async(lambda: found.bus.available, limit=30)

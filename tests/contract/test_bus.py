"""One behavioural suite for the in-memory bus and for RabbitMQ: the fake must not lie."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import aio_pika
import pytest
import pytest_asyncio
import structlog

from schemas.messages import AssociationEnded, Envelope, RequestMade
from schemas.topology import FORWARDER_REQUEST, QUEUES
from services.runtime.bus import Bus
from services.runtime.consumer import Consumer
from services.runtime.db import Database
from services.runtime.dead_letters import listed
from services.runtime.errors import Conflict, RefusedData, Reject, Unavailable
from services.runtime.settle import DONE, Handler, settle
from services.runtime.supervise import Supervisor
from tests.fakes import MemoryBroker, MemoryBus, Switch
from tests.waiting import until_async

QUEUE = FORWARDER_REQUEST


class Harness(ABC):
    """A bus and what the suite must see of its broker."""

    bus: Bus | MemoryBus

    @abstractmethod
    async def consume(self, handler: Handler, batch: int = 1, prefetch: int = 200) -> Consumer:
        """Consume the queue under test."""

    @abstractmethod
    def switch(self, available: bool) -> None:
        """Let the consumer's database be there or away."""

    @abstractmethod
    async def depth(self) -> int:
        """Messages in the queue that nobody holds."""

    @abstractmethod
    async def dead(self) -> list[str]:
        """Reasons of the queue's dead letters."""


class MemoryHarness(Harness):
    def __init__(self, supervisor: Supervisor) -> None:
        self.bus: MemoryBus = MemoryBus(MemoryBroker(), supervisor)
        self._database = Switch()

    async def consume(self, handler: Handler, batch: int = 1, prefetch: int = 200) -> Consumer:
        return await self.bus.consume(QUEUE, handler, batch=batch, prefetch=prefetch, while_available=self._database)

    def switch(self, available: bool) -> None:
        self._database.set(available)

    async def depth(self) -> int:
        return len(self.bus.broker.queues[QUEUE.name])

    async def dead(self) -> list[str]:
        found = self.bus.broker.queues[QUEUE.dead]
        return [str(message.headers.get("x-gateway-reason", message.headers.get("x-death"))) for message in found]


class SwitchedDatabase(Database):
    """A database whose answer to ``available`` the test decides."""

    switched_off = False

    @property
    def available(self) -> bool:
        return not self.switched_off and super().available


class RabbitHarness(Harness):
    def __init__(self, bus: Bus, database: SwitchedDatabase, amqp_url: str) -> None:
        self.bus: Bus = bus
        self._database, self._url = database, amqp_url

    async def consume(self, handler: Handler, batch: int = 1, prefetch: int = 200) -> Consumer:
        return await self.bus.consume(QUEUE, handler, batch=batch, prefetch=prefetch, while_available=self._database)

    def switch(self, available: bool) -> None:
        self._database.switched_off = not available

    async def depth(self) -> int:
        async with await aio_pika.connect(self._url) as connection, connection.channel() as channel:
            declared = await channel.declare_queue(QUEUE.name, passive=True)
            return declared.declaration_result.message_count or 0

    async def dead(self) -> list[str]:
        async with self._database.transaction() as connection:
            return [row["reason"] for row in await listed(connection)]


@pytest_asyncio.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    supervisor = Supervisor()
    yield supervisor
    assert await supervisor.drain(10) == []


@pytest_asyncio.fixture(params=["memory", "rabbitmq"])
async def harness(request: pytest.FixtureRequest, supervisor: Supervisor) -> AsyncIterator[Harness]:
    if request.param == "memory":
        yield MemoryHarness(supervisor)
        await supervisor.drain(10)
        return
    async with rabbit(
        request.getfixturevalue("amqp_url"), request.getfixturevalue("database_url"), supervisor
    ) as harness:
        yield harness


@asynccontextmanager
async def rabbit(amqp_url: str, database_url: str, supervisor: Supervisor) -> AsyncIterator[RabbitHarness]:
    bus, database = Bus(amqp_url, supervisor), SwitchedDatabase(database_url, application="test")
    await database.open()
    await bus.open()
    await until_async(lambda: bus.available and database.available, limit=20)
    await purge(amqp_url)
    yield RabbitHarness(bus, database, amqp_url)
    await supervisor.drain(10)
    await bus.close()
    await database.close()


async def purge(url: str) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        for queue in QUEUES:
            for name in (queue.name, queue.dead):
                await (await channel.get_queue(name)).purge()


class Recorder:
    """A handler that remembers what it was given and does what ``answer`` says for a request."""

    def __init__(self) -> None:
        self.batches: list[list[UUID]] = []
        self.answers: dict[UUID, list[Exception | None]] = {}
        self.gate = asyncio.Event()
        self.gate.set()

    @property
    def seen(self) -> list[UUID]:
        return [request for batch in self.batches for request in batch]

    async def __call__(self, envelopes: Sequence[Envelope]) -> None:
        requests = [request_of(envelope) for envelope in envelopes]
        self.batches.append(requests)
        await self.gate.wait()
        for request in requests:
            answers = self.answers.get(request, [])
            if answers and (answer := answers.pop(0) if len(answers) > 1 else answers[0]):
                raise answer


def request_of(envelope: Envelope) -> UUID:
    assert isinstance(envelope.body, RequestMade)
    return envelope.body.request


async def publish(harness: Harness, count: int = 1) -> list[UUID]:
    requests = [uuid4() for _ in range(count)]
    for request in requests:
        await harness.bus.publish(Envelope.wrap(RequestMade(request=request), "test", correlation="a"))
    return requests


async def test_what_is_published_is_handled_once_in_order(harness: Harness) -> None:
    recorder = Recorder()
    await harness.consume(recorder)
    requests = await publish(harness, 20)
    await until_async(lambda: len(recorder.seen) == 20)
    assert recorder.seen == requests
    assert await harness.depth() == 0


async def test_what_a_handler_logs_names_message_and_association(harness: Harness) -> None:
    """One message by its id, a batch by the list of them; nothing stays bound for what follows."""
    bound: list[dict[str, object]] = []

    async def handle(_: Sequence[Envelope]) -> None:
        bound.append(structlog.contextvars.get_contextvars())

    envelopes = [
        Envelope.wrap(RequestMade(request=uuid4()), "test", correlation=association) for association in ("a", "b", "b")
    ]
    ids = [str(envelope.id) for envelope in envelopes]
    await harness.bus.publish(envelopes[0])
    await harness.consume(handle, batch=10)
    await until_async(lambda: len(bound) == 1)
    assert bound[0] == {"message": ids[0], "association": "a"}
    settled = await settle([envelope.encode() for envelope in envelopes], handle)
    assert settled.outcomes == [DONE] * 3
    assert bound[1] == {"message": ids, "association": ["a", "b"]}
    assert structlog.contextvars.get_contextvars() == {}


async def test_a_batch_is_what_arrived_while_the_last_one_ran(harness: Harness) -> None:
    recorder = Recorder()
    recorder.gate.clear()
    await harness.consume(recorder, batch=10)
    await publish(harness)
    await until_async(lambda: recorder.batches)
    await publish(harness, 25)
    await until_async(lambda: depth_is(harness, 0))
    recorder.gate.set()
    await until_async(lambda: len(recorder.seen) == 26)
    sizes = [len(batch) for batch in recorder.batches]
    assert sizes[0] == 1
    assert max(sizes) == 10
    assert len(sizes) <= 5


async def depth_is(harness: Harness, depth: int) -> bool:
    return await harness.depth() == depth


@pytest.mark.parametrize("fault", [RefusedData("too long"), Reject("too long")])
async def test_a_data_error_in_a_batch_hits_only_its_message(harness: Harness, fault: Exception) -> None:
    recorder = Recorder()
    requests = await publish(harness, 5)
    recorder.answers[requests[2]] = [fault]
    await harness.consume(recorder, batch=5)
    await until_async(lambda: dead_is(harness, ["too long"]))
    await until_async(lambda: set(recorder.seen) == set(requests))
    await until_async(lambda: depth_is(harness, 0))
    assert len([batch for batch in recorder.batches if len(batch) == 1]) >= 1


async def dead_is(harness: Harness, reasons: list[str]) -> bool:
    return await harness.dead() == reasons


async def test_the_order_of_outcomes_is_kept_when_some_messages_cannot_be_read(harness: Harness) -> None:
    recorder = Recorder()
    requests = [uuid4(), uuid4()]
    await put(harness, Envelope.wrap(RequestMade(request=requests[0]), "test").encode())
    await put(harness, b"not json")
    await put(harness, Envelope.wrap(RequestMade(request=requests[1]), "test").encode())
    await harness.consume(recorder, batch=10)
    await until_async(lambda: dead_is(harness, ["not JSON"]))
    assert recorder.seen == requests


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff\x00", "not JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"type": "request.carry-out", "version": 99}', "unknown message type 'request.carry-out' version 99"),
        (
            b'{"type": "request.carry-out", "version": 1, "body": {}}',
            "request.carry-out.v1 breaks its schema at: request",
        ),
    ],
)
async def test_what_cannot_be_read_goes_to_the_dead_letters_with_the_reason(
    harness: Harness, body: bytes, reason: str
) -> None:
    recorder = Recorder()
    await harness.consume(recorder)
    await put(harness, body)
    await until_async(lambda: dead_is(harness, [reason]))
    assert recorder.seen == []
    assert await harness.depth() == 0


async def put(harness: Harness, body: bytes) -> None:
    await harness.bus.publish_raw("", QUEUE.name, body, {})


async def test_unavailable_stops_until_the_database_answers(harness: Harness) -> None:
    recorder = Recorder()
    consumer = await harness.consume(recorder, batch=10)
    await until_async(lambda: consumer.consuming)
    harness.switch(available=False)
    requests = [uuid4(), uuid4(), uuid4()]
    await until_async(lambda: not consumer.consuming)
    for request in requests:
        await put(harness, Envelope.wrap(RequestMade(request=request), "test").encode())
    await until_async(lambda: depth_is(harness, 3))
    assert recorder.seen == []
    recorder.answers[requests[0]] = [Unavailable("away"), None]
    harness.switch(available=True)
    await until_async(lambda: len(set(recorder.seen)) == 3 and recorder.seen.count(requests[0]) == 2)
    await until_async(lambda: depth_is(harness, 0))
    assert await harness.dead() == []


async def test_a_conflict_is_tried_once_more(harness: Harness) -> None:
    recorder = Recorder()
    [request] = await publish(harness)
    recorder.answers[request] = [Conflict("deadlock"), None]
    await harness.consume(recorder)
    await until_async(lambda: recorder.seen == [request, request])
    await until_async(lambda: depth_is(harness, 0))
    assert await harness.dead() == []


async def test_a_handler_that_breaks_gets_the_message_again_and_the_others_pass(harness: Harness) -> None:
    recorder = Recorder()
    requests = await publish(harness, 4)
    recorder.answers[requests[1]] = [RuntimeError("bug"), RuntimeError("bug"), None]
    await harness.consume(recorder, batch=4)
    await until_async(lambda: recorder.seen.count(requests[1]) >= 3)
    await until_async(lambda: depth_is(harness, 0))
    assert set(recorder.seen) == set(requests)
    assert await harness.dead() == []


async def test_an_event_nobody_consumes_is_no_fault_and_a_missing_queue_is(harness: Harness) -> None:
    ended = AssociationEnded(
        association="a",
        calling_aet="A",
        called_aet="B",
        peer_address="127.0.0.1",
        started_at=datetime.now(UTC),
        outcome="RELEASED",
        stored=0,
        failed=0,
    )
    await harness.bus.publish(Envelope.wrap(ended, "test"))
    with pytest.raises(Unavailable, match="no queue takes"):
        await harness.bus.publish_raw("", "no.such-queue", b"{}", {})


async def test_not_more_than_the_prefetch_is_held(harness: Harness) -> None:
    recorder = Recorder()
    recorder.gate.clear()
    await harness.consume(recorder, prefetch=3)
    await publish(harness, 10)
    await until_async(lambda: depth_is(harness, 7))
    recorder.gate.set()
    await until_async(lambda: len(recorder.seen) == 10)


async def test_what_was_held_when_the_process_stops_is_there_again(harness: Harness, supervisor: Supervisor) -> None:
    recorder = Recorder()
    recorder.gate.clear()
    await harness.consume(recorder, prefetch=5)
    await publish(harness, 5)
    await until_async(lambda: recorder.batches)
    supervisor.stop()
    recorder.gate.set()
    assert await supervisor.drain(10) == []
    assert len(recorder.seen) == 1, "the message at hand is finished, no other is begun"
    await until_async(lambda: depth_is(harness, 4))

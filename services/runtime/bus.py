"""RabbitMQ: confirmed publishes, consumers in natural batches, dead letters with a reason, connections that come back.

Two connections a process, one to publish and one to consume, so that a resource alarm on publishers does not stop
consumers. Each is kept by a supervised loop of ours, which holds strong references to connection and channels and
declares the topology anew each time. AMQP's message_id is never set: aiormq confirms wrongly on repeats.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
    PublishError,
)
from aiormq.exceptions import ChannelAccessRefused

from schemas.messages import Envelope
from schemas.permissions import PROBE
from schemas.topology import EXCHANGE, QUEUES, Queue
from services.runtime import topology
from services.runtime.bus_link import CONNECT_SECONDS, RECONNECT_SECONDS, Link
from services.runtime.bus_metrics import AVAILABLE, CONSUMERS_MISSING, PUBLISH_SECONDS, PUBLISHED, QUEUE_MESSAGES
from services.runtime.consumer import Consumer, Delivery, Receiver, Subscribe
from services.runtime.db import Database
from services.runtime.dead_letters import DeadLetterConsumer
from services.runtime.errors import NotTaken, Unavailable
from services.runtime.settle import Handler
from services.runtime.supervise import Supervisor
from services.runtime.topology import Declarer
from services.runtime.wire import message_headers, must_route

DECLARE_SECONDS = 10.0
WATCH_SECONDS = 20.0
MISSING_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Bus:
    """One process's way to RabbitMQ. ``reason`` says why it is not ``available``."""

    def __init__(self, url: str, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._links = Supervisor()  # outlives the services: what they still publish while they drain must go out
        self._publishing = Link(url, "publish", self._opened)
        self._consuming = Link(url, "consume", None)
        self._exchanges: dict[str, AbstractExchange] = {}
        self._channel: AbstractChannel | None = None
        self._asking: tuple[AbstractConnection, AbstractChannel] | None = None
        self._subscriptions: set[_Subscription] = set()
        self._stalled = False
        self._redeclare = asyncio.Event()
        self._declares = True  # until the broker has said that this user may not
        self.topology_fault: str | None = None
        AVAILABLE.set(0)

    @property
    def reason(self) -> str | None:
        """Why it is not available; None when it is."""
        if self._channel is None:
            return "the broker does not answer"
        if self._stalled:
            return "the broker does not confirm (resource alarm?)"
        return self.topology_fault

    @property
    def available(self) -> bool:
        """Whether the broker confirmed the last publish and holds the topology."""
        return self.reason is None

    async def open(self) -> None:
        """Connect in the background; no error if the broker is away."""
        self._links.spawn("bus-publish", self._publishing.keep)
        self._links.spawn("bus-consume", self._consuming.keep)
        self._links.spawn("bus-watch", self._watch)

    async def close(self) -> None:
        """Close both connections. Idempotent."""
        await self._links.drain(0.0)

    async def publish(self, envelope: Envelope, *, timeout: float = 5) -> None:
        """Publish on the exchange ``gateway``; returns when the broker has confirmed that it is stored.

        Raises ``NotTaken``: refused, or returned without a queue. Raises ``Unavailable``: away, or no confirm within
        ``timeout`` seconds; in the last case the outcome is unknown and the message may appear later.
        """
        await self.publish_raw(
            EXCHANGE, envelope.routing_key, envelope.encode(), message_headers(envelope), timeout=timeout
        )

    async def publish_raw(
        self, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, str], *, timeout: float = 5
    ) -> None:
        """As ``publish``, for bytes that are already encoded. ``exchange`` "" routes by the name of the queue."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(timeout):
                await self._publish(exchange, routing_key, body, headers)
        except TimeoutError:
            self._set_stalled(True)
            raise self._failed("timed_out", f"no confirm within {timeout} s, outcome unknown") from None
        except PublishError:
            self._redeclare.set()
            raise self._not_taken("returned", f"no queue takes {routing_key!r} from exchange {exchange!r}") from None
        except DeliveryError:
            raise self._not_taken("refused", f"the broker refused {routing_key!r} (queue full?)") from None
        except CONNECTION_EXCEPTIONS as error:
            raise self._failed("away", f"the broker went away ({type(error).__name__}), outcome unknown") from error
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            raise self._failed("away", "the connection was closed, outcome unknown") from None
        PUBLISHED.labels("confirmed").inc()
        PUBLISH_SECONDS.observe(time.monotonic() - started)
        self._set_stalled(False)

    async def consume(
        self, queue: Queue, handler: Handler, *, batch: int = 1, prefetch: int = 200, while_available: Database
    ) -> Consumer:
        """Consume a queue until the process stops, subscribed only while the database answers.

        The handler's outcome: it returns = all done; ``Reject``/``RefusedData`` = this message to the dead letters (a
        batch is split into single messages first); ``Unavailable`` = messages go back, unsubscribe until the database
        answers; ``Conflict`` = once more; anything else = logged, the message goes back (the queue's delivery limit
        is the net). A batch is what arrived while the last one ran, at most ``batch``. The queue's dead letters are
        drained into ``runtime.dead_letter`` of the same database.
        """
        consumer = Consumer(
            queue, self._receiving(queue, queue.name, max(prefetch, batch)), self, while_available, self._supervisor,
            handler=handler, batch=batch,
        )  # fmt: skip
        dead = DeadLetterConsumer(queue, self._receiving(queue, queue.dead, 50), while_available, self._supervisor)
        self._supervisor.spawn(f"consume {queue.name}", consumer.run)
        self._supervisor.spawn(f"consume {queue.dead}", dead.run)
        return consumer

    def _receiving(self, queue: Queue, name: str, prefetch: int) -> Subscribe:
        @asynccontextmanager
        async def subscribe(receiver: Receiver) -> AsyncIterator[None]:
            try:
                async with asyncio.timeout(CONNECT_SECONDS + DECLARE_SECONDS):
                    connection = await self._consuming.connected()
                    await self._declare(connection, (queue,))
                    subscription = _Subscription(name, await connection.channel(publisher_confirms=False), receiver)
                    await subscription.start(prefetch)
            except (TimeoutError, asyncio.CancelledError, *CONNECTION_EXCEPTIONS) as error:
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise
                raise Unavailable(f"the broker does not answer ({type(error).__name__})") from error
            self._subscriptions.add(subscription)
            try:
                yield
            finally:
                self._subscriptions.discard(subscription)
                await subscription.end()

        return subscribe

    async def _watch(self) -> None:
        """Measure the queues we consume; reconnect when the broker answers but has no consumer of one: it forgot it."""
        missing: dict[str, float] = {}
        while not await self._links.pause(WATCH_SECONDS):
            try:
                async with asyncio.timeout(DECLARE_SECONDS):
                    absent = [name for name in self._subscribed() if await self._consumers(name) == 0]
            except (TimeoutError, *CONNECTION_EXCEPTIONS):
                missing = {}  # the broker is away: that is not the consumers' fault
                await self._ask_anew()
                continue
            now = time.monotonic()
            missing = {name: missing.get(name, now) for name in absent if name in self._subscribed()}
            if any(now - since >= MISSING_SECONDS for since in missing.values()):
                log.error("consumers_missing", queues=sorted(missing))
                CONSUMERS_MISSING.inc()
                missing = {}
                self._consuming.drop()
                for subscription in self._subscriptions:
                    subscription.receiver.ended()

    def _subscribed(self) -> set[str]:
        return {subscription.name for subscription in self._subscriptions}

    async def _consumers(self, name: str) -> int:
        channel = await self._channel_to_ask()
        try:
            known = (await channel.declare_queue(name, passive=True)).declaration_result
        except ChannelNotFoundEntity:
            return 0
        QUEUE_MESSAGES.labels(name).set(known.message_count or 0)
        return known.consumer_count or 0

    async def _ask_anew(self) -> None:
        """What a question of no answer left of its channel serves no other."""
        asking, self._asking = self._asking, None
        with suppress(TimeoutError):
            async with asyncio.timeout(DECLARE_SECONDS):
                await _close(asking and asking[1])

    async def _channel_to_ask(self) -> AbstractChannel:
        """Opened once, and again when the broker has closed it: with each channel that is opened and closed aio_pika
        leaves some kilobytes at the connection until that ends (its issue 490)."""
        connection = await self._publishing.connected()
        if self._asking is None or self._asking[0] is not connection or self._asking[1].is_closed:
            self._asking = connection, await connection.channel(publisher_confirms=False)
        return self._asking[1]

    async def _publish(self, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, str]) -> None:
        if self._channel is None:
            raise ConnectionError
        target = self._exchanges.get(exchange)
        if target is None:
            target = self._exchanges[exchange] = await self._channel.get_exchange(exchange, ensure=False)
        message = aio_pika.Message(
            body,
            headers=dict(headers),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await target.publish(message, routing_key, mandatory=must_route(exchange, routing_key))

    def _failed(self, outcome: str, text: str) -> Unavailable:
        PUBLISHED.labels(outcome).inc()
        return Unavailable(f"broker: {text}")

    def _not_taken(self, outcome: str, text: str) -> NotTaken:
        PUBLISHED.labels(outcome).inc()
        return NotTaken(f"broker: {text}")

    def _set_stalled(self, stalled: bool) -> None:
        if stalled != self._stalled:
            log.warning("bus_stalled" if stalled else "bus_confirms_again")
        self._stalled = stalled
        AVAILABLE.set(self.available)

    async def _opened(self, connection: AbstractConnection, lost: asyncio.Event) -> None:
        """Have the topology and the publishing channel while the connection lasts."""
        await self._declare(connection, QUEUES)
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        channel.close_callbacks.add(lambda *_: lost.set())
        self._exchanges = {"": channel.default_exchange}
        self._channel, self._stalled = channel, False
        AVAILABLE.set(self.available)
        try:
            while not lost.is_set():
                await self._tend(connection, lost)
        finally:
            self._channel = None
            AVAILABLE.set(0)

    async def _tend(self, connection: AbstractConnection, lost: asyncio.Event) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(RECONNECT_SECONDS):
                await lost.wait()
        if lost.is_set():
            return
        if self._stalled:
            with suppress(Unavailable):
                await self.publish_raw(EXCHANGE, PROBE, b"{}", {})
        if self._redeclare.is_set() or self.topology_fault:
            await self._declare(connection, QUEUES)

    async def _declare(self, connection: AbstractConnection, queues: tuple[Queue, ...]) -> None:
        """Declare these queues, or see that they are there; a fault of one does not keep the others from it."""
        self._redeclare.clear()
        faults = [fault for queue in queues if (fault := await self._declare_one(connection, queue))]
        for fault in faults:
            if fault not in (self.topology_fault or ""):
                log.error("topology_fault", reason=fault)
        if faults or queues == QUEUES:
            self.topology_fault = "; ".join(faults) or None
        AVAILABLE.set(self.available)

    async def _declare_one(self, connection: AbstractConnection, queue: Queue) -> str | None:
        """The fault if any. A user of a service's own may only use what is there."""
        if self._declares:
            try:
                return await _declared(connection, queue, _Declarer)
            except ChannelAccessRefused:
                self._declares = False
        return await _declared(connection, queue, _Seeker)


async def _declared(
    connection: AbstractConnection, queue: Queue, by: Callable[[AbstractChannel], Declarer]
) -> str | None:
    """On a channel of its own, because the broker closes the channel of a refused declaration; the fault if any."""
    channel = await connection.channel(publisher_confirms=False)
    try:
        async with asyncio.timeout(DECLARE_SECONDS):
            await topology.declare(by(channel), (queue,))
    except ChannelPreconditionFailed as error:
        return str(topology.fault(str(error)))
    except ChannelNotFoundEntity as error:
        return str(topology.missing(str(error)))
    finally:
        await _close(channel)
    return None


async def _close(channel: AbstractChannel | None) -> None:
    if channel is not None:
        with suppress(*CONNECTION_EXCEPTIONS):
            await channel.close()


class _Declarer:
    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel

    async def declare_exchange(self, name: str, kind: str) -> None:
        await self._channel.declare_exchange(name, kind, durable=True)

    async def declare_queue(self, name: str, arguments: Mapping[str, str | int]) -> None:
        await self._channel.declare_queue(name, durable=True, arguments=dict(arguments))

    async def bind(self, queue: str, exchange: str, routing_key: str) -> None:
        await (await self._channel.get_queue(queue, ensure=False)).bind(exchange, routing_key)


class _Seeker:
    """Finds what a ``_Declarer`` would declare; arguments and bindings are not to be seen."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel

    async def declare_exchange(self, name: str, kind: str) -> None:
        await self._channel.declare_exchange(name, kind, passive=True)

    async def declare_queue(self, name: str, arguments: Mapping[str, str | int]) -> None:
        await self._channel.declare_queue(name, passive=True)

    async def bind(self, queue: str, exchange: str, routing_key: str) -> None:
        """Made when the queue was, by whoever may."""


class _Subscription:
    """One consumer on a channel of its own."""

    def __init__(self, name: str, channel: AbstractChannel, receiver: Receiver) -> None:
        self.name = name
        self.receiver = receiver
        self._channel = channel
        self._queue: aio_pika.abc.AbstractQueue | None = None
        self._tag = ""

    async def start(self, prefetch: int) -> None:
        await self._channel.set_qos(prefetch_count=prefetch)
        self._channel.close_callbacks.add(lambda *_: self.receiver.ended())
        underlay = await self._channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _: self.receiver.ended())
        self._queue = await self._channel.get_queue(self.name, ensure=False)
        self._tag = await self._queue.consume(self._arrived)

    async def end(self) -> None:
        """Unsubscribe; what was not settled goes back to the queue."""
        with suppress(TimeoutError, *CONNECTION_EXCEPTIONS):
            async with asyncio.timeout(2.0):
                await self._channel.close()

    async def _arrived(self, message: AbstractIncomingMessage) -> None:
        self.receiver.arrived(_Received(message))


class _Received(Delivery):
    def __init__(self, message: AbstractIncomingMessage) -> None:
        self.body, self.headers = message.body, dict(message.headers)
        self._message = message

    async def ack(self, *, multiple: bool = False) -> None:
        with suppress(ChannelInvalidStateError):  # the connection was lost: it is delivered again
            await self._message.ack(multiple=multiple)

    async def reject(self, *, requeue: bool) -> None:
        with suppress(ChannelInvalidStateError):
            await self._message.reject(requeue=requeue)

"""An in-memory bus of our own; tests/contract/test_bus.py runs the same suite on it and on RabbitMQ."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from schemas.messages import Envelope
from schemas.topology import DEAD_LETTER_EXCHANGE, DELIVERY_LIMIT, EXCHANGE, QUEUES, Queue
from services.runtime.consumer import Availability, Consumer, Receiver, Subscribe
from services.runtime.errors import Unavailable
from services.runtime.settle import Handler
from services.runtime.supervise import Supervisor
from services.runtime.wire import message_headers, must_route


class Switch:
    """A database that is there or away, as far as a consumer needs to know."""

    def __init__(self, *, available: bool = True) -> None:
        self._up = asyncio.Event()
        self.set(available)

    @property
    def available(self) -> bool:
        return self._up.is_set()

    async def wait_available(self) -> None:
        await self._up.wait()

    def set(self, available: bool) -> None:
        if available:
            self._up.set()
        else:
            self._up.clear()


class MemoryMessage:
    """A message in a queue, and its delivery."""

    def __init__(self, broker: "MemoryBroker", queue: str, body: bytes, headers: Mapping[str, Any]) -> None:
        self.body, self.headers = body, dict(headers)
        self.deliveries = 0
        self._broker, self._queue = broker, queue

    async def ack(self, *, multiple: bool = False) -> None:
        unacked = self._broker.unacked[self._queue]
        if self not in unacked:
            return
        for message in unacked[: unacked.index(self) + 1] if multiple else [self]:
            unacked.remove(message)
        self._broker.stir()

    async def reject(self, *, requeue: bool) -> None:
        self._broker.unacked[self._queue].remove(self)
        if requeue and self.deliveries <= DELIVERY_LIMIT:
            self._broker.queues[self._queue].append(self)
        else:
            reason = "delivery_limit" if requeue else "rejected"
            self._broker.put(f"{self._queue}.dead", self.body, {**self.headers, "x-death": [{"reason": reason}]})
        self._broker.stir()


class MemoryBroker:
    """Queues of ``schemas.topology`` in memory."""

    def __init__(self) -> None:
        names = [name for queue in QUEUES for name in (queue.name, queue.dead)]
        self.queues: dict[str, deque[MemoryMessage]] = {name: deque() for name in names}
        self.unacked: dict[str, list[MemoryMessage]] = defaultdict(list)
        self.subscribed: dict[str, tuple[Receiver, int]] = {}
        self.up = True

    def put(self, queue: str, body: bytes, headers: Mapping[str, Any]) -> None:
        self.queues[queue].append(MemoryMessage(self, queue, body, headers))
        self.stir()

    def route(self, exchange: str, routing_key: str) -> list[str]:
        if exchange == EXCHANGE:
            return [queue.name for queue in QUEUES if queue.binding == routing_key]
        known = routing_key in self.queues and exchange in ("", DEAD_LETTER_EXCHANGE)
        return [routing_key] if known else []

    def stir(self) -> None:
        """Deliver what the prefetch allows."""
        for name, (receiver, prefetch) in list(self.subscribed.items()):
            while self.up and self.queues[name] and len(self.unacked[name]) < prefetch:
                message = self.queues[name].popleft()
                message.deliveries += 1
                self.unacked[name].append(message)
                receiver.arrived(message)

    def give_back(self, name: str) -> None:
        self.queues[name].extendleft(reversed(self.unacked.pop(name, [])))

    def stop(self) -> None:
        """As a broker that is killed: subscriptions end, what was not acknowledged is delivered again."""
        self.up = False
        for name, (receiver, _) in list(self.subscribed.items()):
            self.give_back(name)
            receiver.ended()
        self.subscribed.clear()

    def start(self) -> None:
        self.up = True


class MemoryBus:
    """``Bus`` on a ``MemoryBroker``."""

    def __init__(self, broker: MemoryBroker, supervisor: Supervisor) -> None:
        self.broker, self._supervisor = broker, supervisor
        self.published: list[Envelope] = []

    @property
    def available(self) -> bool:
        return self.broker.up

    @property
    def reason(self) -> str | None:
        return None if self.broker.up else "the broker does not answer"

    async def open(self) -> None:
        """Nothing to connect."""

    async def close(self) -> None:
        """Nothing to close."""

    async def publish(self, envelope: Envelope, *, timeout: float = 5) -> None:
        await self.publish_raw(
            EXCHANGE, envelope.routing_key, envelope.encode(), message_headers(envelope), timeout=timeout
        )
        self.published.append(envelope)

    async def publish_raw(
        self, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, str], *, timeout: float = 5
    ) -> None:
        if not self.broker.up:
            raise Unavailable("broker: away")
        queues = self.broker.route(exchange, routing_key)
        if not queues and must_route(exchange, routing_key):
            raise Unavailable(f"broker: no queue takes {routing_key!r} from exchange {exchange!r}")
        for queue in queues:
            self.broker.put(queue, body, headers)

    async def consume(
        self, queue: Queue, handler: Handler, *, batch: int = 1, prefetch: int = 200, while_available: Availability
    ) -> Consumer:
        subscribe = self._subscribing(queue.name, max(prefetch, batch))
        consumer = Consumer(
            queue, subscribe, self, while_available, self._supervisor, handler=handler, batch=batch
        )  # fmt: skip
        self._supervisor.spawn(f"consume {queue.name}", consumer.run)
        return consumer

    def _subscribing(self, name: str, prefetch: int) -> Subscribe:
        @asynccontextmanager
        async def subscribe(receiver: Receiver) -> AsyncIterator[None]:
            if not self.broker.up:
                raise Unavailable("broker: away")
            self.broker.subscribed[name] = (receiver, prefetch)
            self.broker.stir()
            try:
                yield
            finally:
                self.broker.subscribed.pop(name, None)
                self.broker.give_back(name)

        return subscribe

"""A consumer: subscribed while its database answers, natural batches, outcomes settled in order. No driver in here."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Protocol

import structlog

from schemas.topology import DEAD_LETTER_EXCHANGE, Queue
from services.runtime.bus_metrics import BATCH, CONSUMED, CONSUMING, HANDLER_SECONDS
from services.runtime.errors import Unavailable
from services.runtime.settle import Handler, Kind, Outcome, Settlement, settle
from services.runtime.supervise import Supervisor
from services.runtime.wire import LONGEST_REASON, REASON, text_headers

LOOK_SECONDS = 1.0
GATHER_SECONDS = (0.05, 0.25)
GATHER_BY_WORK = 3.0
"""While messages keep coming, a batch begins so many times as long after the one before as that took, within these
limits, or when it is full: a transaction costs the same for one message as for ten, and where it takes long the machine
is busy. A message that comes alone waits for nothing."""
AFTER_FAILURE_SECONDS = 0.5

log = structlog.get_logger(__name__)


class Delivery(Protocol):
    """A message that waits for its outcome."""

    body: bytes
    headers: Mapping[str, Any]

    async def ack(self, *, multiple: bool = False) -> None:
        """Done; ``multiple``: and all before it."""

    async def reject(self, *, requeue: bool) -> None:
        """Back to the queue, or dead lettered by the broker."""


class Receiver(Protocol):
    """Where a subscription puts what arrives."""

    def arrived(self, delivery: Delivery) -> None:
        """A message."""

    def ended(self) -> None:
        """The broker ended the subscription or the connection was lost."""


class Publisher(Protocol):
    """What publishes copies to the dead letters."""

    async def publish_raw(
        self, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, str], *, timeout: float = 5
    ) -> None:
        """Publish, confirmed. Raises ``Unavailable``."""


class Availability(Protocol):
    """A database, as far as a consumer needs it."""

    @property
    def available(self) -> bool:
        """Whether it answers."""

    async def wait_available(self) -> None:
        """Return when it answers."""


Subscribe = Callable[[Receiver], AbstractAsyncContextManager[None]]


class Subscriber(ABC):
    """Subscribed to one queue while its database answers. ``consuming`` tells whether it is."""

    def __init__(
        self, name: str, subscribe: Subscribe, database: Availability, supervisor: Supervisor, batch: int
    ) -> None:
        self.name = name
        self.consuming = False
        self._subscribe, self._database, self._supervisor, self._batch = subscribe, database, supervisor, batch
        self._waiting: deque[Delivery] = deque()
        self._stir = asyncio.Event()
        self._ended = False
        self._next = 0.0
        self._gather_seconds = gathering_seconds(0.0)

    @abstractmethod
    async def process(self, batch: Sequence[Delivery]) -> Settlement:
        """One outcome for each message."""

    @abstractmethod
    async def reject(self, delivery: Delivery, reason: str) -> None:
        """End a rejected message."""

    def arrived(self, delivery: Delivery) -> None:
        """A message has arrived."""
        self._waiting.append(delivery)
        if len(self._waiting) in (1, self._batch):
            self._stir.set()

    def ended(self) -> None:
        """The subscription has ended: subscribe again."""
        self._ended = True
        self._stir.set()

    async def run(self) -> None:
        """Consume until the process stops; a supervised task."""
        while not self._supervisor.stopping.is_set():
            try:
                if await self._database_answers():
                    await self._subscribed()
            except Unavailable as error:
                log.debug("consumer_waits", queue=self.name, reason=str(error))
                await self._supervisor.pause(LOOK_SECONDS)

    async def _database_answers(self) -> bool:
        if not self._database.available:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._database.wait_available()
            except TimeoutError:
                return False
        return True

    async def _subscribed(self) -> None:
        self._waiting.clear()
        self._ended = False
        async with self._subscribe(self):
            with self._supervisor.calling_on_stop(self._stir.set):
                self._mark(True)
                try:
                    while await self._more() and await self._gathered():
                        await self._next_batch()
                finally:
                    self._mark(False)

    def _mark(self, consuming: bool) -> None:
        self.consuming = consuming
        CONSUMING.labels(self.name).set(consuming)
        log.info("consumer_subscribed" if consuming else "consumer_unsubscribed", queue=self.name)

    async def _more(self) -> bool:
        """Wait for a message; False when the subscription is to end. Messages left over go back to the queue."""
        while not self._supervisor.stopping.is_set() and not self._ended and self._database.available:
            if self._waiting:
                return True
            self._stir.clear()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._stir.wait()
            except TimeoutError:
                continue
        return False

    async def _gathered(self) -> bool:
        """Wait until the next batch is due or full; False when the subscription is to end."""
        clock = asyncio.get_running_loop().time
        while len(self._waiting) < self._batch and (left := self._next - clock()) > 0:
            self._stir.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._stir.wait()
            if self._supervisor.stopping.is_set() or self._ended:
                return False
        self._next = clock() + self._gather_seconds
        return True

    async def _next_batch(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
        BATCH.labels(self.name).observe(len(batch))
        began = time.monotonic()
        with HANDLER_SECONDS.labels(self.name).time():
            settlement = await self.process(batch)
        self._gather_seconds = gathering_seconds(time.monotonic() - began)
        await self._settle(batch, settlement.outcomes)
        if settlement.stop:
            self._ended = True
            await self._supervisor.pause(AFTER_FAILURE_SECONDS)
        elif settlement.failed:
            await self._supervisor.pause(AFTER_FAILURE_SECONDS)  # a message that always fails comes back at once

    async def _settle(self, batch: list[Delivery], outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            CONSUMED.labels(self.name, outcome.kind.value).inc()
        if all(outcome.kind is Kind.DONE for outcome in outcomes):
            await batch[-1].ack(multiple=True)
            return
        for delivery, outcome in zip(batch, outcomes, strict=True):
            if outcome.kind is Kind.DONE:
                await delivery.ack()
            elif outcome.kind is Kind.RETURNED:
                await delivery.reject(requeue=True)
            else:
                await self.reject(delivery, outcome.reason)


def gathering_seconds(took: float) -> float:
    """How long after the begin of a batch that took so many seconds the next may begin (pure)."""
    least, most = GATHER_SECONDS
    return min(most, max(least, GATHER_BY_WORK * took))


class Consumer(Subscriber):
    """Hands a queue's messages to a handler."""

    def __init__(
        self,
        queue: Queue,
        subscribe: Subscribe,
        publisher: Publisher,
        database: Availability,
        supervisor: Supervisor,
        *,
        handler: Handler,
        batch: int,
    ) -> None:
        super().__init__(queue.name, subscribe, database, supervisor, batch)
        self._dead, self._publisher, self._handler = queue.dead, publisher, handler

    async def process(self, batch: Sequence[Delivery]) -> Settlement:
        """Decode and handle."""
        return await settle([delivery.body for delivery in batch], self._handler)

    async def reject(self, delivery: Delivery, reason: str) -> None:
        """A copy with the reason to the dead letters; if that fails the broker moves it there, without the reason."""
        headers = text_headers(delivery.headers) | {REASON: reason[:LONGEST_REASON]}
        try:
            await self._publisher.publish_raw(DEAD_LETTER_EXCHANGE, self._dead, delivery.body, headers)
        except Unavailable as error:
            log.warning("reason_not_published", queue=self.name, reason=reason, cause=str(error))
            await delivery.reject(requeue=False)
        else:
            await delivery.ack()

"""Messages from association threads to the broker, best effort: storage's sweep finds what gets lost here."""

import asyncio
from collections import deque
from contextlib import suppress

import structlog

from schemas.messages import (
    AssociationEnded,
    CommitmentReported,
    CommitmentRequested,
    Envelope,
    InstanceReceived,
    Message,
    ReportSent,
)
from services.ingest import metrics
from services.runtime.bus import Bus
from services.runtime.errors import Unavailable
from services.runtime.supervise import Supervisor

OFFERED: tuple[type[Message], ...] = (
    InstanceReceived, AssociationEnded, CommitmentReported, CommitmentRequested, ReportSent,
)  # fmt: skip

GATHER_SECONDS = 0.02
"""While messages keep coming they are published this often, all that wait at once: a burst costs the processor a third
of what single ones do, and takes it from the threads that receive less often. One that comes alone does not wait."""

log = structlog.get_logger(__name__)


class Publisher:
    """A bounded backlog with several publishes in flight. ``offer`` may be called from any thread."""

    def __init__(self, bus: Bus, loop: asyncio.AbstractEventLoop, backlog: int, at_once: int) -> None:
        """At most ``at_once`` messages await their confirm."""
        self._bus, self._loop, self._backlog, self._at_once = bus, loop, backlog, at_once
        self._waiting: deque[Envelope] = deque()
        self._stir = asyncio.Event()
        self._asleep = self._closing = False
        self._ended = asyncio.Event()
        for offered in OFFERED:
            metrics.UNPUBLISHED.labels(offered.TYPE)  # counts from 0

    def start(self, supervisor: Supervisor) -> None:
        """Begin to publish; a supervised task."""
        supervisor.spawn("publish", self._publishing)

    def offer(self, body: Message, *, correlation: str, trace: str | None = None) -> None:
        """Have a message published soon, or given up when the backlog is full or the broker away. Never waits."""
        envelope = Envelope.wrap(body, "ingest", correlation=correlation, trace=trace)
        if not self._bus.available or len(self._waiting) >= self._backlog:
            metrics.UNPUBLISHED.labels(envelope.type).inc()
            return
        self._waiting.append(envelope)
        if self._asleep:
            self._asleep = False
            with suppress(RuntimeError):  # the loop is closed: the process ends
                self._loop.call_soon_threadsafe(self._stir.set)

    async def close(self, seconds: float) -> None:
        """Publish what waits for at most ``seconds``, then end."""
        self._closing = True
        self._stir.set()
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            log.warning("publish_backlog_left", messages=len(self._waiting))
            while self._waiting:
                metrics.UNPUBLISHED.labels(self._waiting.popleft().type).inc()

    async def _publishing(self) -> None:
        while await self._some():
            due = self._loop.time() + GATHER_SECONDS
            burst = [self._waiting.popleft() for _ in range(min(self._at_once, len(self._waiting)))]
            await asyncio.gather(*map(self._publish, burst))
            await asyncio.sleep(due - self._loop.time())
        self._ended.set()

    async def _some(self) -> bool:
        """Wait until something waits; False when nothing will any more."""
        while not self._waiting and not self._closing:
            self._stir.clear()
            self._asleep = True  # before the last look: who offers after it sees that
            if not self._waiting:
                await self._stir.wait()
        return bool(self._waiting)

    async def _publish(self, envelope: Envelope) -> None:
        try:
            await self._bus.publish(envelope)
            metrics.PUBLISHED.labels(envelope.type).inc()
        except Unavailable as error:
            metrics.UNPUBLISHED.labels(envelope.type).inc()
            log.debug("publish_given_up", type=envelope.type, reason=str(error))

"""Messages from association threads to the broker, best effort: storage's sweep finds what gets lost here."""

import asyncio

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

log = structlog.get_logger(__name__)


class Publisher:
    """A bounded backlog with several publishes in flight. ``offer`` may be called from any thread."""

    def __init__(self, bus: Bus, loop: asyncio.AbstractEventLoop, backlog: int) -> None:
        self._bus, self._loop, self._backlog = bus, loop, backlog
        self._waiting: asyncio.Queue[Envelope | None] = asyncio.Queue()
        self._idle = asyncio.Event()
        self._idle.set()
        self._under_way = 0
        self._tasks = 0
        for offered in OFFERED:
            metrics.UNPUBLISHED.labels(offered.TYPE)  # counts from 0

    def start(self, supervisor: Supervisor, at_once: int) -> None:
        """Begin to publish, at most ``at_once`` messages awaiting their confirm."""
        self._tasks = at_once
        for number in range(at_once):
            supervisor.spawn(f"publish-{number}", self._publishing)

    def offer(self, body: Message, *, correlation: str) -> None:
        """Have a message published soon, or given up when the backlog is full or the broker away. Never waits."""
        envelope = Envelope.wrap(body, "ingest", correlation=correlation)
        try:
            self._loop.call_soon_threadsafe(self._take, envelope)
        except RuntimeError:  # the loop is closed: the process ends
            metrics.UNPUBLISHED.labels(envelope.type).inc()

    async def close(self, seconds: float) -> None:
        """Publish what waits for at most ``seconds``, then end."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            log.warning("publish_backlog_left", messages=self._under_way)
        for _ in range(self._tasks):
            self._waiting.put_nowait(None)

    def _take(self, envelope: Envelope) -> None:
        if not self._bus.available or self._waiting.qsize() >= self._backlog:
            metrics.UNPUBLISHED.labels(envelope.type).inc()
            return
        self._idle.clear()
        self._under_way += 1
        self._waiting.put_nowait(envelope)

    async def _publishing(self) -> None:
        while (envelope := await self._waiting.get()) is not None:
            try:
                await self._bus.publish(envelope)
                metrics.PUBLISHED.labels(envelope.type).inc()
            except Unavailable as error:
                metrics.UNPUBLISHED.labels(envelope.type).inc()
                log.debug("publish_given_up", type=envelope.type, reason=str(error))
            finally:
                self._under_way -= 1
                if not self._under_way:
                    self._idle.set()

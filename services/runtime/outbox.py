"""Events that follow from a database change: written in its transaction, published after it, at least once.

The relay runs in every process whose services enqueue, woken by what its own process enqueues and by what a process
without one does; each second it looks for what another has left. Rows are claimed with SKIP LOCKED and marked one by
one, never by a cursor, because transactions commit out of the order of their ids. A message that the broker does not
take comes after all others and waits longer each time, up to a minute: it must not stall them.
"""

import asyncio
import json
from collections.abc import Sequence

import structlog
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from schemas.messages import Envelope
from schemas.topology import EXCHANGE
from services.runtime import fail_points
from services.runtime.bus import Bus
from services.runtime.bus_metrics import OUTBOX_OLDEST_SECONDS, RELAYED, UNPUBLISHED
from services.runtime.db import Database
from services.runtime.errors import GatewayError, NotTaken, Unavailable
from services.runtime.queries import load_queries
from services.runtime.supervise import Supervisor
from services.runtime.wire import message_headers

IN_FLIGHT = 50
POLL_SECONDS = 1.0
COUNT_SECONDS = 15.0

QUERIES = load_queries("services.runtime", "outbox.sql")
log = structlog.get_logger(__name__)


async def enqueue(connection: AsyncConnection[DictRow], envelope: Envelope) -> None:
    """Publish this message once the caller's transaction has committed."""
    await enqueue_many(connection, [envelope])


async def enqueue_many(connection: AsyncConnection[DictRow], envelopes: Sequence[Envelope]) -> None:
    """Publish these messages once the caller's transaction has committed. One statement, whatever their number."""
    if not envelopes:
        return
    parameters = {
        "event_ids": [envelope.id for envelope in envelopes],
        "exchanges": [EXCHANGE] * len(envelopes),
        "routing_keys": [envelope.routing_key for envelope in envelopes],
        "headers": [json.dumps(message_headers(envelope)) for envelope in envelopes],
        "bodies": [envelope.encode().decode() for envelope in envelopes],
    }
    await connection.execute(QUERIES.insert_events, parameters)
    await connection.execute(QUERIES.notify)


class Outbox:
    """The relay from ``runtime.outbox`` to the broker."""

    def __init__(self, db: Database, bus: Bus, supervisor: Supervisor, *, replays: bool = True) -> None:
        """``replays``: dead letters go back to their queues by this relay, too: it may write to all of them."""
        self._db, self._bus, self._supervisor, self._replays = db, bus, supervisor, replays
        self._counted_at = -COUNT_SECONDS

    async def relay(self) -> None:
        """Publish what waits, woken by NOTIFY and by a look each second; a supervised task until the process stops."""
        wake = await self._db.listen(*self._db.outbox_channels)
        with self._supervisor.calling_on_stop(wake.ring):
            while not self._supervisor.stopping.is_set():
                if await self._relay_all():
                    await wake.wait(POLL_SECONDS)
                else:
                    await self._supervisor.pause(POLL_SECONDS)
            await self._relay_all()

    async def relay_batch(self) -> int:
        """Publish at most 50 rows; the number published.

        Raises ``Unavailable`` if none could be; ``NotTaken`` if the broker took none of them but answered: these rows
        wait, others may go.
        """
        wanted = {"limit": IN_FLIGHT, "replays": self._replays}
        async with self._db.transaction() as connection:
            rows = await (await connection.execute(QUERIES.claim, wanted)).fetchall()
            if rows:
                fail_points.reached("outbox.claimed")
            outcomes = await asyncio.gather(*(self._publish(row) for row in rows))
            if rows:
                fail_points.reached("outbox.published")
            done = [row for row, fault in zip(rows, outcomes, strict=True) if fault is None]
            untaken = [row for row, fault in zip(rows, outcomes, strict=True) if isinstance(fault, NotTaken)]
            if done:
                await connection.execute(QUERIES.mark_published, _keys(done))
            if untaken:
                await connection.execute(QUERIES.postpone, _keys(untaken))
        RELAYED.inc(len(done))
        _log_untaken(untaken)
        faults = [fault for fault in outcomes if fault is not None]
        if faults and not done:
            raise next((fault for fault in faults if not isinstance(fault, NotTaken)), faults[0])
        return len(done)

    async def _relay_all(self) -> bool:
        """Until nothing waits; False when the database or the broker is away."""
        try:
            while self._db.available and self._bus.available and await self._relay_some():
                pass
            await self._count()
        except GatewayError as error:
            log.debug("relay_waits", reason=str(error))
            return False
        return True

    async def _relay_some(self) -> bool:
        """One batch; False when nothing waits."""
        try:
            return await self.relay_batch() > 0
        except NotTaken:
            return True

    async def _publish(self, row: DictRow) -> Unavailable | None:
        try:
            await self._bus.publish_raw(row["exchange"], row["routing_key"], row["body"].encode(), row["headers"])
        except Unavailable as error:
            return error
        return None

    async def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._counted_at < COUNT_SECONDS or not self._db.available:
            return
        self._counted_at = now
        async with self._db.transaction() as connection:
            row = await (await connection.execute(QUERIES.count_unpublished)).fetchone()
        if row is not None:
            UNPUBLISHED.set(row["count"])
            OUTBOX_OLDEST_SECONDS.set(row["oldest_seconds"])


def _keys(rows: Sequence[DictRow]) -> dict[str, list[object]]:
    return {"created_at": [row["created_at"] for row in rows], "id": [row["id"] for row in rows]}


def _log_untaken(rows: Sequence[DictRow]) -> None:
    if rows:
        routing_keys = sorted({row["routing_key"] for row in rows})
        log.warning("events_not_taken", count=len(rows), routing_keys=routing_keys)

"""Dead letters: drained from the broker into rows, where people list, read, replay or discard them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from schemas.topology import Queue
from services.runtime.bus_metrics import DEAD_LETTERS
from services.runtime.consumer import Delivery, Subscribe, Subscriber
from services.runtime.db import Database
from services.runtime.errors import Unavailable, UsageError
from services.runtime.queries import load_queries
from services.runtime.settle import DONE, RETURNED, Settlement
from services.runtime.supervise import Supervisor
from services.runtime.wire import REASON, dead_reason, text_headers

BATCH = 50
QUERIES = load_queries("services.runtime", "dead_letters.sql")
log = structlog.get_logger(__name__)


class DeadLetterConsumer(Subscriber):
    """Parks what dies in one queue: the row is committed before the broker forgets the message."""

    def __init__(self, queue: Queue, subscribe: Subscribe, db: Database, supervisor: Supervisor) -> None:
        super().__init__(queue.dead, subscribe, db, supervisor, BATCH)
        self._queue, self._db = queue.name, db
        DEAD_LETTERS.labels(self._queue)  # counts from 0

    async def process(self, batch: Sequence[Delivery]) -> Settlement:
        """Park them all; the same dead message is parked once."""
        try:
            async with self._db.transaction() as connection:
                await park(connection, self._queue, batch)
        except Unavailable:
            return Settlement([RETURNED] * len(batch), stop=True)
        DEAD_LETTERS.labels(self._queue).inc(len(batch))
        log.warning("dead_letters_parked", queue=self._queue, count=len(batch))
        return Settlement([DONE] * len(batch))

    async def reject(self, delivery: Delivery, reason: str) -> None:
        """Never done here: nothing is rejected from the dead letters."""
        await delivery.reject(requeue=True)


async def park(connection: AsyncConnection[DictRow], queue: str, batch: Sequence[Delivery]) -> None:
    """Insert dead messages of ``queue``."""
    headers = [{name: _plain(text) for name, text in text_headers(found.headers).items()} for found in batch]
    parameters = {
        "queue": queue,
        "reasons": [_plain(dead_reason(found.headers)) for found in batch],
        "event_ids": [_uuid(found.get("event_id")) for found in headers],
        "types": [_type(found) for found in headers],
        "headers": [json.dumps(found) for found in headers],
        "bodies": [found.body for found in batch],
        "fingerprints": [fingerprint(queue, found.body) for found in batch],
    }
    await connection.execute(QUERIES.insert_dead_letters, parameters)


def fingerprint(queue: str, body: bytes) -> bytes:
    """SHA-256 of queue and body (pure)."""
    return hashlib.sha256(queue.encode() + b"\0" + body).digest()


@dataclass(frozen=True)
class Like:
    """Which dead letters; None takes all. ``reason``: a part of it, in any case; ``station``: that the body names."""

    queue: str | None = None
    reason: str | None = None
    station: str | None = None


ALL: Final = Like()


async def listed(
    connection: AsyncConnection[DictRow],
    state: str | None = "PARKED",
    limit: int = 100,
    before: int | None = None,
    like: Like = ALL,
) -> list[DictRow]:
    """Newest first, without headers and body; ``before``: only those with a lower number."""
    wanted = {"state": state, "limit": limit, "before": before} | asdict(like)
    return await (await connection.execute(QUERIES.list_dead_letters, wanted)).fetchall()


async def shown(connection: AsyncConnection[DictRow], number: int) -> DictRow:
    """One whole row. Raises ``UsageError`` when there is none."""
    row = await (await connection.execute(QUERIES.show_dead_letter, {"id": number})).fetchone()
    if row is None:
        raise UsageError(f"dead letter {number} does not exist; list them with 'gateway dead list'")
    return row


async def replay(connection: AsyncConnection[DictRow], number: int, actor: str) -> None:
    """Send it to its queue again, through the outbox in the caller's transaction. Raises ``UsageError``."""
    row = await _resolve(connection, number, "REPLAYED", actor)
    try:
        body = row["body"].decode()
    except UnicodeDecodeError:
        raise UsageError(f"dead letter {number} is not text and would die again; discard it") from None
    headers = {name: value for name, value in row["headers"].items() if name != REASON and not name.startswith("x-")}
    parameters = {"queue": row["queue"], "headers": json.dumps(headers), "body": body}
    await connection.execute(QUERIES.insert_replay, parameters)
    await connection.execute(QUERIES.notify)


async def discard(connection: AsyncConnection[DictRow], number: int, actor: str) -> None:
    """Nothing is to be done with it. Raises ``UsageError``."""
    await _resolve(connection, number, "DISCARDED", actor)


async def _resolve(connection: AsyncConnection[DictRow], number: int, state: str, actor: str) -> DictRow:
    parameters = {"id": number, "state": state, "actor": actor}
    row = await (await connection.execute(QUERIES.resolve, parameters)).fetchone()
    if row is None:
        found = await shown(connection, number)
        raise UsageError(f"dead letter {number} is {found['state']} already; only PARKED ones can be resolved")
    return row


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


def _type(headers: dict[str, str]) -> str | None:
    return f"{headers['type']}.v{headers.get('version', '?')}" if "type" in headers else None


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(text)
    except (TypeError, ValueError, AttributeError):
        return None

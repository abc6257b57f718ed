"""Messages that no consumer could take: list, show, replay to the queue they died in, discard."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from psycopg.types.json import Jsonb

from services.admin.changes import audit
from services.admin.errors import NotFound, Refused
from services.admin.sql import SQL
from services.runtime.db import Connection, Database

STATES: Final = ("PARKED", "REPLAYED", "DISCARDED")
OUR_HEADERS: Final = ("event_id", "type", "version", "correlation", "traceparent")


async def list_letters(database: Database, state: str | None, queue: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest dead letters, without their bodies."""
    async with database.transaction() as conn:
        cursor = await conn.execute(SQL.list_dead_letters, {"state": state, "queue": queue, "limit": limit})
        return await cursor.fetchall()


async def show(database: Database, number: int) -> dict[str, Any]:
    """A dead letter with headers and body (text, undecodable bytes replaced). Raises ``NotFound``."""
    async with database.transaction() as conn:
        cursor = await conn.execute(SQL.get_dead_letter, {"id": number})
        row = await cursor.fetchone()
    if row is None:
        raise _missing([number])
    return row | {"body": bytes(row["body"]).decode(errors="replace")}


async def replay(database: Database, actor: str, numbers: Sequence[int]) -> int:
    """Send dead letters to their queues again; how many. Raises ``NotFound`` or ``Refused``, and then does nothing."""

    async def work(conn: Connection) -> int:
        letters = await _parked(conn, numbers)
        for letter in letters:
            await conn.execute(SQL.insert_replay, _message(letter))
        await conn.execute(SQL.notify_outbox)
        return await _resolve(conn, actor, "REPLAYED", letters)

    return await database.retry(work)


async def discard(database: Database, actor: str, numbers: Sequence[int]) -> int:
    """Give dead letters up; their rows stay. Raises ``NotFound`` or ``Refused``, and then does nothing."""

    async def work(conn: Connection) -> int:
        return await _resolve(conn, actor, "DISCARDED", await _parked(conn, numbers))

    return await database.retry(work)


async def _parked(conn: Connection, numbers: Sequence[int]) -> list[dict[str, Any]]:
    cursor = await conn.execute(SQL.lock_dead_letters, {"ids": list(numbers)})
    letters = await cursor.fetchall()
    if missing := sorted(set(numbers) - {letter["id"] for letter in letters}):
        raise _missing(missing)
    for letter in letters:
        if letter["state"] != "PARKED":
            raise Refused(f"dead letter {letter['id']} is {letter['state']} already; only PARKED ones can be resolved")
    return letters


async def _resolve(conn: Connection, actor: str, state: str, letters: Sequence[Mapping[str, Any]]) -> int:
    await conn.execute(
        SQL.resolve_dead_letters, {"state": state, "actor": actor, "ids": [letter["id"] for letter in letters]}
    )
    for letter in letters:
        await audit(conn, actor, f"dead-letter.{state.lower()}", str(letter["id"]), {"queue": letter["queue"]}, None)
    return len(letters)


def _message(letter: Mapping[str, Any]) -> dict[str, Any]:
    """The outbox row that sends a letter again. Raises ``Refused`` for what no consumer could ever read."""
    try:
        body = bytes(letter["body"]).decode()
    except UnicodeDecodeError:
        raise Refused(f"dead letter {letter['id']}: its body is no text, no consumer can read it; discard it") from None
    headers = {name: str(letter["headers"][name]) for name in OUR_HEADERS if name in letter["headers"]}
    return {
        "event_id": letter["event_id"] or uuid4(),
        "queue": str(letter["queue"]).removesuffix(".dead"),
        "headers": Jsonb(headers),
        "body": body,
    }


def _missing(numbers: Sequence[int]) -> NotFound:
    shown = ", ".join(map(str, numbers))
    return NotFound(f"dead letter {shown} does not exist; 'gateway dead list' shows those there are")

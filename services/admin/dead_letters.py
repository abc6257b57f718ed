"""Messages that no consumer could take: list, show, replay to the queue they died in, discard."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from services.admin.changes import audit
from services.admin.errors import NotFound, Refused
from services.runtime import dead_letters as letters
from services.runtime.db import Connection, Database
from services.runtime.dead_letters import Like
from services.runtime.errors import UsageError

MOST_REASON: Final = 500
MOST: Final = 1000
"""Resolved by one order."""
Resolve = Callable[[Connection, int, str], Awaitable[None]]


async def list_letters(
    database: Database, state: str | None, limit: int, before: int | None = None, like: Like = letters.ALL
) -> list[dict[str, Any]]:
    """The newest dead letters, without their bodies; ``before``: only those with a lower number."""
    async with database.transaction() as conn:
        return await letters.listed(conn, state, limit, before, like)


async def seen(database: Database, actor: str, number: int) -> dict[str, Any]:
    """As ``show``, for who looks at it over HTTP: a body may hold patient data, so that is audited."""
    found = await show(database, number)

    async def work(conn: Connection) -> None:
        await audit(conn, actor, "dead-letter.view", str(number), None, None)

    await database.retry(work)
    return found


async def show(database: Database, number: int) -> dict[str, Any]:
    """A dead letter with headers and body (text, undecodable bytes replaced). Raises ``NotFound``."""
    async with database.transaction() as conn:
        row = await _there(conn, number)
    return {name: value for name, value in row.items() if name != "fingerprint"} | {
        "body": bytes(row["body"]).decode(errors="replace")
    }


async def replay(database: Database, actor: str, numbers: Sequence[int]) -> int:
    """Send dead letters to their queues again; how many. Raises ``NotFound``, ``Refused``, and then none was."""
    return await _resolve(database, actor, "dead-letter.replay", letters.replay, numbers)


async def discard(database: Database, actor: str, numbers: Sequence[int], reason: str = "") -> int:
    """Give dead letters up; their rows stay, and the audit keeps why.

    Raises ``NotFound``, ``Refused``, and then none was.
    """
    why = reason.strip()[:MOST_REASON]
    return await _resolve(database, actor, "dead-letter.discard", letters.discard, numbers, why)


async def _resolve(
    database: Database, actor: str, action: str, resolve: Resolve, numbers: Sequence[int], why: str = ""
) -> int:
    wanted = sorted(set(numbers))

    async def work(conn: Connection) -> int:
        for number in wanted:
            await _there(conn, number)
            await _open(resolve(conn, number, actor))
            await audit(conn, actor, action, str(number), None, {"reason": why} if why else None)
        return len(wanted)

    return await database.retry(work)


async def _there(conn: Connection, number: int) -> dict[str, Any]:
    try:
        return await letters.shown(conn, number)
    except UsageError as error:
        raise NotFound(str(error)) from None


async def _open(resolved: Awaitable[None]) -> None:
    """That it is resolved already depends on what the gateway holds."""
    try:
        await resolved
    except UsageError as error:
        raise Refused(str(error)) from None

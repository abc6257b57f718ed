"""A change of the configuration: one transaction with the next generation, its notification and the audit entry."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from psycopg.types.json import Jsonb

from services.admin.sql import SQL
from services.runtime.db import Connection, Database

T = TypeVar("T")
_ADDRESS: Final[ContextVar[str | None]] = ContextVar("address", default=None)


@contextmanager
def acting_from(address: str) -> Iterator[None]:
    """What is changed within the block is changed from that address: the audit says so."""
    token = _ADDRESS.set(address)
    try:
        yield
    finally:
        _ADDRESS.reset(token)


def acting_address() -> str | None:
    """Whence what is done now is done; None: by no request."""
    return _ADDRESS.get()


class Change:
    """An open change. Changes wait for one another, so what is read within it stays true until it is committed."""

    def __init__(self, conn: Connection, actor: str, rule_set: int) -> None:
        self.conn = conn
        self.actor = actor
        self.rule_set = rule_set

    async def record(self, action: str, what: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
        """Say in the audit what was changed."""
        await audit(self.conn, self.actor, action, what, before, after)


async def change(database: Database, actor: str, work: Callable[[Change], Awaitable[T]]) -> T:
    """Run ``work`` as one change of the configuration; every process learns of it by the notification."""

    async def transaction(conn: Connection) -> T:
        cursor = await conn.execute(SQL.lock_generation)
        (generation,) = await cursor.fetchall()
        opened = Change(conn, actor, generation["rule_set"])
        result = await work(opened)
        cursor = await conn.execute(SQL.change_generation, {"rule_set": opened.rule_set})
        (generation,) = await cursor.fetchall()
        await conn.execute(SQL.notify_config_changed, {"number": str(generation["number"])})
        return result

    return await database.retry(transaction)


async def audit(
    conn: Connection, actor: str, action: str, what: str, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    """Write an audit entry: who did what to which thing, as it was before and is afterwards."""
    entry = {"actor": actor, "action": action, "object": what, "address": _ADDRESS.get()}
    values = {"before": before and Jsonb(before), "after": after and Jsonb(after)}
    await conn.execute(SQL.insert_audit_entry, entry | values)

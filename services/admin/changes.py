"""A change of the configuration: one transaction with the next generation, its notification and the audit entry."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from psycopg.types.json import Jsonb

from services.admin.sql import SQL
from services.runtime.db import Connection, Database

T = TypeVar("T")


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
    entry = {"actor": actor, "action": action, "object": what}
    values = {"before": before and Jsonb(before), "after": after and Jsonb(after)}
    await conn.execute(SQL.insert_audit_entry, entry | values)

"""What retention deletes: its policy in force, and what it would delete, asked of storage."""

from typing import Any
from uuid import UUID

from services.admin import requests
from services.admin.requests import Requested
from services.runtime.db import Connection, Database, load_queries

QUERIES = load_queries(__package__, "retention.sql")


async def state(database: Database) -> dict[str, Any]:
    """The policy in force, how many studies it knows, and why those stay that are old enough."""
    async with database.transaction() as conn:
        (progress,) = await (await conn.execute(QUERIES.progress)).fetchall()
        kept = await (await conn.execute(QUERIES.kept)).fetchall()
    return {**progress, "kept": kept}


async def preview(database: Database, actor: str, days: int | None, limit: int) -> Requested:
    """What would become of the oldest studies, by the policy in force or after so many days. Deletes nothing.

    Raises ``Refused`` where retention is off and no days are given.
    """

    async def work(conn: Connection) -> UUID:
        return await requests.insert(conn, actor, "retention", {"days": days, "limit": limit})

    return await requests.carried_out(database, await database.retry(work))

"""The audit: who did what to which thing."""

from datetime import timedelta
from typing import Any

from services.runtime.db import Database, load_queries

QUERIES = load_queries(__package__, "audit_entries.sql")


async def list_entries(
    database: Database, since: timedelta | None, action: str | None, limit: int
) -> list[dict[str, Any]]:
    """The newest entries; ``action``: exactly it, or all that begin with it and a dot (``studies`` for
    ``studies.delete``)."""
    async with database.transaction() as conn:
        parameters = {
            "since": since,
            "action": action,
            "below": None if action is None else f"{action}.",
            "limit": limit,
        }
        return await (await conn.execute(QUERIES.entries, parameters)).fetchall()

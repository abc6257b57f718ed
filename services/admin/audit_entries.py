"""The audit: who did what to which thing."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from services.runtime.db import Database, load_queries

QUERIES = load_queries(__package__, "audit_entries.sql")


@dataclass(frozen=True)
class Filter:
    """Which entries; None takes all. ``action``: exactly it, or all that begin with it and a dot (``studies`` for
    ``studies.delete``). ``after_at`` and ``after_key``: made before that entry, which is listed already."""

    since: timedelta | None = None
    action: str | None = None
    actor: str | None = None
    after_at: datetime | None = None
    after_key: int | None = None


async def list_entries(database: Database, wanted: Filter, limit: int) -> list[dict[str, Any]]:
    """The newest entries."""
    async with database.transaction() as conn:
        below = None if wanted.action is None else f"{wanted.action}."
        parameters = asdict(wanted) | {"below": below, "limit": limit}
        return await (await conn.execute(QUERIES.entries, parameters)).fetchall()

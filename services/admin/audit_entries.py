"""The audit: who did what to which thing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from services.admin.when import NEVER, When
from services.runtime.db import Database, load_queries

QUERIES = load_queries(__package__, "audit_entries.sql")


@dataclass(frozen=True)
class Filter:
    """Which entries; None takes all. ``action``: exactly it, or all that begin with it and a dot (``studies`` for
    ``studies.delete``). ``until``: before that time. ``after_at`` and ``after_key``: made before that entry, which is
    listed already."""

    since: When = NEVER
    action: str | None = None
    actor: str | None = None
    object: str | None = None
    after_at: datetime | None = None
    after_key: int | None = None
    until: When = NEVER

    def parameters(self) -> dict[str, Any]:
        """For the queries."""
        below = None if self.action is None else f"{self.action}."
        times = self.since.parameters("since") | self.until.parameters("until")
        return asdict(self) | times | {"below": below}


async def list_entries(database: Database, wanted: Filter, limit: int) -> list[dict[str, Any]]:
    """The newest first."""
    async with database.transaction() as conn:
        return await (await conn.execute(QUERIES.entries, wanted.parameters() | {"limit": limit})).fetchall()


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[tuple[str, Any, Any]]:
    """What is another than it was: name, before, after; None where there is none (pure)."""
    was, became = before or {}, after or {}
    names = [*was, *(name for name in became if name not in was)]
    return [(name, was.get(name), became.get(name)) for name in names if was.get(name) != became.get(name)]

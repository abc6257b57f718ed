"""The audit: who did what to which thing."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from services.admin.changes import audit
from services.admin.when import NEVER, When
from services.runtime.db import Database, load_queries

EXPORTED_AT_ONCE: Final = 1000
QUERIES = load_queries(__package__, "audit_entries.sql")


@dataclass(frozen=True)
class Filter:
    """Which entries; None takes all. ``action``: exactly it, or all that begin with it and a dot (``studies`` for
    ``studies.delete``). ``after_at`` and ``after_key``: made before that entry, which is listed already."""

    since: When = NEVER
    action: str | None = None
    actor: str | None = None
    object: str | None = None
    after_at: datetime | None = None
    after_key: int | None = None


async def list_entries(database: Database, wanted: Filter, limit: int) -> list[dict[str, Any]]:
    """The newest first."""
    async with database.transaction() as conn:
        below = None if wanted.action is None else f"{wanted.action}."
        parameters = asdict(wanted) | wanted.since.parameters("since") | {"below": below, "limit": limit}
        return await (await conn.execute(QUERIES.entries, parameters)).fetchall()


async def exported(database: Database, actor: str, wanted: Filter) -> AsyncIterator[list[dict[str, Any]]]:
    """All of them, the newest first, so many at a time that memory holds them; that they were taken is audited."""
    async with database.transaction() as conn:
        asked = {"action": wanted.action, "actor": wanted.actor, "object": wanted.object}
        await audit(conn, actor, "audit.export", "", None, asked)
    while rows := await list_entries(database, wanted, EXPORTED_AT_ONCE):
        yield rows
        wanted = replace(wanted, after_at=rows[-1]["at"], after_key=rows[-1]["id"])


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[tuple[str, Any, Any]]:
    """What is another than it was: name, before, after; None where there is none (pure)."""
    was, became = before or {}, after or {}
    names = [*was, *(name for name in became if name not in was)]
    return [(name, was.get(name), became.get(name)) for name in names if was.get(name) != became.get(name)]

"""Under which rule set the processes that receive do so: what each said last, and the wait until all have a number."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import Any, Final

from services.admin.sql import SQL
from services.runtime.db import Database
from services.runtime.errors import Unavailable

LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Taken:
    """``by``: processes that receive under the number or a newer one; ``behind``: that do not yet; ``silent``: that
    were not heard of in time, so dead or cut off from the database. ``unknown`` says why nobody could be asked.
    ``seconds``: how long it was waited."""

    by: list[dict[str, Any]] = field(default_factory=list)
    behind: list[dict[str, Any]] = field(default_factory=list)
    silent: list[dict[str, Any]] = field(default_factory=list)
    unknown: str = ""
    seconds: float = 0.0

    @property
    def everywhere(self) -> bool:
        """Whether every live process has taken it."""
        return not self.behind and not self.unknown


async def processes(database: Database) -> list[dict[str, Any]]:
    """What each process that receives said last, and whether its lease is still running (``live``)."""
    async with database.transaction() as conn:
        return await (await conn.execute(SQL.configuration_taken)).fetchall()


async def wait(database: Database, rule_set: int, seconds: float) -> Taken:
    """Return when every live process has taken the rule set, at the latest after ``seconds``. Raises nothing: what was
    published is published."""
    begun = time.monotonic()
    try:
        while True:
            found = judge(await processes(database), rule_set)
            waited = round(time.monotonic() - begun, 2)
            if found.everywhere or waited >= seconds:
                return replace(found, seconds=waited)
            await asyncio.sleep(LOOK_SECONDS)
    except Unavailable as error:
        return Taken(unknown=str(error))


def judge(rows: list[dict[str, Any]], rule_set: int) -> Taken:
    """Who has taken a number (pure)."""
    live = [row for row in rows if row["live"]]
    return Taken(
        by=[row for row in live if row["rule_set"] >= rule_set],
        behind=[row for row in live if row["rule_set"] < rule_set],
        silent=[row for row in rows if not row["live"]],
    )

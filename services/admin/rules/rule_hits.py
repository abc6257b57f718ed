"""The use case *hits*: how often each rule matched lately, by its name."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.runtime.db import Database, load_queries
from services.runtime.errors import GatewayError

QUERIES: Final = load_queries(__package__, "rule_hits.sql")
DAYS: Final = 7
MOST: Final = 200_000
KEPT_SECONDS: Final = 20.0
_SECONDS: Final = 15.0


@dataclass(frozen=True)
class Hit:
    """How many instances a rule matched, and when the last of them was received."""

    instances: int
    last_at: datetime


@dataclass(frozen=True)
class Hits:
    """``looked_at``: instances; ``since``: where these are not all of the days, when the first of them came.
    ``fault``: why nothing could be counted."""

    rules: dict[str, Hit]
    looked_at: int
    since: datetime | None
    fault: str = ""


class RuleHits:
    """Remembers the answer for a while: it is the same for everybody who looks at the page."""

    def __init__(self) -> None:
        self._kept: tuple[float, Hits] | None = None
        self._counting = asyncio.Lock()

    async def of(self, database: Database) -> Hits:
        """The hits of the last days, at most ``KEPT_SECONDS`` old. Raises nothing: rules are shown without, too."""
        async with self._counting:
            if self._kept is None or time.monotonic() - self._kept[0] > KEPT_SECONDS:
                self._kept = time.monotonic(), await _counted(database)
            return self._kept[1]


async def _counted(database: Database) -> Hits:
    try:
        return await hits(database)
    except GatewayError as error:
        return Hits({}, 0, None, str(error))


async def hits(database: Database, days: int = DAYS, most: int = MOST) -> Hits:
    """How often each rule matched in the last days, of at most so many instances, the newest."""
    async with database.transaction(timeout=_SECONDS) as conn:
        rows = await (await conn.execute(QUERIES.rule_hits, {"days": days, "most": most})).fetchall()
    looked_at = next(row for row in rows if row["rule"] is None)
    found = {row["rule"]: Hit(row["instances"], row["last_at"]) for row in rows if row["rule"] is not None}
    return Hits(found, looked_at["instances"], looked_at["last_at"] if looked_at["instances"] >= most else None)

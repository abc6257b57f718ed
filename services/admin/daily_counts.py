"""How much came from each station and went to it, by day."""

from datetime import date
from typing import Final

from pydantic import BaseModel

from services.admin.sql import SQL
from services.runtime.db import Database

MOST_DAYS: Final = 366


class DailyCount(BaseModel):
    """Instances of one day, in UTC. ``received``: from the station, the same content again counts again; ``sent``: to
    it, whatever came of it in the end; ``delivered``: of these it took."""

    day: date
    station: str
    received: int
    sent: int
    delivered: int


async def daily_counts(database: Database, days: int, station: str | None = None) -> list[DailyCount]:
    """Of today and the days before, the newest first; of one station, or of all that sent or were sent something."""
    async with database.transaction() as conn:
        cursor = await conn.execute(SQL.daily_counts, {"before": days - 1, "station": station})
        return [DailyCount(**row) for row in await cursor.fetchall()]

"""When a destination could not be sent to: from the failure that opened its circuit to the answer that closed it."""

from datetime import datetime
from typing import Any

from services.admin import stations
from services.admin.sql import SQL
from services.runtime.db import Database


async def outages(database: Database, title: str, most: int, before: datetime | None = None) -> list[dict[str, Any]]:
    """The newest first, those of 400 days at most; ``ended_at`` is None while it lasts. Raises ``NotFound``."""
    station = await stations.show(database, title)
    async with database.transaction() as conn:
        cursor = await conn.execute(SQL.outages, {"station": station.title, "most": most, "before": before})
        return await cursor.fetchall()

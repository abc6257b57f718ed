"""Stations that usually send and are silent: what notices, the overview and Now go by."""

from typing import Any, Final

from services.runtime.db import Connection, load_queries

QUERIES: Final = load_queries("services.admin", "silence.sql")


async def silent_stations(conn: Connection) -> list[dict[str, Any]]:
    """Those from which nothing came for their ``silent_hours``, the longest silent first: ``title``, ``hours``,
    ``heard_at`` (None: never) and since when they are silent, ``since``."""
    return await (await conn.execute(QUERIES.silent_stations)).fetchall()

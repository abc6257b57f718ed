"""When the schedules of stations and rules are open, kept in the database one opening ahead.

Claims compare its times with the database's clock, so that nothing goes before a window opens and nothing after it has
closed, whatever the processes do at that moment: a schedule whose opening is over, or not known, is closed.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import structlog
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from schemas.schedule import opening
from services.runtime.db import load_queries

Connection = AsyncConnection[DictRow]
QUERIES = load_queries(__package__, "openings.sql")

log = structlog.get_logger(__name__)


async def keep(connection: Connection) -> None:
    """Look up the next opening of each schedule whose last one is over; idempotent, every process may."""
    await _put(connection, await (await connection.execute(QUERIES.select_over)).fetchall())


async def know(connection: Connection, schedules: Collection[Sequence[str]]) -> None:
    """Have an opening for each of these schedules: whoever writes deliveries that have one does so before."""
    if schedules:
        parameters = {"schedules": json.dumps(sorted(map(list, schedules)))}
        await _put(connection, await (await connection.execute(QUERIES.select_new, parameters)).fetchall())


async def _put(connection: Connection, rows: Sequence[DictRow]) -> None:
    for row in sorted(rows, key=lambda row: row["schedule"]):
        try:
            found = opening(row["schedule"], row["at"])
        except ValueError as fault:  # its zone was there when it was written
            log.error("schedule_unreadable", schedule=row["schedule"], error=str(fault))
            continue
        parameters: dict[str, Any] = {"schedule": row["schedule"], **asdict(found)}
        await connection.execute(QUERIES.put_opening, parameters)

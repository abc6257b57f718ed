"""How the gateway is: one look at configuration, receipts, jobs, destinations, outbox and dead letters."""

from typing import Any, LiteralString

from services.admin.sql import SQL
from services.runtime.db import Connection, Database


async def status(database: Database) -> dict[str, Any]:
    """The state of the whole gateway as the database knows it; counts of jobs and failures are of 24 hours."""
    async with database.transaction() as conn:
        jobs = await (await conn.execute(SQL.count_jobs)).fetchall()
        received = await _one(conn, SQL.received_lately)
        return {
            "configuration": await _one(conn, SQL.configuration),
            "received": received | await _one(conn, SQL.recorded_through),
            "jobs": {row["state"]: row["jobs"] for row in jobs},
            "destinations": await (await conn.execute(SQL.destinations)).fetchall(),
            "outbox": await _one(conn, SQL.count_outbox),
            "dead_letters": (await _one(conn, SQL.count_dead_letters))["parked"],
        }


async def _one(conn: Connection, query: LiteralString) -> dict[str, Any]:
    cursor = await conn.execute(query)
    (row,) = await cursor.fetchall()
    return row

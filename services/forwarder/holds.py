"""What holds and schedules do to deliveries: park what may not go now, let go what nothing keeps any more.

Claims look for both themselves (``ledger.sql``), so that nothing held is sent from the moment a hold is committed, and
nothing beyond its schedule. Parking makes them cheap, says why a delivery waits, and keeps it from ageing; every
process does it, one at a time.
"""

from services.forwarder import jobs, openings
from services.runtime.db import Connection, Database, load_queries

QUERIES = load_queries(__package__, "holds.sql")
MOST = 1000


class Holds:
    """The use cases *park* and *let go*; each is idempotent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self) -> None:
        """Make deliveries agree with the holds in force and with the schedules, so many in one transaction."""
        await self._database.retry(openings.keep)
        while await self._database.retry(_park) >= MOST:
            continue
        while await self._database.retry(_let_go) >= MOST:
            continue

    async def count(self) -> dict[str, tuple[int, float]]:
        """(held deliveries, seconds the oldest has been held without an end) by destination."""
        async with self._database.transaction() as connection:
            rows = await (await connection.execute(QUERIES.count_held)).fetchall()
        return {row["destination"]: (row["deliveries"], row["age"]) for row in rows}

    async def count_shut(self) -> dict[str, int]:
        """Deliveries that wait for their schedule, by destination."""
        async with self._database.transaction() as connection:
            rows = await (await connection.execute(QUERIES.count_shut)).fetchall()
        return {row["destination"]: row["deliveries"] for row in rows}


async def _park(connection: Connection) -> int:
    if not await _mine(connection):
        return 0
    return len(await (await connection.execute(QUERIES.park, {"most": MOST})).fetchall())


async def _let_go(connection: Connection) -> int:
    if not await _mine(connection):
        return 0
    rows = await (await connection.execute(QUERIES.let_go, {"most": MOST})).fetchall()
    await jobs.notify(connection, {row["destination"] for row in rows})
    return len(rows)


async def _mine(connection: Connection) -> bool:
    found = await (await connection.execute(QUERIES.lock_holds)).fetchone()
    return bool(found and found["mine"])

"""What goes before its turn: jobs that a person puts first, and what has waited long behind what is more urgent."""

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from psycopg.rows import DictRow

from services.forwarder import jobs
from services.forwarder.states import WAITING
from services.runtime.db import Connection, load_queries
from services.runtime.requests import Refused

QUERIES = load_queries(__package__, "precedence.sql")
FIRST: Final = 4
"""Priority of the deliveries of jobs that were put first: above all that rules and people give."""
MOST_RAISED: Final = 1000  # in one transaction


async def put_first(connection: Connection, row: DictRow) -> dict[str, Any]:
    """Have what the named jobs have, and will get, go before everything else. Those that ended meanwhile are let be."""
    named = {UUID(str(job)) for job in row["body"]["jobs"]}
    await jobs.lock(connection, named)
    put = await (await connection.execute(QUERIES.put_jobs_first, {"jobs": sorted(named)})).fetchall()
    if not put:
        raise Refused(f"none of the {len(named)} jobs waits any more; look with 'gateway jobs list'")
    parameters = {"jobs": [each["id"] for each in put], "priority": FIRST}
    rows = await (await connection.execute(QUERIES.put_deliveries_first, parameters)).fetchall()
    waiting = [each for each in rows if each["state"] in WAITING]
    await jobs.notify(connection, {each["destination"] for each in waiting})
    return {"jobs": len(put), "deliveries": len(waiting)}


async def raise_waiting(connection: Connection, titles: Collection[str], aging_seconds: float) -> int:
    """Raise deliveries to these stations by a class that have waited so long; how many."""
    parameters = {"titles": sorted(titles), "seconds": aging_seconds, "most": MOST_RAISED}
    return len(await (await connection.execute(QUERIES.raise_waiting, parameters)).fetchall())

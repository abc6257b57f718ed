"""How the gateway is: one look at configuration, receipts, jobs, destinations, outbox and dead letters."""

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from services.admin.audit_messages.outbox import QUERIES as OUTBOX
from services.admin.notices.history import trouble
from services.admin.rules import taken
from services.admin.silence import silent_stations
from services.admin.sql import SQL
from services.admin.status_text import shut
from services.runtime.db import Connection, Database

ENDED: Final = ("SUCCESS", "FAILURE")
"""States of a commitment that has ended."""
SHOWN_HOLDS: Final = 1000


async def status(database: Database) -> dict[str, Any]:
    """The state of the whole gateway as the database knows it; counts of jobs and failures are of 24 hours."""
    receiving = await taken.processes(database)
    async with database.transaction() as conn:
        jobs = await (await conn.execute(SQL.count_jobs)).fetchall()
        received = await _one(conn, SQL.received_lately)
        destinations = await (await conn.execute(SQL.destinations)).fetchall()
        holds = await (await conn.execute(SQL.list_holds, {"ended": False, "limit": SHOWN_HOLDS})).fetchall()
        return {
            "configuration": await _one(conn, SQL.configuration),
            "receiving": receiving,
            "received": received | await _one(conn, SQL.recorded_through),
            "received_too_often": await _one(conn, SQL.received_too_often),
            "jobs": {row["state"]: row["jobs"] for row in jobs},
            "destinations": [_destination(row, holds) for row in destinations],
            "silent": await silent_stations(conn),
            "holds": holds,
            "pulls": await (await conn.execute(SQL.pulls)).fetchall(),
            "commitments": await _commitments(conn),
            "audit_messages": await _one(conn, OUTBOX.unsent),
            "outbox": await _one(conn, SQL.count_outbox),
            "notices": await _notices(conn),
            "unmatched": (await _one(conn, SQL.count_unmatched))["studies"],
            "dead_letters": (await _one(conn, SQL.count_dead_letters))["parked"],
        }


def _destination(row: dict[str, Any], holds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """``schedule``: for whose schedule something waits, and until when; "" if nothing does. ``held_since``: of the hold
    of the station itself, whether anything waits for it or not; None without one."""
    own = [each["held_at"] for each in holds if each["kind"] == "station" and each["name"] == row["title"]]
    schedule = "; ".join(sorted({shut(each) for each in row.pop("schedules")}))
    return row | {"schedule": schedule, "held_since": own[0] if own else None}


async def _notices(conn: Connection) -> dict[str, Any]:
    """Who cannot be told now, and how many notices of 24 hours were given up. Why is for admins: it has addresses."""
    found = await trouble(conn)
    failing = [{name: each[name] for name in ("contact", "channel", "failing_since")} for each in found["failing"]]
    return {"failing": failing, "given_up": found["given_up"]}


async def _commitments(conn: Connection) -> dict[str, Any]:
    """By state, those that ended and the reports being of 24 hours; ``received``: what peers wait for us to report."""
    states = await (await conn.execute(SQL.count_commitments)).fetchall()
    reports = await (await conn.execute(SQL.count_reports)).fetchall()
    return {
        "states": {row["state"]: row["commitments"] for row in states},
        "failed_last_day": sum(row["commitments"] for row in states if row["state"] == "FAILURE"),
        "oldest_waiting_at": min((row["oldest_at"] for row in states if row["state"] not in ENDED), default=None),
        "reports": {row["verdict"]: row["reports"] for row in reports},
        "received": await _one(conn, SQL.count_received),
    }


async def _one(conn: Connection, query: LiteralString) -> dict[str, Any]:
    cursor = await conn.execute(query)
    (row,) = await cursor.fetchall()
    return row

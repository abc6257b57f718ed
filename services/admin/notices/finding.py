"""What happened is found in the database and written down once, with a notice for each contact and channel."""

from typing import Final

from services.admin.notices.contact import addressed
from services.admin.notices.contacts import addressees, contacts_of_rules
from services.admin.notices.kinds import Channel, Event, Kind
from services.admin.silence import silent_stations
from services.runtime.db import Connection, Database, load_queries

QUERIES: Final = load_queries(__package__, "finding.sql")
MOST_EVENTS: Final = 500
KEPT_DAYS: Final = 90
FINDING: Final = (
    QUERIES.find_failed_jobs,
    QUERIES.find_dead_letters,
    QUERIES.find_overdue_commitments,
)


async def find(database: Database) -> None:
    """Write down what happened since the last look, and whom it is told. Any number of processes may do it at once."""
    async with database.transaction() as conn:
        (row,) = await (await conn.execute(QUERIES.since)).fetchall()
    if row["since"] is None:
        return
    for query in FINDING:
        async with database.transaction() as conn:
            await conn.execute(query, {"since": row["since"]})
    async with database.transaction() as conn:
        await _find_silences(conn)
    while await database.retry(_address) == MOST_EVENTS:
        pass


async def forget_old(database: Database) -> None:
    """Delete what is kept no longer, with its notices."""
    async with database.transaction() as conn:
        await conn.execute(QUERIES.forget_old_events, {"days": KEPT_DAYS})


async def _find_silences(conn: Connection) -> None:
    silent = await silent_stations(conn)
    columns = {name: [each[name] for each in silent] for name in ("title", "hours", "heard_at")}
    await conn.execute(QUERIES.insert_silences, columns)


async def _address(conn: Connection) -> int:
    rows = await (await conn.execute(QUERIES.take_new_events, {"limit": MOST_EVENTS})).fetchall()
    if not rows:
        return 0
    contacts = (await addressees(conn)).values()
    of_rules = await contacts_of_rules(conn)
    notices: list[tuple[int, str, Channel]] = []
    for event in (Event(**row | {"kind": Kind(row["kind"])}) for row in rows):
        notices += [
            (event.id, each.name, channel)
            for each in addressed(event, contacts, of_rules)
            for channel in each.channels()
        ]
    columns = [list(column) for column in zip(*notices, strict=True)] or [[], [], []]
    await conn.execute(QUERIES.insert_notices, dict(zip(("events", "contacts", "channels"), columns, strict=True)))
    await conn.execute(QUERIES.mark_addressed, {"events": [row["id"] for row in rows]})
    return len(rows)

"""Holds: stations, rules and sources whose deliveries wait. Use cases: hold, resume, list."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final, Literal

from services.admin.changes import Change, change
from services.admin.errors import NotFound, Refused
from services.admin.sql import SQL
from services.admin.station_rows import all_stations, found, title_of
from services.admin.when import NEVER, When
from services.runtime.db import Connection, Database
from services.runtime.errors import UsageError

Kind = Literal["station", "rule", "source"]
LONGEST_WHY: Final = 200


async def hold(database: Database, actor: str, kind: Kind, name: str, why: str, until: When = NEVER) -> dict[str, Any]:
    """Make what is sent to a station, by a rule or from a source wait; held again, the new reason and end count.

    Raises ``NotFound`` for what does not exist and ``UsageError`` for a reason or an end that cannot be.
    """
    reason = _reason(why)

    async def work(opened: Change) -> dict[str, Any]:
        named = await _existing(opened.conn, kind, name)
        values = {"kind": kind, "name": named, "why": reason, "actor": actor, **until.parameters("until")}
        before = await _ended(opened.conn, values)
        (row,) = await (await opened.conn.execute(SQL.insert_hold, values)).fetchall()
        if row.pop("over"):
            raise UsageError(f"--until: {row['until']:%Y-%m-%d %H:%M:%SZ} is past; name a time to come, or a span")
        await opened.record(f"{kind}.hold", named, before, _plain(row))
        return row

    return await change(database, actor, work)


async def resume(database: Database, actor: str, kind: Kind, name: str) -> dict[str, Any]:
    """End a hold; what waited for it goes within 2 seconds. Raises ``Refused`` if there is none in force."""

    async def work(opened: Change) -> dict[str, Any]:
        named = title_of(name) if kind != "rule" else name
        before = await _ended(opened.conn, {"kind": kind, "name": named, "actor": actor})
        if before is None:
            raise Refused(f"{kind} {named} is not held; 'gateway holds list' shows what is")
        await opened.record(f"{kind}.resume", named, before, None)
        return {"kind": kind, "name": named}

    return await change(database, actor, work)


async def list_all(database: Database, *, ended: bool, limit: int) -> list[dict[str, Any]]:
    """The holds in force, each with the deliveries that wait for it; with ``ended`` those that are over too."""
    async with database.transaction() as conn:
        return await (await conn.execute(SQL.list_holds, {"ended": ended, "limit": limit})).fetchall()


async def _ended(conn: Connection, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """End the hold that is open; what it was if it was in force."""
    row = await (await conn.execute(SQL.end_hold, values)).fetchone()
    return _plain(row) if row is not None and row["was_in_force"] else None


def _reason(why: str) -> str:
    text = why.strip()
    if not text or len(text) > LONGEST_WHY or not text.isprintable():
        raise UsageError(f"--why {why[:64]!r}: say in one line of at most {LONGEST_WHY} characters why it is held")
    return text


async def _existing(conn: Connection, kind: Kind, name: str) -> str:
    """The name of what there is. Raises ``NotFound``."""
    if kind != "rule":
        return found(await all_stations(conn), title_of(name)).title
    rows = await (await conn.execute(SQL.rules_to_hold)).fetchall()
    known = {row["rule"] for row in rows}
    if name not in known:
        near = get_close_matches(name, known, 1)
        cure = f"did you mean {near[0]}?" if near else "'gateway rules show' shows the rules there are"
        raise NotFound(f"rule {name[:100]!r} is neither in the live rule set nor has it anything waiting; {cure}")
    return name


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit keeps of a hold."""
    until = row["until"]
    return {"why": row["why"], "by": row["held_by"], "until": until and until.isoformat()}

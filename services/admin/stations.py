"""Stations: the remote AEs that the gateway knows. Use cases: add, change, remove, list, show."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from services.admin.changes import Change, change
from services.admin.errors import Refused
from services.admin.rules.live_rules import rules_naming
from services.admin.sql import SQL
from services.admin.stand_ins import impossible, naming
from services.admin.station import Station, changed, contradictions, titles_pointing_at, titles_upstream_of
from services.admin.station_rows import all_stations, found, title_of
from services.admin.titles import all_titles
from services.runtime.db import Connection, Database

LISTED_JOBS: Final = 20
Judge = Callable[[Station], None]


async def add(database: Database, actor: str, station: Station) -> Station:
    """Define a station. Raises ``Refused`` if the title is taken or the others contradict it."""

    async def work(opened: Change) -> Station:
        known = await all_stations(opened.conn)
        if station.title in known:
            raise Refused(f"station {station.title} is already defined; change it with 'gateway station set'")
        _refuse(against(station, known))
        await opened.conn.execute(SQL.insert_station, station.model_dump())
        await opened.record("station.add", station.title, None, station.model_dump())
        return station

    return await change(database, actor, work)


async def set_fields(
    database: Database, actor: str, title: str, fields: Mapping[str, Any], judge: Judge = lambda _: None
) -> Station:
    """Change some fields of a station. ``judge`` is given what it was, and may raise.

    Raises ``NotFound``; ``Refused`` if rules or other stations contradict.
    """
    wanted = title_of(title)

    async def work(opened: Change) -> Station:
        known = await all_stations(opened.conn)
        before = found(known, wanted)
        judge(before)
        after = changed(before, fields)
        _refuse(against(after, {title: other for title, other in known.items() if title != wanted}))
        if before.store and not after.store:
            _refuse(await rules_against(opened.conn, wanted, "stop sending to it (--no-store)"))
        if after != before:
            await opened.conn.execute(SQL.update_station, after.model_dump())
            await opened.record("station.set", wanted, before.model_dump(), after.model_dump())
        return after

    return await change(database, actor, work)


async def remove(database: Database, actor: str, title: str, judge: Judge = lambda _: None) -> None:
    """Forget a station; ``judge`` as in ``set_fields``. Raises ``Refused`` with the list of rules, stations, titles and
    unfinished jobs that name it."""
    wanted = title_of(title)

    async def work(opened: Change) -> None:
        known = await all_stations(opened.conn)
        before = found(known, wanted)
        judge(before)
        _refuse(await _users(opened.conn, wanted, known.values()))
        await opened.conn.execute(SQL.delete_station, {"title": wanted})
        for kind in ("station", "source"):
            await opened.conn.execute(SQL.end_hold, {"kind": kind, "name": wanted, "actor": opened.actor})
        await opened.record("station.remove", wanted, before.model_dump(), None)

    await change(database, actor, work)


async def list_all(database: Database) -> list[Station]:
    """Every station, by title."""
    async with database.transaction() as conn:
        return list((await all_stations(conn)).values())


async def show(database: Database, title: str) -> Station:
    """One station. Raises ``NotFound``."""
    async with database.transaction() as conn:
        return found(await all_stations(conn), title_of(title))


async def _users(conn: Connection, title: str, known: Collection[Station]) -> list[str]:
    """Everything that names a station, each with what to do about it."""
    reasons = [
        f"the live rule set {number} sends to it in rule {rule!r}: apply rules without it"
        for number, rule in await rules_naming(conn, title)
    ]
    reasons += [
        f"station {other} commits on it: 'gateway station set {other} --commit-on \"\"'"
        for other in titles_pointing_at(title, known)
    ]
    reasons += [
        f"station {other} waits for its commitment: 'gateway station set {other} --commit-downstream …' without it"
        for other in titles_upstream_of(title, known)
    ]
    reasons += [
        f"station {other} names it (--failover or --balance-with): 'gateway station set {other}' without it"
        for other in naming(title, known)
    ]
    reasons += [
        f"title {own.title} lists it: 'gateway title set {own.title} --station …' without it"
        for own in (await all_titles(conn)).values()
        if title in own.stations
    ]
    cursor = await conn.execute(SQL.unfinished_jobs_of, {"title": title, "limit": LISTED_JOBS})
    reasons += [
        f"job {job['id']} ({job['state']}, {job['waiting']} waiting) is not finished: wait, or "
        f"'gateway jobs cancel {job['id']}'"
        for job in await cursor.fetchall()
    ]
    return [f"station {title} cannot be removed: {reason}" for reason in reasons]


async def rules_against(conn: Connection, title: str, what: str) -> list[str]:
    """The live rules that do not allow something to be done to a station."""
    return [
        f"station {title}: cannot {what}: the live rule set {number} sends to it in rule {rule!r}; apply rules "
        "without it first"
        for number, rule in await rules_naming(conn, title)
    ]


def against(station: Station, others: Mapping[str, Station]) -> list[str]:
    """What the other stations do not allow this one to be."""
    faults = [f"station {station.title}: {fault}" for fault in impossible(station, others)]
    return contradictions(station, others.values()) + faults


def _refuse(reasons: list[str]) -> None:
    if reasons:
        raise Refused("\n".join(reasons))

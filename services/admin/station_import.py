"""The use case *import stations*: what an export holds is defined or changed as one change, all of it or nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schemas.rules import RuleTextError, load
from services.admin import stations
from services.admin.changes import Change, change
from services.admin.errors import Refused
from services.admin.sql import SQL
from services.admin.station import Station, build
from services.admin.station_rows import all_stations
from services.runtime.db import Connection, Database
from services.runtime.errors import UsageError

MOST: Final = 2000
"""Stations in one file."""


@dataclass(frozen=True)
class Imported:
    """Titles by what became of them. Stations that the file does not name are let be."""

    added: Sequence[str]
    changed: Sequence[str]
    same: Sequence[str]


def read(text: str) -> list[Station]:
    """The stations of a file: a list of their fields as YAML or JSON; what is left out has its default.

    Raises ``UsageError``.
    """
    try:
        found = load(text)
    except RuleTextError as fault:
        raise UsageError(f"the file of stations: {fault}") from None
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise UsageError(
            "the file of stations: it is no list of stations, such as 'gateway station list --json' prints"
        )
    if len(found) > MOST:
        raise UsageError(f"the file of stations: {len(found)} of them; at most {MOST} in one file")
    wanted = [build(each) for each in found]
    titles = [station.title for station in wanted]
    if twice := sorted({title for title in titles if titles.count(title) > 1}):
        raise UsageError(f"the file of stations: {', '.join(twice)} stands there twice; remove one")
    return wanted


async def import_all(database: Database, actor: str, wanted: Sequence[Station], *, dry_run: bool = False) -> Imported:
    """Define those that are new, change those that differ. Raises ``Refused`` with every reason against it.

    ``dry_run``: only say what would be done.
    """

    async def work(conn: Connection) -> Imported:
        known = await all_stations(conn)
        told = _told(known, wanted)
        await _require_possible(conn, known, wanted)
        return told

    async def write(opened: Change) -> Imported:
        known = await all_stations(opened.conn)
        told = await work(opened.conn)
        for station in wanted:
            before = known.get(station.title)
            if before != station:
                statement = SQL.insert_station if before is None else SQL.update_station
                await opened.conn.execute(statement, station.model_dump())
                was = None if before is None else before.model_dump()
                what = "station.add" if before is None else "station.set"
                await opened.record(what, station.title, was, station.model_dump())
        return told

    if dry_run:
        return await database.retry(work)
    return await change(database, actor, write)


def _told(known: Mapping[str, Station], wanted: Sequence[Station]) -> Imported:
    new = [station for station in wanted if station.title not in known]
    differ = [station for station in wanted if known.get(station.title, station) != station]
    same = [station.title for station in wanted if known.get(station.title) == station]
    return Imported([station.title for station in new], [station.title for station in differ], same)


async def _require_possible(conn: Connection, known: Mapping[str, Station], wanted: Sequence[Station]) -> None:
    """Each has to fit the others as they will be."""
    will_be: dict[str, Any] = {**known, **{station.title: station for station in wanted}}
    reasons = []
    for station in wanted:
        others = {title: other for title, other in will_be.items() if title != station.title}
        reasons += stations.against(station, others)
        before = known.get(station.title)
        if before is not None and before.store and not station.store:
            reasons += await stations.rules_against(conn, station.title, "stop sending to it (store: false)")
    if reasons:
        raise Refused("\n".join(reasons))

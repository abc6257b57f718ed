"""Rule sets: numbered, immutable versions of all routing rules. Use cases: check, apply, show, history."""

from collections.abc import Mapping
from typing import Any

from psycopg.types.json import Jsonb

from schemas.rules import from_stored, to_stored
from services.admin.changes import Change, change
from services.admin.errors import NotFound
from services.admin.faults import FaultyRules
from services.admin.sql import SQL
from services.admin.station import Station
from services.admin.station_rows import all_stations
from services.dicom.rules import Committing, RuleDocument, RuleFaults, parse
from services.runtime.db import Database


async def check(database: Database, text: str, *, commitment: bool = True) -> int:
    """Check a rule file against the stations there are; the number of its rules. Raises ``FaultyRules``.

    ``commitment``: whether the profile asks for storage commitment.
    """
    return len((await accepted(database, text, commitment=commitment)).rules)


async def accepted(database: Database, text: str, *, commitment: bool = True) -> RuleDocument:
    """The document of a rule file without faults, checked as ``check`` does. Raises ``FaultyRules``."""
    async with database.transaction() as conn:
        stations = await all_stations(conn)
    return _accepted(text, stations, commitment=commitment)


async def apply(database: Database, actor: str, text: str, comment: str, *, commitment: bool = True) -> dict[str, Any]:
    """Make a rule file the live rule set, under the next number, at once. Raises ``FaultyRules``.

    A document equal to the live one (comments and layout of the text aside) changes nothing: ``changed`` is false and
    ``number`` and ``comment`` are those of the live rule set.
    """

    async def work(opened: Change) -> dict[str, Any]:
        stations = await all_stations(opened.conn)
        document = _accepted(text, stations, commitment=commitment)
        cursor = await opened.conn.execute(SQL.get_live_rule_set)
        live = await cursor.fetchone()
        if live is not None and from_stored(live["document"]) == document:
            return _applied(live["number"], document, live["comment"], changed=False)
        values = {"source": text, "document": Jsonb(to_stored(document)), "comment": comment}
        cursor = await opened.conn.execute(SQL.insert_rule_set, values | {"actor": actor})
        (row,) = await cursor.fetchall()
        number = row["number"]
        await opened.conn.execute(SQL.insert_rule_set_activation, {"rule_set": number, "actor": actor})
        await opened.record("rules.apply", str(number), {"live": opened.rule_set}, {"live": number, "comment": comment})
        opened.rule_set = number
        return _applied(number, document, comment, changed=True)

    return await change(database, actor, work)


def _applied(number: int, document: RuleDocument, comment: str, *, changed: bool) -> dict[str, Any]:
    return {"number": number, "rules": len(document.rules), "comment": comment, "changed": changed}


async def show(database: Database, number: int | None) -> dict[str, Any]:
    """One rule set, the live one without a number. Raises ``NotFound``."""
    async with database.transaction() as conn:
        if number is None:
            cursor = await conn.execute(SQL.get_live_rule_set)
        else:
            cursor = await conn.execute(SQL.get_rule_set, {"number": number})
        row = await cursor.fetchone()
    if row is None and number is None:
        raise NotFound("no rule set is live; apply one with 'gateway rules apply FILE'")
    if row is None:
        raise NotFound(f"rule set {number} does not exist; 'gateway rules history' lists those there are")
    return row


async def history(database: Database) -> list[dict[str, Any]]:
    """Every rule set, the newest first, with when it became live."""
    async with database.transaction() as conn:
        cursor = await conn.execute(SQL.rule_set_history)
        return await cursor.fetchall()


def _accepted(text: str, known: Mapping[str, Station], *, commitment: bool) -> RuleDocument:
    targets = {title for title, station in known.items() if station.store and station.enabled}
    try:
        return parse(text, targets, committing(known, possible=commitment))
    except RuleFaults as error:
        raise FaultyRules(error.faults, known) from None


def committing(known: Mapping[str, Station], *, possible: bool) -> Committing:
    """Who can be asked for commitment among the stations there are (pure, R71)."""
    servers = {title for title, station in known.items() if station.commit_server}
    asked = {title: title if title in servers else station.commit_on for title, station in known.items()}
    return Committing(servers, {title: server for title, server in asked.items() if server in servers}, possible)

"""Rule sets: numbered, immutable versions of all routing rules.

Use cases: check, apply, publish, roll back, show, history. Each change says who, when and why, and runs the stored test
cases: one that fails blocks it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg.types.json import Jsonb

from schemas.rules import from_stored, to_stored
from services.admin.changes import Change, change
from services.admin.errors import NotFound
from services.admin.notices import contacts
from services.admin.rules import draft_bases, rule_drafts, rule_tests
from services.admin.rules.faults import FaultyRules
from services.admin.sql import SQL
from services.admin.station import Station
from services.admin.station_rows import all_stations
from services.dicom.rules import ByClass, Committing, RuleDocument, RuleFaults, dump, parse
from services.dicom.rules import check as faults_of
from services.runtime.db import Connection, Database

NO_CLASSES: Final = ByClass()


@dataclass(frozen=True)
class Version:
    """What is to be published: the text, what it means, where it comes from, and the classes that the profile tells
    apart; ``draft``: the row of the draft it is."""

    source: str
    document: RuleDocument
    comment: str
    action: str
    by_class: ByClass
    copied_from: int | None = None
    draft: Mapping[str, Any] | None = None


async def check(
    database: Database, text: str, *, commitment: bool = True, transforming: bool = True, by_class: ByClass = NO_CLASSES
) -> RuleDocument:
    """Check a rule file against the stations, contacts and test cases there are.

    Raises ``FaultyRules``, ``FailedTests``.

    ``commitment``: whether the profile asks for storage commitment; ``transforming``: whether it lets rules change what
    they send; ``by_class``: the classes that it tells apart.
    """
    async with database.transaction() as conn:
        document = await _accepted(conn, text, commitment=commitment, transforming=transforming)
        await rule_tests.require(conn, document, by_class)
    return document


async def accepted(
    database: Database, text: str, *, commitment: bool = True, transforming: bool = True
) -> RuleDocument:
    """The document of a rule file without faults, whatever the test cases say. Raises ``FaultyRules``."""
    async with database.transaction() as conn:
        return await _accepted(conn, text, commitment=commitment, transforming=transforming)


async def apply(
    database: Database,
    actor: str,
    text: str,
    comment: str,
    *,
    commitment: bool = True,
    transforming: bool = True,
    by_class: ByClass = NO_CLASSES,
) -> dict[str, Any]:
    """Make a rule file the live rule set, under the next number, at once. Raises ``FaultyRules``, ``FailedTests``.

    A document equal to the live one (comments and layout of the text aside) changes nothing: ``changed`` is false and
    ``number`` and ``comment`` are those of the live rule set.
    """

    async def work(opened: Change) -> dict[str, Any]:
        document = await _accepted(opened.conn, text, commitment=commitment, transforming=transforming)
        return await _make_live(opened, Version(text, document, comment, "rules.apply", by_class))

    return await change(database, actor, work)


async def publish(
    database: Database,
    actor: str,
    draft: str,
    comment: str,
    *,
    commitment: bool = True,
    transforming: bool = True,
    by_class: ByClass = NO_CLASSES,
    seen: rule_drafts.Seen = rule_drafts.whatever,
) -> dict[str, Any]:
    """Make a draft the live rule set, as ``apply`` does; the draft is gone then. Without a comment it has the draft's.

    Raises ``NotFound``, ``FaultyRules``, ``FailedTests``; ``Refused``: it was begun from another rule set than is live;
    and what ``seen`` raises of the draft there is.
    """

    async def work(opened: Change) -> dict[str, Any]:
        row = await rule_drafts.found(opened.conn, draft)
        seen(row)
        document = await _accepted(opened.conn, row["source"], commitment=commitment, transforming=transforming)
        version = Version(row["source"], document, comment or row["comment"], "rules.publish", by_class, draft=row)
        published = await _make_live(opened, version)
        if published["changed"]:
            await opened.conn.execute(SQL.delete_draft, {"name": draft})
        return published

    return await change(database, actor, work)


async def roll_back(
    database: Database,
    actor: str,
    number: int,
    comment: str,
    *,
    commitment: bool = True,
    transforming: bool = True,
    by_class: ByClass = NO_CLASSES,
) -> dict[str, Any]:
    """Make a copy of an earlier rule set the live one, under a new number. It is checked as it would be today.

    Raises ``NotFound``, ``FaultyRules``, ``FailedTests``.
    """

    async def work(opened: Change) -> dict[str, Any]:
        row = await _found(opened.conn, number)
        document = from_stored(row["document"])
        stations = await all_stations(opened.conn)
        asked = committing(stations, possible=commitment)
        told = await contacts.names(opened.conn)
        faults = faults_of(document, _targets(stations), asked, transforming=transforming, contacts=told)
        if faults:
            raise FaultyRules(faults, stations)
        version = Version(_text(row["source"], document), document, comment, "rules.rollback", by_class, number)
        return await _make_live(opened, version)

    return await change(database, actor, work)


async def show(database: Database, number: int | None) -> dict[str, Any]:
    """One rule set, the live one without a number. Raises ``NotFound``."""
    async with database.transaction() as conn:
        return await _found(conn, number)


async def history(database: Database) -> list[dict[str, Any]]:
    """Every rule set, the newest first, with when it became live."""
    async with database.transaction() as conn:
        cursor = await conn.execute(SQL.rule_set_history)
        return await cursor.fetchall()


async def _make_live(opened: Change, version: Version) -> dict[str, Any]:
    """Under the next number, unless the live rule set says the same. Raises ``FailedTests``, ``Refused``."""
    document, comment = version.document, version.comment
    cursor = await opened.conn.execute(SQL.get_live_rule_set)
    live = await cursor.fetchone()
    if live is not None and from_stored(live["document"]) == document:
        return _published(live["number"], document, live["comment"], live["copied_from"], changed=False)
    if version.draft is not None:
        draft_bases.refuse_if_behind(version.draft["name"], version.draft["base"], live)
    await rule_tests.require(opened.conn, document, version.by_class)
    values = {"source": version.source, "document": Jsonb(to_stored(document)), "comment": comment}
    cursor = await opened.conn.execute(
        SQL.insert_rule_set, values | {"actor": opened.actor, "copied_from": version.copied_from}
    )
    (row,) = await cursor.fetchall()
    number = row["number"]
    await opened.conn.execute(SQL.insert_rule_set_activation, {"rule_set": number, "actor": opened.actor})
    copied = {} if version.copied_from is None else {"copied_from": version.copied_from}
    after = {"live": number, "comment": comment} | copied
    await opened.record(version.action, str(number), {"live": opened.rule_set}, after)
    opened.rule_set = number
    return _published(number, document, comment, version.copied_from, changed=True)


def _published(
    number: int, document: RuleDocument, comment: str, copied_from: int | None, *, changed: bool
) -> dict[str, Any]:
    told = {"number": number, "rules": len(document.rules), "comment": comment, "changed": changed}
    return told if copied_from is None else told | {"copied_from": copied_from}


def _text(source: str, document: RuleDocument) -> str:
    """The text of a copied set: as it was written, unless it would mean something else today (pure)."""
    try:
        return source if parse(source) == document else dump(document)
    except RuleFaults:
        return dump(document)


async def _found(conn: Connection, number: int | None) -> dict[str, Any]:
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


async def _accepted(conn: Connection, text: str, *, commitment: bool, transforming: bool) -> RuleDocument:
    known, told = await all_stations(conn), await contacts.names(conn)
    asked = committing(known, possible=commitment)
    try:
        # In a thread: a large file takes its time, and the process may have others to serve.
        return await asyncio.to_thread(parse, text, _targets(known), asked, transforming=transforming, contacts=told)
    except RuleFaults as error:
        raise FaultyRules(error.faults, known, text) from None


def _targets(known: Mapping[str, Station]) -> set[str]:
    return {title for title, station in known.items() if station.store and station.enabled}


def committing(known: Mapping[str, Station], *, possible: bool) -> Committing:
    """Who can be asked for commitment among the stations there are (pure, R71)."""
    servers = {title for title, station in known.items() if station.commit_server}
    asked = {title: title if title in servers else station.commit_on for title, station in known.items()}
    return Committing(servers, {title: server for title, server in asked.items() if server in servers}, possible)

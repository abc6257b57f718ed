"""The use case *reconcile*: ask a station about what it was sent, write down what comes of it, send the gaps again."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from services.admin import requests, stations
from services.admin.asked_station import CannotAsk
from services.admin.echo import reason
from services.admin.errors import Refused
from services.admin.reconciling.comparison import Level, Sent
from services.admin.reconciling.line import Line
from services.admin.reconciling.outcome import Outcome, told
from services.admin.station import Station
from services.dicom.errors import AssociationError
from services.dicom.outgoing import NoSlot, Wanted, holder, slot
from services.dicom.profile import Profile
from services.runtime.db import Connection, Database, load_queries
from services.runtime.errors import GatewayError, Unavailable, UsageError

QUERIES = load_queries(__package__, "delivered.sql")
HOUR: Final = timedelta(hours=1)
LEASE_SECONDS: Final = 900.0
SLOT_SECONDS: Final = 30.0


class Overtaken(GatewayError):
    """Another process has taken this comparison over, because this one was silent for too long."""


@dataclass(frozen=True)
class Run:
    """A comparison under way, as its row says."""

    id: UUID
    title: str
    since: datetime
    until: datetime
    holder: str


async def reconcile(
    database: Database, profile: Profile, calling_aet: str, actor: str, title: str, since: timedelta, level: Level,
    *, resend: bool,
) -> dict[str, Any]:  # fmt: skip
    """Compare what a station was sent within a time with what it has; with ``resend`` have the gaps sent again.

    Raises ``NotFound``, ``Refused`` for a station that is no query source, ``UsageError`` in profile xeleris,
    ``CannotAsk`` when it is not reached or answers nothing.
    """
    refuse_profile(profile)
    run = await _begun(database, actor, title, since)
    return await carry_out(database, profile, calling_aet, actor, run, level, resend=resend)


def refuse_profile(profile: Profile) -> None:
    """Raises ``UsageError`` where studies cannot be asked for by their UID."""
    if profile.xeleris:
        raise UsageError(
            "reconcile: profile xeleris has no Study Instance UID among the keys of its queries (R144), and queries "
            "only for a person (R53); use GATEWAY_PROFILE=gateway"
        )


async def carry_out(
    database: Database, profile: Profile, calling_aet: str, actor: str, run: Run, level: Level, *, resend: bool
) -> dict[str, Any]:
    """Do what a row says. Whoever is overtaken meanwhile sends nothing again."""
    try:
        outcome = await _compared(database, profile, calling_aet, run, level)
    except GatewayError as fault:
        async with database.transaction() as conn:
            await conn.execute(QUERIES.fail, {"id": run.id, "holder": run.holder, "fault": str(fault)[:500]})
        raise
    return await database.retry(lambda conn: _finished(conn, actor, run, outcome, resend=resend))


async def history(database: Database, title: str, limit: int) -> list[dict[str, Any]]:
    """The newest comparisons with a station."""
    station = await stations.show(database, title)
    async with database.transaction() as conn:
        return await (await conn.execute(QUERIES.history, {"title": station.title, "limit": limit})).fetchall()


async def _begun(database: Database, actor: str, title: str, since: timedelta) -> Run:
    station = await stations.show(database, title)
    _refuse_source(station)

    async def work(conn: Connection) -> Run:
        parameters = {"id": uuid4(), "title": station.title, "actor": actor, "since": since, "holder": str(uuid4()),
                      "lease": LEASE_SECONDS}  # fmt: skip
        row = await (await conn.execute(QUERIES.begin, parameters)).fetchone()
        return Run(holder=parameters["holder"], **(row or {}))  # type: ignore[arg-type]

    return await database.retry(work)


def _refuse_source(station: Station) -> None:
    if not station.query_retrieve:
        raise Refused(
            f"station {station.title} is no query source; 'gateway station set {station.title} --query-retrieve' "
            "makes it one"
        )
    if not station.enabled:
        raise Refused(f"station {station.title} is disabled; 'gateway station set {station.title} --enabled'")


async def _compared(database: Database, profile: Profile, calling_aet: str, run: Run, level: Level) -> Outcome:
    station = await stations.show(database, run.title)
    _refuse_source(station)
    wanted = Wanted(station.title, holder("reconcile"), station.associations, profile.outgoing)
    studies = await _studies(database, run)
    outcome = Outcome()
    if not studies:
        return outcome
    line = Line(station, profile, calling_aet)
    try:
        async with slot(database, wanted, wait_seconds=SLOT_SECONDS, on_lost=line.abort):
            try:
                for study, stored_study in studies:
                    await _renew(database, run)
                    sent = await _sent(database, run.title, study, stored_study)
                    outcome.take(await asyncio.to_thread(line.compare, study, sent, level))
            finally:
                await asyncio.to_thread(line.close)
    except AssociationError as fault:
        raise CannotAsk(f"{station.title}: {reason(fault, calling_aet)}") from fault
    except NoSlot as fault:
        raise Unavailable(f"{fault}; try again later") from fault
    return outcome


async def _studies(database: Database, run: Run) -> list[tuple[str, str]]:
    """Studies of which the station was sent something within the time, an hour after the other: the UID under which it
    was sent, and the one here."""
    found: dict[tuple[str, str], None] = {}
    since = run.since
    while since < run.until:
        parameters = {"title": run.title, "since": since, "until": min(since + HOUR, run.until)}
        async with database.transaction() as conn:
            rows = await (await conn.execute(QUERIES.delivered_studies, parameters)).fetchall()
        found |= {(row["study"], row["stored_study"]): None for row in rows}
        since += HOUR
    return list(found)


async def _sent(database: Database, title: str, study: str, stored_study: str) -> list[Sent]:
    parameters = {"title": title, "study": study, "stored_study": stored_study}
    async with database.transaction() as conn:
        rows = await (await conn.execute(QUERIES.delivered_instances, parameters)).fetchall()
    return [Sent(**row) for row in rows]


async def _renew(database: Database, run: Run) -> None:
    parameters = {"id": run.id, "holder": run.holder, "lease": LEASE_SECONDS}
    async with database.transaction() as conn:
        if await (await conn.execute(QUERIES.renew, parameters)).fetchone() is None:
            raise Overtaken(f"the comparison with {run.title} is done by another process")


async def _finished(conn: Connection, actor: str, run: Run, outcome: Outcome, *, resend: bool) -> dict[str, Any]:
    """The answer and the requests to send again, in one transaction and once."""
    if resend:
        for gap in outcome.gaps:
            for uids in _portions(gap.sendable):
                body = {"uids": uids, "to": run.title, "reason": f"missing at {run.title}", "as_sent": True}
                outcome.requests.append(await requests.insert(conn, actor, "send", body))
    sent_again = outcome.sendable if resend else 0
    result = told(outcome)
    parameters = {"id": run.id, "holder": run.holder, "studies": outcome.studies, "instances": outcome.instances,
                  "missing": outcome.missing, "sent_again": sent_again, "result": Jsonb(result)}  # fmt: skip
    if await (await conn.execute(QUERIES.finish, parameters)).fetchone() is None:
        raise Overtaken(
            f"the comparison with {run.title} is done by another process; nothing is sent again by this one"
        )
    counts = {name: parameters[name] for name in ("studies", "instances", "missing", "sent_again")}
    return {"id": run.id, "title": run.title, "since": run.since, "until": run.until, **counts, **result}


def _portions(uids: Sequence[str]) -> list[Sequence[str]]:
    return [uids[start : start + requests.MOST_UIDS] for start in range(0, len(uids), requests.MOST_UIDS)]

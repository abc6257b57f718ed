"""Stations that say so are asked every so many minutes what they have that is not here, and have it sent to us.

A station's turn is a row, taken by one process however many there are; what it leads to is asked for in the transaction
that ends the turn. What comes then is routed as whatever comes.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

import structlog

from services.admin import metrics, requests, stations
from services.admin.asked_station import AskedStation, CannotAsk
from services.admin.echo import reason
from services.admin.pulling.judging import Asked, Judged, Verdict, judge
from services.dicom.archive import NotTold
from services.dicom.errors import AssociationError
from services.dicom.outgoing import NoSlot, Wanted, holder, slot
from services.dicom.pending import MatchLimits
from services.dicom.profile import Profile
from services.runtime.app import Runtime
from services.runtime.db import Connection, Database, load_queries
from services.runtime.errors import GatewayError

QUERIES = load_queries(__package__, "pulls.sql")
ACTOR: Final = "pull"
"""Who asks for what is retrieved, in the audit."""
LOOK_SECONDS: Final = 5.0
LEASE_SECONDS: Final = 900.0
SLOT_SECONDS: Final = 30.0
MOST_TURNS: Final = 4
"""Stations that one process asks at a time: a slow one keeps no other waiting (P6)."""
MOST_UNDER_WAY: Final = 50
"""Studies that are retrieved from one station by this at a time; what is left comes with its next turns."""
MOST_STUDIES: Final = MatchLimits(10_000, 64 << 20)

log = structlog.get_logger(__name__)


class Busy(GatewayError):
    """No association to the station is free: that is no fault of it."""


class Overtaken(GatewayError):
    """Another process has taken this turn over, because this one was silent for too long."""


@dataclass(frozen=True)
class Turn:
    """A station that is asked now. ``since``: the oldest Study Date, as DICOM writes it; ``modalities``: only these
    (none: all)."""

    title: str
    since: str
    modalities: Sequence[str]
    holder: str


async def pulling(runtime: Runtime, profile: Profile) -> None:
    """Work until the process stops; a supervised task."""
    asking: set[str] = set()
    while not await runtime.supervisor.pause(LOOK_SECONDS):
        if not runtime.db.available:
            continue
        try:
            while len(asking) < MOST_TURNS and (turn := await claim(runtime.db)) is not None:
                asking.add(turn.title)
                runtime.supervisor.spawn(
                    f"pull from {turn.title}", partial(_turn, runtime, profile, turn, asking), restart=False
                )
            await _measure(runtime.db)
        except GatewayError as error:
            log.warning("pulls_postponed", reason=str(error))


async def _turn(runtime: Runtime, profile: Profile, turn: Turn, asking: set[str]) -> None:
    try:
        await carry_out(runtime.db, profile, runtime.settings.aet, turn)
    except Exception:  # its lease runs out, and it is somebody's turn again
        log.exception("pull_broke_off", station=turn.title)
    finally:
        asking.discard(turn.title)


async def claim(database: Database) -> Turn | None:
    """The next station whose turn it is; None when there is none."""
    parameters = {"holder": str(uuid4()), "lease": LEASE_SECONDS}
    async with database.transaction() as conn:
        await conn.execute(QUERIES.add_pulls)
        row = await (await conn.execute(QUERIES.claim_pull, parameters)).fetchone()
    return None if row is None else Turn(holder=str(parameters["holder"]), **row)


async def carry_out(database: Database, profile: Profile, calling_aet: str, turn: Turn) -> None:
    """Ask the station, and have it send what is not here. A failure is written down; it is asked again later."""
    try:
        told = await _told(database, profile, calling_aet, turn)
        counts = await database.retry(lambda conn: _finished(conn, calling_aet, turn, told))
    except Overtaken as fault:
        log.warning("pull_overtaken", station=turn.title, reason=str(fault))
    except GatewayError as fault:
        log.warning("pull_failed", station=turn.title, reason=str(fault))
        failed = not isinstance(fault, Busy)
        parameters = {"title": turn.title, "holder": turn.holder, "fault": str(fault)[:500], "failed": failed}
        async with database.transaction() as conn:
            await conn.execute(QUERIES.break_off, parameters)
    else:
        if counts["pulled"]:
            log.info("pulled", station=turn.title, **counts)


async def _told(database: Database, profile: Profile, calling_aet: str, turn: Turn) -> Mapping[str, int | None]:
    """The studies that the station has, with the number of their instances."""
    station = await stations.show(database, turn.title)
    wanted = Wanted(station.title, holder("pull"), station.associations, profile.outgoing)
    asked = AskedStation(station, profile, calling_aet, MOST_STUDIES)
    found: dict[str, int | None] = {}
    try:
        async with slot(database, wanted, wait_seconds=SLOT_SECONDS, on_lost=asked.abort):
            try:
                for modality in turn.modalities or ("",):
                    await _renew(database, turn)
                    found |= await asyncio.to_thread(lambda: asked.archive().studies(turn.since, modality))  # noqa: B023
            finally:
                await asyncio.to_thread(asked.close)
    except AssociationError as fault:
        raise CannotAsk(f"{station.title}: {reason(fault, calling_aet)}") from fault
    except NotTold as fault:
        raise CannotAsk(f"{station.title} does not say which studies it has: {fault}") from fault
    except NoSlot as fault:
        raise Busy(f"{fault}; it is asked at its next turn") from fault
    return found


async def _renew(database: Database, turn: Turn) -> None:
    parameters = {"title": turn.title, "holder": turn.holder, "lease": LEASE_SECONDS}
    async with database.transaction() as conn:
        if await (await conn.execute(QUERIES.renew, parameters)).fetchone() is None:
            raise Overtaken(f"{turn.title} is asked by another process")


async def _finished(conn: Connection, calling_aet: str, turn: Turn, told: Mapping[str, int | None]) -> dict[str, int]:
    """What follows, and the end of the turn, in one transaction and once."""
    judged = await _judged(conn, turn, told)
    under_way = sum(each.verdict is Verdict.UNDER_WAY for each in judged)
    due = sorted((each for each in judged if each.verdict is Verdict.PULL), key=lambda each: each.attempts)
    pulls = due[: max(0, MOST_UNDER_WAY - under_way)]  # what was never retrieved before what was in vain
    made = [await _request(conn, calling_aet, turn, each.study) for each in pulls]
    await _record(conn, turn, judged, pulls, made)
    counts = {
        "studies": len(judged),
        "pulled": len(pulls),
        "under_way": under_way,
        "missing": sum(each.missing for each in judged),
    }
    parameters = {"title": turn.title, "holder": turn.holder} | counts
    if await (await conn.execute(QUERIES.finish, parameters)).fetchone() is None:
        raise Overtaken(f"{turn.title} is asked by another process; nothing is retrieved by this one")
    return counts


async def _judged(conn: Connection, turn: Turn, told: Mapping[str, int | None]) -> list[Judged]:
    parameters = {"title": turn.title, "studies": list(told)}
    held = {row["study"]: row["held"] for row in await (await conn.execute(QUERIES.held, parameters)).fetchall()}
    rows = await (await conn.execute(QUERIES.pulled, parameters)).fetchall()
    asked = {row.pop("study"): Asked(**row) for row in rows}
    return [judge(study, count, held.get(study, 0), asked.get(study, Asked())) for study, count in told.items()]


async def _request(conn: Connection, calling_aet: str, turn: Turn, study: str) -> UUID:
    body = {"from": turn.title, "to": calling_aet, "to_us": True, "level": "STUDY", "study": "", "series": "",
            "uids": [study], "priority": "normal"}  # fmt: skip
    return await requests.insert(conn, ACTOR, "retrieve", body)


async def _record(
    conn: Connection, turn: Turn, judged: Sequence[Judged], pulls: Sequence[Judged], made: Sequence[UUID]
) -> None:
    complete = [each for each in judged if each.verdict is Verdict.COMPLETE]
    changed = {each.study for each in (*complete, *pulls)}
    title: dict[str, Any] = {"title": turn.title}
    values = {"study": [each.study for each in complete], "told": [each.count for each in complete],
              "complete": [max(each.count or 0, each.held) for each in complete]}  # fmt: skip
    await conn.execute(QUERIES.record_complete, title | values)
    values = {"study": [each.study for each in pulls], "told": [each.count for each in pulls],
              "attempts": [each.attempts for each in pulls], "wait": [each.wait for each in pulls],
              "request": list(made)}  # fmt: skip
    await conn.execute(QUERIES.record_pulls, title | values)
    seen = [each.study for each in judged if each.study not in changed]
    await conn.execute(QUERIES.record_seen, title | {"study": seen})
    await conn.execute(QUERIES.forget, title)


async def _measure(database: Database) -> None:
    async with database.transaction() as conn:
        rows = await (await conn.execute(QUERIES.measures)).fetchall()
    for gauge in (metrics.PULL_MISSING, metrics.PULL_FAILING):
        gauge.clear()  # of stations that are pulled from no longer
    for row in rows:
        metrics.PULL_MISSING.labels(row["title"]).set(row["missing"])
        metrics.PULL_FAILING.labels(row["title"]).set(row["failing"])

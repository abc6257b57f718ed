"""Try a station, step by step."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Final

from services.admin import stations
from services.admin.changes import audit
from services.admin.commissioning import sample as samples
from services.admin.commissioning import steps
from services.admin.commissioning.sample import Sample
from services.admin.commissioning.step import Step
from services.admin.commissioning.steps import Line
from services.admin.errors import NotFound
from services.dicom.commitment import new_transaction_uid
from services.dicom.outgoing import NoSlot, Wanted, holder, slot
from services.dicom.profile import Profile
from services.runtime.db import Connection, Database, load_queries

QUERIES: Final = load_queries(__package__, "commissioning.sql")
SLOT_SECONDS: Final = 30.0
REPORT_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.5
USUAL: Final = (
    "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.20", "1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.88.11",
)  # fmt: skip
"""CT, MR, Secondary Capture, NM, PET and Basic Text SR: asked besides what was received lately."""


async def trial(
    database: Database, actor: str, profile: Profile, calling_aet: str, title: str, *, store: bool
) -> AsyncIterator[Step]:
    """Each step as it is done; the rest is left out when the station cannot be reached. ``store``: a sample is stored
    there, and its commitment asked for where the station commits, or another one for it.

    Raises ``NotFound``, ``NoSlot``.
    """
    station = await stations.show(database, title)
    line = Line(station, profile, calling_aet)
    await database.retry(lambda conn: audit(conn, actor, "station.test", station.title, None, {"store": store}))
    async with slot(database, Wanted(station.title, holder("test"), 1, profile.outgoing), wait_seconds=SLOT_SECONDS):
        for step in (steps.resolved, steps.reached, steps.secured, steps.echoed):
            done = await _run(lambda step=step: step(line))  # type: ignore[misc]
            yield done
            if done.verdict == "failed":
                return
        async for done in _abilities(database, line, store=store):
            yield done


async def _abilities(database: Database, line: Line, *, store: bool) -> AsyncIterator[Step]:
    station = line.station
    if station.query_retrieve:
        yield await _run(lambda: steps.asked(line))
    if not station.store:
        yield Step("C-STORE", "left out", "it may not be sent to")
        return
    classes = await _classes(database, line.profile)
    yield await _run(lambda: steps.accepted(line, classes))
    if not store:
        yield Step("C-STORE", "left out", "no sample was to be stored")
        return
    sample = await _sample(database)
    done = await _run(lambda: steps.stored(line, sample))
    yield done
    if done.verdict == "passed":
        async for done in _committed(database, line, sample):
            yield done


async def _committed(database: Database, line: Line, sample: Sample) -> AsyncIterator[Step]:
    """The commitment of what the station has stored, asked of whoever is asked about it."""
    asked = line.station.asked_on
    if asked is None:
        yield Step("N-ACTION", "left out", "nobody is asked to commit (--commit-server, --commit-on)")
        return
    if asked == line.station.title:
        async for done in _commitment(database, line, sample):
            yield done
        return
    try:
        server = replace(line, station=await stations.show(database, asked))
        async with slot(
            database, Wanted(asked, holder("test"), 1, line.profile.outgoing), wait_seconds=SLOT_SECONDS
        ):  # fmt: skip
            async for done in _commitment(database, server, sample):
                yield done
    except (NotFound, NoSlot) as fault:
        yield Step("N-ACTION", "left out", f"{asked}, which commits what is sent there, was not asked: {fault}")


async def _commitment(database: Database, line: Line, sample: Sample) -> AsyncIterator[Step]:
    transaction_uid = new_transaction_uid()
    done = await _run(lambda: steps.commitment_asked(line, sample, transaction_uid))
    yield done
    if done.verdict == "passed":
        yield await _report(database, line.station.title, transaction_uid)


async def _report(database: Database, title: str, transaction_uid: str) -> Step:
    """Whether its report finds the way back to us, and says that the sample is committed."""
    started = time.monotonic()
    while time.monotonic() - started < REPORT_SECONDS:
        async with database.transaction() as conn:
            row = await (await conn.execute(QUERIES.report_of, {"transaction_uid": transaction_uid})).fetchone()
        if row is not None:
            return steps.reported(row, round((time.monotonic() - started) * 1000))
        await asyncio.sleep(LOOK_SECONDS)
    return Step(
        "Report", "failed",
        f"no report of {title} came within {REPORT_SECONDS:g} s: it must know our title, address and port to call us "
        "back; it may also report later",
        round(REPORT_SECONDS * 1000),
    )  # fmt: skip


async def _run(step: Callable[[], Step]) -> Step:
    return await asyncio.to_thread(steps.timed, step)


async def _classes(database: Database, profile: Profile) -> list[str]:
    if profile.xeleris:
        return sorted(profile.storage - profile.unsendable)
    async with database.transaction() as conn:
        rows = await (await conn.execute(QUERIES.lately_received_classes)).fetchall()
    return sorted({row["sop_class_uid"] for row in rows} & profile.storage | set(USUAL))


async def _sample(database: Database) -> Sample:
    async def clock(conn: Connection) -> tuple[str, str]:
        (row,) = await (await conn.execute(QUERIES.clock)).fetchall()
        return row["date"], row["time"]

    return samples.made(*await database.retry(clock))

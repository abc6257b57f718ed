"""Reports as they come: by message and by the sweep, read from the object store, applied, told (R109, R112, R136)."""

import asyncio
from collections.abc import Sequence

import structlog

from schemas.commitment import REPORTS, CommitmentReport, UnreadableObject
from schemas.messages import CommitmentReported, Envelope
from schemas.topology import COMMITMENT_REPORTED
from services.commitment import sweep, telling
from services.commitment.ground import Ground
from services.commitment.hearing import QUERIES, Hearing
from services.commitment.sweep import Inbox, Sweep
from services.runtime.app import Runtime
from services.runtime.db import Database
from services.runtime.errors import GatewayError, ObjectMissing, RefusedData, Reject
from services.runtime.objects import ObjectStat, ObjectStore, is_key

LARGEST_BYTES = 64 << 20
"""Some 400,000 instances; ingest takes far fewer."""


CATCH_UP_SECONDS = 3.0
"""So long the clocks wait at start for what was reported in time while nobody was there to hear it."""

log = structlog.get_logger(__name__)


async def start(ground: Ground) -> None:
    """Consume ``commitment.reported`` and sweep ``reports/`` until the process stops. Call it before the clocks run."""
    runtime = ground.runtime
    telling.begin()
    reports = Reports(runtime.db, runtime.objects, Hearing(runtime.db, ground.stations, ground.settings))
    await catch_up(runtime, Sweep(runtime, reports.inbox, ground.settings))
    sweep.start(ground, reports.inbox)
    await runtime.bus.consume(
        COMMITMENT_REPORTED, reports.handle, batch=ground.settings.batch, while_available=runtime.db
    )


async def catch_up(runtime: Runtime, first: Sweep) -> None:
    """Sweep once, if the database and the store answer in time."""
    try:
        async with asyncio.timeout(CATCH_UP_SECONDS):
            await runtime.db.wait_available()
            await first.run_once()
    except (TimeoutError, GatewayError) as error:
        log.info("reports_not_caught_up", reason=str(error) or f"not done within {CATCH_UP_SECONDS:.0f} s")


class Reports:
    """What is done with the objects below ``reports/``."""

    def __init__(self, database: Database, objects: ObjectStore, hearing: Hearing) -> None:
        self._database, self._objects, self._hearing = database, objects, hearing
        self.inbox = Inbox(REPORTS, QUERIES.select_unknown_reports, self.apply)

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Apply the reports that a batch of messages names. Raises ``Reject`` for one whose object is not there."""
        bodies = [envelope.body for envelope in envelopes if isinstance(envelope.body, CommitmentReported)]
        for key in await self._unknown([body.object_key for body in bodies]):
            try:
                await self.apply(key)
            except ObjectMissing as error:
                raise Reject(str(error)) from error

    async def apply(self, object_key: str) -> None:
        """Apply one report that has no row; one that cannot be read gets a row that says so.

        Raises ``ObjectMissing``, ``StoreFailed``, ``Unavailable``, ``Conflict``.
        """
        found = await asyncio.to_thread(self._objects.stat, object_key)
        try:
            report = await asyncio.to_thread(self._read, found)
            heard = await self._hearing.apply(object_key, report)
        except (UnreadableObject, RefusedData) as error:
            await self._record_unreadable(found, str(error))
            return
        if heard is not None:
            telling.tell(heard)

    async def _unknown(self, keys: Sequence[str]) -> list[str]:
        for key in keys:
            if not (is_key(key) and key.startswith(f"{REPORTS}/")):
                raise Reject("object_key is no key of a report")
        async with self._database.transaction() as connection:
            rows = await connection.execute(QUERIES.select_unknown_reports, {"object_key": sorted(set(keys))})
            return [row["object_key"] for row in await rows.fetchall()]

    def _read(self, found: ObjectStat) -> CommitmentReport:
        if found.size > LARGEST_BYTES:
            raise UnreadableObject(f"{found.size} bytes, at most {LARGEST_BYTES} are read")
        return CommitmentReport.decode(self._objects.get_bytes(found.key, LARGEST_BYTES))

    async def _record_unreadable(self, found: ObjectStat, reason: str) -> None:
        """Its own time is not known: the store's is, and does not change."""
        row = {"received_at": found.modified, "object_key": found.key, "remark": reason}
        async with self._database.transaction() as connection:
            made = await (await connection.execute(QUERIES.insert_unreadable, row)).fetchone()
        if made is not None:
            telling.tell_unreadable(found.key, reason)

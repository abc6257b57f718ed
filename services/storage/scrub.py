"""The scrub: stored objects are read again, slowly, to find what the disk has damaged before somebody needs it.

What a delivery has found damaged is looked at at once; what was restored to its place is no longer damaged.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from schemas.messages import Envelope, InstanceUnusable
from services.runtime.db import Database
from services.runtime.errors import GatewayError
from services.runtime.objects import ObjectStore
from services.runtime.supervise import Supervisor
from services.storage import metrics
from services.storage.integrity import intact
from services.storage.leadership import Leadership
from services.storage.records import QUERIES
from services.storage.settings import StorageSettings

AT_ONCE = 50
IDLE_SECONDS = 60.0
BEGINNING = ("", 0)

log = structlog.get_logger(__name__)


class Scrub:
    """Walks through all stored contents in order of UID and begins again at the end."""

    def __init__(
        self, database: Database, objects: ObjectStore, leadership: Leadership, settings: StorageSettings
    ) -> None:
        self._database, self._objects = database, objects
        self._leadership, self._settings = leadership, settings
        self._after: tuple[str, int] | None = None

    async def run(self, supervisor: Supervisor) -> None:
        """Read until the process stops; a supervised task."""
        pause = IDLE_SECONDS
        while not await supervisor.pause(pause):
            pause = IDLE_SECONDS
            if not (self._leadership.held and self._database.available and self._settings.scrub_bytes_per_second):
                continue
            try:
                size = await self.run_once(supervisor)
            except GatewayError as error:
                log.warning("scrub_postponed", reason=str(error))
                continue
            pause = size / self._settings.scrub_bytes_per_second or IDLE_SECONDS

    async def run_once(self, supervisor: Supervisor) -> int:
        """Check the next few objects; their size in bytes, 0 at the end of a round."""
        if self._after is None:
            self._after = await self._anywhere()
        parameters = {"sop_instance_uid": self._after[0], "revision": self._after[1], "most": AT_ONCE}
        async with self._database.transaction() as connection:
            rows = await (await connection.execute(QUERIES.select_to_scrub, parameters)).fetchall()
        size = 0
        for row in rows:
            if supervisor.stopping.is_set():
                break
            await self._check(row)
            self._after = (row["sop_instance_uid"], row["revision"])
            size += row["size"]
        if not rows:
            self._after = BEGINNING
        return size

    async def suspected(self, envelopes: Sequence[Envelope]) -> None:
        """Check what could not be sent; what was recorded otherwise meanwhile is left alone."""
        for envelope in envelopes:
            if isinstance(envelope.body, InstanceUnusable):
                async with self._database.transaction() as connection:
                    found = await connection.execute(QUERIES.select_suspected, envelope.body.model_dump())
                    rows = await found.fetchall()
                for row in rows:
                    await self._check(row)

    async def _check(self, row: dict[str, Any]) -> None:
        place = row["object_key"], row["data_set_offset"], row["sha256"]
        fine = await asyncio.to_thread(intact, self._objects, *place)
        metrics.SCRUBBED_BYTES.inc(row["size"])
        if fine is (row["state"] == "STORED"):
            return
        async with self._database.transaction() as connection:
            mark = QUERIES.mark_mended if fine else QUERIES.mark_damaged
            marked = await (await connection.execute(mark, row)).fetchone()
        if marked and fine:
            log.info("object_mended", object_key=row["object_key"], sop_instance=row["sop_instance_uid"])
        elif marked:
            metrics.DAMAGED.inc()
            log.error("object_damaged", object_key=row["object_key"], sop_instance=row["sop_instance_uid"])

    async def _anywhere(self) -> tuple[str, int]:
        async with self._database.transaction() as connection:
            row = await (await connection.execute(QUERIES.select_scrub_start)).fetchone()
        return (row["sop_instance_uid"], 0) if row else BEGINNING

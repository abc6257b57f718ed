"""Once a day every folder: objects without a row are recorded, rows without an object noticed, tombstones let go."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import structlog

from services.runtime.db import Database
from services.runtime.errors import Conflict, ObjectMissing, StoreFailed, Unavailable
from services.runtime.objects import ObjectStore
from services.runtime.supervise import Supervisor
from services.storage import metrics
from services.storage.leadership import Leadership
from services.storage.records import QUERIES
from services.storage.settings import StorageSettings
from services.storage.sweep import Sweep

LOOK_SECONDS = 10.0
LONGEST_ASSOCIATION = timedelta(hours=12)
"""Between the making of a key and the stamp of its receipt: one data set, however slow."""

log = structlog.get_logger(__name__)


def span(folder: str) -> tuple[datetime, datetime]:
    """When the receipts of a folder's objects were stamped (pure). Raises ``ValueError`` for no hour folder."""
    hour = datetime.strptime(folder, "objects/%Y/%m/%d/%H").replace(tzinfo=UTC)
    return hour, hour + timedelta(hours=1) + LONGEST_ASSOCIATION


class FullSweep:
    """Resumes where it was interrupted: the cursor is the last folder done."""

    def __init__(
        self, database: Database, objects: ObjectStore, sweep: Sweep, leadership: Leadership, settings: StorageSettings
    ) -> None:
        self._database, self._objects, self._sweep = database, objects, sweep
        self._leadership, self._settings = leadership, settings

    async def run(self, supervisor: Supervisor) -> None:
        """Sweep when it is due until the process stops; a supervised task."""
        while not await supervisor.pause(min(LOOK_SECONDS, self._settings.full_sweep_seconds)):
            if not self._leadership.held or not self._database.available:
                continue
            try:
                await self.run_if_due(supervisor)
            except (Unavailable, Conflict, StoreFailed) as error:
                log.info("full_sweep_interrupted", reason=str(error))

    async def run_if_due(self, supervisor: Supervisor) -> bool:
        """Begin or go on with a full sweep; True when one was finished."""
        row = await self._one(QUERIES.select_full_sweep, {"every": self._settings.full_sweep_seconds})
        if row["due"]:
            await self._execute(QUERIES.begin_full_sweep, {})
            row["cursor"] = ""
        elif row["finished_at"] is not None:
            return False
        for folder in await asyncio.to_thread(self._folders_after, row["cursor"]):
            if supervisor.stopping.is_set() or not self._leadership.held:
                return False
            await self.sweep_folder(folder)
            await self._execute(QUERIES.advance_full_sweep, {"cursor": folder})
            metrics.FULL_SWEEP_FOLDERS.inc()
        finished = await self._one(QUERIES.finish_full_sweep, {})
        metrics.FULL_SWEEP_FINISHED.set(finished["finished_at"].timestamp())
        log.info("full_sweep_finished")
        return True

    async def sweep_folder(self, folder: str) -> None:
        """Compare one folder with its rows, both ways."""
        present = await asyncio.to_thread(lambda: {found.key for found in self._objects.list(folder)})
        await self._sweep.record_missing(sorted(present), by="full sweep")
        since, until = span(folder)
        parameters = {"since": since, "until": until, "prefix": f"{folder}/"}
        async with self._database.transaction() as connection:
            rows = await (await connection.execute(QUERIES.select_folder_receipts, parameters)).fetchall()
        tombstones = {row["object_key"] for row in rows if row["object_state"] == "DELETED"}
        expected = {row["object_key"] for row in rows if row["object_state"] == "PRESENT"}
        await self._settle_tombstones(sorted(tombstones & present), sorted(tombstones - present))
        await self._note_missing(sorted(expected - present))

    async def _settle_tombstones(self, back: Sequence[str], absent: Sequence[str]) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES.delete_again, {"object_key": list(back)})
            await connection.execute(QUERIES.count_absent, {"object_key": list(absent)})
            await connection.execute(QUERIES.forget_tombstones, {"object_key": list(absent)})

    async def _note_missing(self, keys: Sequence[str]) -> None:
        gone = await asyncio.to_thread(lambda: [key for key in keys if not self._exists(key)])
        if not gone:
            return
        async with self._database.transaction() as connection:
            found = await connection.execute(QUERIES.select_identity_of, {"object_key": gone})
            for row in await found.fetchall():
                await connection.execute(QUERIES.mark_damaged, row)
                metrics.MISSING.inc()
                metrics.DAMAGED.inc()
                log.error("object_gone", object_key=row["object_key"], sop_instance=row["sop_instance_uid"])

    def _folders_after(self, cursor: str) -> list[str]:
        return sorted(folder.name for folder in self._objects.folders("objects") if folder.name > cursor)

    def _exists(self, key: str) -> bool:
        try:
            self._objects.stat(key)
        except ObjectMissing:
            return False
        return True

    async def _one(self, query: LiteralString, parameters: dict[str, float]) -> dict[str, Any]:
        async with self._database.transaction() as connection:
            row = await (await connection.execute(query, parameters)).fetchone()
        if row is None:
            raise Unavailable("storage.watermark has no row: the database was not migrated")
        return row

    async def _execute(self, query: LiteralString, parameters: dict[str, str]) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(query, parameters)

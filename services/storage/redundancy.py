"""Duplicates: the second object of the same content is deleted once the first one's hash was verified (P5)."""

import asyncio
from typing import Any

import structlog

from services.runtime.db import Database
from services.runtime.errors import Conflict, GatewayError
from services.runtime.objects import ObjectStore
from services.runtime.supervise import Supervisor
from services.storage import metrics
from services.storage.deletion import nothing_is_backed_up
from services.storage.integrity import data_set_offset, intact
from services.storage.leadership import Leadership
from services.storage.records import QUERIES
from services.storage.settings import StorageSettings

AT_ONCE = 100

log = structlog.get_logger(__name__)


class RedundancyWorker:
    """Goes through the duplicates' objects, oldest first."""

    def __init__(
        self, database: Database, objects: ObjectStore, leadership: Leadership, settings: StorageSettings
    ) -> None:
        self._database, self._objects = database, objects
        self._leadership, self._settings = leadership, settings

    async def run(self, supervisor: Supervisor) -> None:
        """Work until the process stops; a supervised task."""
        while not await supervisor.pause(self._settings.deletion_poll_seconds):
            if not self._leadership.held or not self._database.available:
                continue
            try:
                await self.run_once()
            except GatewayError as error:
                log.warning("duplicates_postponed", reason=str(error))

    async def run_once(self) -> int:
        """Settle the duplicates there are; how many. None while a backup is made."""
        async with self._database.transaction() as connection:
            if not await nothing_is_backed_up(connection):
                return 0
            rows = await (await connection.execute(QUERIES.select_redundant, {"most": AT_ONCE})).fetchall()
        for row in rows:
            try:
                await self._settle(row)
            except Conflict:
                continue  # the next run finds it again
        return len(rows)

    async def _settle(self, row: dict[str, Any]) -> None:
        if row["first_state"] == "STORED" and await self._intact(row["first_key"], row["first_offset"], row["sha256"]):
            await self._delete(row)
            return
        offset = await asyncio.to_thread(data_set_offset, self._objects, row["object_key"])
        if offset is not None and await self._intact(row["object_key"], offset, row["sha256"]):
            await self._take_over(row | {"data_set_offset": offset})
        else:
            log.error("duplicates_damaged", object_key=row["object_key"], sop_instance=row["sop_instance_uid"])
            await self._give_up(row)

    async def _delete(self, row: dict[str, Any]) -> None:
        async with self._database.transaction() as connection:
            if not await nothing_is_backed_up(connection):
                return  # one has begun since: the next run finds it again
            begun = await (await connection.execute(QUERIES.begin_redundant_deletion, row)).fetchone()
        if begun is None:
            return  # deleted or replaced meanwhile
        await asyncio.to_thread(self._objects.delete, row["object_key"])
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES.mark_deleted, row)
        metrics.DELETED.labels("duplicate").inc()
        log.info("duplicate_deleted", object_key=row["object_key"], sop_instance=row["sop_instance_uid"])

    async def _take_over(self, row: dict[str, Any]) -> None:
        """The second object holds the content from here on, the damaged first one is the redundant one."""
        async with self._database.transaction() as connection:
            taken = await (await connection.execute(QUERIES.take_over, row)).fetchone()
            if taken is None:
                return
            await connection.execute(QUERIES.set_object_state, row | {"state": "PRESENT"})
            first = {"received_at": row["first_received_at"], "object_key": row["first_key"], "state": "REDUNDANT"}
            await connection.execute(QUERIES.set_object_state, first)
        metrics.DAMAGED.inc()
        log.error("object_damaged", object_key=row["first_key"], replaced_by=row["object_key"])

    async def _give_up(self, row: dict[str, Any]) -> None:
        """Neither is intact: both stay for a person to look at."""
        async with self._database.transaction() as connection:
            damaged = {"object_key": row["first_key"], "sop_instance_uid": row["sop_instance_uid"]}
            await connection.execute(QUERIES.mark_damaged, damaged)
            await connection.execute(QUERIES.set_object_state, row | {"state": "PRESENT"})
        metrics.DAMAGED.inc()

    async def _intact(self, key: str, offset: int, sha256: str) -> bool:
        return await asyncio.to_thread(intact, self._objects, key, offset, sha256)

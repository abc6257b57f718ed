"""The sweep of the open folders: whatever lies in the object store and has no row is recorded (promise P2).

It works without the broker, and what it has seen is the watermark up to which everything is recorded (P7).
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import datetime

import structlog

from schemas.messages import InstanceReceived
from services.runtime.bus import Bus
from services.runtime.db import Database
from services.runtime.errors import GatewayError, RefusedData
from services.runtime.objects import Folder, ObjectStore
from services.runtime.supervise import Supervisor
from services.storage import metrics, records
from services.storage.folders import OpenFolder, closable, day_prefixes
from services.storage.found import read_found
from services.storage.handlers import Recorder
from services.storage.leadership import Leadership
from services.storage.records import QUERIES, Connection
from services.storage.settings import StorageSettings

KEYS_REMEMBERED = 500_000
KEYS_AT_ONCE = 2000
KEYS_KEPT_SECONDS = 600.0
"""After the last change of a folder, which stays open for hours; if it changes again the database is asked for them."""
FOR_THE_CONSUMER_SECONDS = 1.0
"""What the broker was given is left to the consumer for so long, and as long as it gets ahead with it."""
LONGEST_FOR_THE_CONSUMER_SECONDS = 5.0

log = structlog.get_logger(__name__)


class Sweep:
    """Knows the open folders; one process at a time does it."""

    def __init__(
        self, database: Database, objects: ObjectStore, bus: Bus, recorder: Recorder, leadership: Leadership,
        settings: StorageSettings, supervisor: Supervisor,
    ) -> None:  # fmt: skip
        self._database, self._objects, self._bus = database, objects, bus
        self._recorder, self._leadership, self._settings = recorder, leadership, settings
        self._supervisor = supervisor
        self._open: dict[str, OpenFolder] = {}
        self._all_due = 0.0

    async def run_once(self) -> int:
        """Sweep, close and advance the watermark; how many objects were recorded. Does nothing without leadership.

        Raises ``Unavailable``, ``StoreFailed``, ``Conflict``: then the watermark stays, and the next run does it.
        """
        if not self._leadership.held:
            self._open.clear()
            self._all_due = 0.0
            self._measure()  # whoever leads now tells what there is
            return 0
        with metrics.SWEEP_SECONDS.time():
            started = await self._database_time()
            count = 0
            for folder in await self._candidates(started):
                count += await self._sweep_folder(folder, started)
            await self._advance(started)
        self._measure()
        return count

    async def record_missing(self, keys: Sequence[str], *, by: str) -> tuple[int, set[str]]:
        """Record those of the objects that have no row; how many, and the keys that cannot be recorded."""
        missing = await self._left_by_consumer(await self._unrecorded(keys))
        count, unreadable = 0, set[str]()
        newest_first = list(reversed(missing))  # the consumer comes from the other end
        for start in range(0, len(newest_first), self._settings.batch):
            batch = await self._unrecorded(newest_first[start : start + self._settings.batch])
            arrivals = await asyncio.to_thread(self._read, batch)
            unreadable |= set(batch) - {arrived.receipt.object_key for arrived in arrivals}
            recorded, refused = await self._record(arrivals, by)
            count, unreadable = count + recorded, unreadable | refused
        if count:
            log.info("sweep_recorded", count=count, by=by)
        return count, unreadable

    async def _left_by_consumer(self, missing: list[str]) -> list[str]:
        """Those that the consumer does not come to: to read an object again costs more than its message."""
        seconds = FOR_THE_CONSUMER_SECONDS
        while missing and self._bus.available and not await self._supervisor.pause(seconds):
            left = await self._unrecorded(missing)
            if len(left) == len(missing):
                break
            missing = left
            seconds = min(2 * seconds, LONGEST_FOR_THE_CONSUMER_SECONDS)
        return missing

    async def _candidates(self, started: datetime) -> list[Folder]:
        """Folders to look at: those of these days, those that are open, and from time to time all."""
        everything = time.monotonic() >= self._all_due
        prefixes = ["objects"] if everything else [*day_prefixes(started), *self._open]
        found = await asyncio.to_thread(self._folders, prefixes)
        if everything:
            self._all_due = time.monotonic() + self._settings.all_folders_seconds
        unknown = [folder for name, folder in found.items() if name not in self._open]
        closed = await self._closed([folder.name for folder in unknown])
        for folder in unknown:
            if folder.name in closed:
                if folder.modified == closed[folder.name]:
                    del found[folder.name]
                    continue
                await self._reopen(folder)
            self._open[folder.name] = OpenFolder()
        for name in set(self._open) - set(found):
            del self._open[name]
        return list(found.values())

    def _folders(self, prefixes: Iterable[str]) -> dict[str, Folder]:
        return {folder.name: folder for prefix in prefixes for folder in self._objects.folders(prefix)}

    async def _sweep_folder(self, folder: Folder, started: datetime) -> int:
        state = self._open[folder.name]
        count = 0
        if not state.settled(folder.modified):
            fresh = await asyncio.to_thread(lambda: state.fresh(self._objects.names(folder.name)))
            count, unreadable = await self.record_missing([f"{folder.name}/{name}" for name in fresh], by="sweep")
            state.saw(fresh, len(unreadable), folder.modified, time.monotonic())
            self._forget_keys()
        elif closable(folder.modified, started, KEYS_KEPT_SECONDS):
            state.known.clear()
        if closable(folder.modified or state.newest, started, self._settings.folder_open_seconds):
            await self._close(folder, state)
        return count

    async def _close(self, folder: Folder, state: OpenFolder) -> None:
        row = {"folder": folder.name, "objects": state.objects, "modified_at": folder.modified}
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES.close_folder, row)
        del self._open[folder.name]
        log.info("folder_closed", folder=folder.name, objects=state.objects)

    async def _reopen(self, folder: Folder) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES.reopen_folder, {"folder": folder.name})
        log.info("folder_reopened", folder=folder.name)

    async def _closed(self, names: Sequence[str]) -> dict[str, datetime | None]:
        if not names:
            return {}
        async with self._database.transaction() as connection:
            found = await connection.execute(QUERIES.select_closed_folders, {"folder": list(names)})
            return {row["folder"]: row["modified_at"] for row in await found.fetchall()}

    async def _unrecorded(self, keys: Sequence[str]) -> list[str]:
        recorded: set[str] = set()
        for start in range(0, len(keys), KEYS_AT_ONCE):
            async with self._database.transaction() as connection:
                recorded |= await records.recorded_keys(connection, keys[start : start + KEYS_AT_ONCE])
        return [key for key in keys if key not in recorded]

    def _read(self, keys: Sequence[str]) -> list[InstanceReceived]:
        return [arrived for key in keys if (arrived := read_found(self._objects, key)) is not None]

    async def _record(self, arrivals: Sequence[InstanceReceived], by: str) -> tuple[int, set[str]]:
        """A batch; when the database refuses it, one by one and bare if need be."""
        try:
            return await self._recorder.record(arrivals, by=by), set()
        except RefusedData as error:
            if len(arrivals) == 1:
                kept = await self._recorder.record_bare(arrivals[0], error, by=by)
                return int(kept), set() if kept else {arrivals[0].receipt.object_key}
        count, refused = 0, set[str]()
        for arrived in arrivals:
            one, bad = await self._record([arrived], by)
            count, refused = count + one, refused | bad
        return count, refused

    async def _database_time(self) -> datetime:
        async with self._database.transaction() as connection:
            row = await (await connection.execute(QUERIES.database_time)).fetchone()
        if row is None:
            raise GatewayError("the database did not tell its time")
        at: datetime = row["at"]
        return at

    async def _advance(self, started: datetime) -> None:
        async def work(connection: Connection) -> datetime | None:
            row = await (await connection.execute(QUERIES.advance_watermark, {"started": started})).fetchone()
            return row["recorded_through"] if row else None

        through = await self._database.retry(work)
        if through is not None:
            metrics.WATERMARK.set(through.timestamp())

    def _forget_keys(self) -> None:
        """Above the limit the database is asked instead (promise P11)."""
        if sum(len(state.known) for state in self._open.values()) > KEYS_REMEMBERED:
            for state in self._open.values():
                state.known.clear()

    def _measure(self) -> None:
        metrics.OPEN_FOLDERS.set(len(self._open))
        metrics.UNREADABLE.set(sum(state.unreadable for state in self._open.values()))

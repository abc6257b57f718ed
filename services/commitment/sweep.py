"""The sweep of what ingest has made durable: objects without a row are handled, whatever became of their messages.

It works without the broker. Every process sweeps: who handles an object makes its effect row, and a second run finds it
and does nothing. Objects that have their row and are old are deleted here, others never.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString

import structlog

from services.commitment import metrics
from services.commitment.ground import Ground
from services.commitment.settings import CommitmentSettings
from services.commitment.swept import Remembered, day_folders, outlived
from services.runtime import reconcile
from services.runtime.app import Runtime
from services.runtime.db import load_queries
from services.runtime.errors import Conflict, GatewayError, Unavailable
from services.runtime.objects import Folder, ObjectStat

KEYS_AT_ONCE = 2000
KEYS_REMEMBERED = 500_000
ALL_FOLDERS_SECONDS = 60.0
"""So often all folders are looked at, for objects of a host whose clock was wrong."""
FOR_THE_CONSUMER_SECONDS = 1.0
"""What the broker has just been given is left to the consumer for so long."""

QUERIES = load_queries(__package__, "sweep.sql")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Inbox:
    """A top folder of received messages (``schemas.commitment.REPORTS``, ``REQUESTS``) and who knows about it.

    ``unknown_keys`` is a query with ``%(object_key)s``, a text array, whose rows are those ``object_key`` that have no
    row. ``handle`` handles one object, given its key, in a transaction of its own; afterwards it has a row, an
    unreadable object too. It may raise any error: the object is looked at again in the next sweep.
    """

    folder: str
    unknown_keys: LiteralString
    handle: Callable[[str], Awaitable[object]]


def start(ground: Ground, inbox: Inbox) -> None:
    """Sweep the folder until the process stops."""
    runtime, settings = ground.runtime, ground.settings
    sweep = Sweep(runtime, inbox, settings)
    name = f"commitment {inbox.folder}"
    reconcile.every(runtime, name, settings.sweep_seconds, sweep.run_once, lambda: not runtime.bus.available)


class Sweep:
    """One folder, as one process remembers it."""

    def __init__(self, runtime: Runtime, inbox: Inbox, settings: CommitmentSettings) -> None:
        self._runtime, self._inbox = runtime, inbox
        self._kept = timedelta(days=settings.object_days)
        self._remembered: dict[str, Remembered] = {}
        self._all_due = 0.0

    async def run_once(self) -> int:
        """Handle what has no row and delete what is old; how many objects were handled.

        Raises ``Unavailable``, ``Conflict``, ``StoreFailed``: the next run does it.
        """
        at = await self._database_time()
        count = 0
        for folder in await self._folders(at):
            remembered = self._remembered.setdefault(folder.name, Remembered())
            if not remembered.quiet(folder, at):
                count += await self._sweep_folder(folder, remembered, at)
        self._forget_keys()
        metrics.UNHANDLED.labels(self._inbox.folder).set(sum(kept.left for kept in self._remembered.values()))
        return count

    async def unknown(self, keys: Sequence[str]) -> list[str]:
        """Those of the keys that have no row."""
        found: list[str] = []
        for start_at in range(0, len(keys), KEYS_AT_ONCE):
            parameters = {"object_key": list(keys[start_at : start_at + KEYS_AT_ONCE])}
            async with self._runtime.db.transaction() as connection:
                rows = await (await connection.execute(self._inbox.unknown_keys, parameters)).fetchall()
            found += [row["object_key"] for row in rows]
        return sorted(found)

    async def _folders(self, at: datetime) -> list[Folder]:
        """Those of these days and those that are open; from time to time all."""
        everything = time.monotonic() >= self._all_due
        names = [self._inbox.folder] if everything else [*day_folders(self._inbox.folder, at), *self._open()]
        found = await asyncio.to_thread(self._list_folders, names)
        if everything:
            self._all_due = time.monotonic() + ALL_FOLDERS_SECONDS
            self._remembered = {name: kept for name, kept in self._remembered.items() if name in found}
        return list(found.values())

    def _open(self) -> list[str]:
        return [name for name, kept in self._remembered.items() if kept.open]

    def _list_folders(self, names: Iterable[str]) -> dict[str, Folder]:
        return {folder.name: folder for name in names for folder in self._runtime.objects.folders(name)}

    async def _sweep_folder(self, folder: Folder, remembered: Remembered, at: datetime) -> int:
        listed = await asyncio.to_thread(lambda: list(self._runtime.objects.list(folder.name)))
        fresh = [found.key for found in listed if found.key not in remembered.known]
        handled, left = await self._handle_unknown(await self.unknown(fresh))
        kept = await self._delete_old(listed, left, at)
        remembered.saw(folder, kept, left, at, self._kept)
        return handled

    async def _handle_unknown(self, keys: list[str]) -> tuple[int, set[str]]:
        """How many were handled, and the keys that could not be."""
        bus, supervisor = self._runtime.bus, self._runtime.supervisor
        if keys and bus.available and not await supervisor.pause(FOR_THE_CONSUMER_SECONDS):
            keys = await self.unknown(keys)
        left = set(keys)
        for key in keys:
            if supervisor.stopping.is_set():
                break
            if await self._handle(key):
                left.discard(key)
        return len(keys) - len(left), left

    async def _handle(self, key: str) -> bool:
        """One object; a fault of it must not hold up those behind it, one of the database stops the sweep."""
        try:
            await self._inbox.handle(key)
        except (Unavailable, Conflict):
            raise
        except Exception as error:
            known = isinstance(error, GatewayError)
            log.error("object_not_handled", object_key=key, reason=str(error), exc_info=None if known else error)
            return False
        return True

    async def _delete_old(self, listed: list[ObjectStat], left: set[str], at: datetime) -> list[ObjectStat]:
        """Delete what is old and has its row; what stays."""
        old = [key for key in outlived(listed, at, self._kept) if key not in left]
        gone = set(old) - set(await self.unknown(old))
        if gone:
            await asyncio.to_thread(lambda: [self._runtime.objects.delete(key) for key in sorted(gone)])
            log.info("received_objects_deleted", folder=self._inbox.folder, count=len(gone))
        return [found for found in listed if found.key not in gone]

    async def _database_time(self) -> datetime:
        async with self._runtime.db.transaction() as connection:
            row = await (await connection.execute(QUERIES.database_time)).fetchone()
        if row is None:
            raise GatewayError("the database did not tell its time")
        at: datetime = row["at"]
        return at

    def _forget_keys(self) -> None:
        """Above the limit the database is asked instead (promise P11)."""
        if sum(len(kept.known) for kept in self._remembered.values()) > KEYS_REMEMBERED:
            for kept in self._remembered.values():
                kept.known.clear()

"""The configuration in force: the newest snapshot of the object store, or the copy of the last one at start."""

import asyncio
import os
from datetime import datetime
from pathlib import Path

import structlog

from schemas.snapshot import KEY, LOCAL_COPY, Snapshot, SnapshotError
from services.dicom import metrics
from services.runtime.clock import now
from services.runtime.errors import GatewayError, ObjectMissing
from services.runtime.objects import ObjectStore
from services.runtime.supervise import Supervisor
from services.runtime.wake import Bell

STALE_SECONDS = 300.0

log = structlog.get_logger(__name__)


def age_seconds(written_at: datetime, at: datetime, ahead_seconds: float) -> float:
    """Age of a snapshot at ``at`` on a clock that is ``ahead_seconds`` ahead of the database's (pure)."""
    return (at - written_at).total_seconds() - ahead_seconds


class Configuration:
    """Holds the snapshot. ``current`` may be read from any thread."""

    def __init__(self, objects: ObjectStore, home: Path) -> None:
        self._objects = objects
        self._copy = home / LOCAL_COPY
        self._data = b""
        self._fault = ""
        self.current: Snapshot | None = None
        self.taken = Bell()
        """Rung whenever another number came into force."""
        self.store_ahead_seconds: float | None = None
        """How far the store's clock is ahead of the database's, from the last snapshot storage wrote."""

    def missing(self) -> str | None:
        """Readiness: why nobody can be accepted."""
        return None if self.current else f"no configuration snapshot ({self._fault or 'not read yet'}); is storage up?"

    def load(self) -> None:
        """Read the snapshot of the store; without one at start the local copy. Blocks; raises nothing."""
        try:
            self._adopt(self._objects.get_bytes(KEY), from_store=True)
        except (GatewayError, SnapshotError) as error:
            self._complain(error)
            if self.current is None:
                self._load_copy()

    async def poll(self, supervisor: Supervisor, seconds: float) -> None:
        """Keep it up to date until the process stops; a supervised task."""
        known = self._number()
        while not await supervisor.pause(seconds):
            await asyncio.to_thread(self.load)
            if self._number() != known:
                known = self._number()
                self.taken.ring()

    def watch_age(self, ahead_seconds: float | None, *, database_up: bool) -> None:
        """Measure and, above 5 minutes with the database up, raise the alarm."""
        if self.current is None:
            return
        age = age_seconds(self.current.written_at, now(), ahead_seconds or 0.0)
        stale = age > STALE_SECONDS and database_up
        metrics.SNAPSHOT_AGE.set(age)
        metrics.SNAPSHOT_STALE.set(stale)
        if stale:
            log.error("snapshot_stale", age_seconds=round(age), number=self.current.number)

    def _number(self) -> int | None:
        return None if self.current is None else self.current.number

    def _adopt(self, data: bytes, *, from_store: bool) -> None:
        self._fault = ""
        if data == self._data:
            return
        snapshot = Snapshot.decode(data)
        if self.current is None or self.current.number != snapshot.number:
            log.info("snapshot_in_force", number=snapshot.number, rule_set=snapshot.rule_set, from_store=from_store)
        self.current = snapshot
        metrics.SNAPSHOT_NUMBER.set(snapshot.number)
        if from_store:
            self._data = data
            written = self._objects.stat(KEY).modified
            self.store_ahead_seconds = (written - snapshot.written_at).total_seconds()
            self._write_copy(data)

    def _load_copy(self) -> None:
        try:
            self._adopt(self._copy.read_bytes(), from_store=False)
        except (OSError, SnapshotError) as error:
            log.debug("snapshot_copy_unusable", reason=str(error))

    def _write_copy(self, data: bytes) -> None:
        part = self._copy.with_name(f"{self._copy.name}.{os.getpid()}.part")
        try:
            part.write_bytes(data)
            part.replace(self._copy)
        except OSError as error:
            log.warning("snapshot_copy_not_written", reason=str(error))

    def _complain(self, error: Exception) -> None:
        reason = "storage has not written it yet" if isinstance(error, ObjectMissing) else str(error)
        if reason != self._fault:
            log.warning("snapshot_unreadable", reason=reason)
        self._fault = reason

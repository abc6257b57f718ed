"""Writes the configuration snapshot that ingest lives by: within a second of a change, and every minute."""

import asyncio
import time

import structlog

from schemas.snapshot import KEY, CalledTitle, Snapshot, SnapshotStation
from services.dicom.acceptance import allowed_networks
from services.runtime.db import Database
from services.runtime.errors import GatewayError
from services.runtime.objects import ObjectStore
from services.runtime.supervise import Supervisor
from services.storage import metrics
from services.storage.records import QUERIES

POLL_SECONDS = 1.0
TOUCH_SECONDS = 60.0

log = structlog.get_logger(__name__)


class SnapshotWriter:
    """Every storage process writes; a lock in the database puts the writers in order."""

    def __init__(self, database: Database, objects: ObjectStore, profile: str) -> None:
        self._database, self._objects, self._profile = database, objects, profile
        self._written: tuple[int, int] | None = None
        self._written_at = 0.0

    async def run(self, supervisor: Supervisor) -> None:
        """Write until the process stops; a supervised task."""
        wake = await self._database.listen("config_changed")
        while not supervisor.stopping.is_set():
            if self._database.available:
                await self._look()
            await wake.wait(POLL_SECONDS)

    async def _look(self) -> None:
        try:
            if await self.due():
                await self.write()
        except GatewayError as error:
            log.warning("snapshot_not_written", reason=str(error))

    async def due(self) -> bool:
        """Whether the configuration has changed since we wrote, or the snapshot has to be touched."""
        async with self._database.transaction() as connection:
            row = await (await connection.execute(QUERIES.select_generation)).fetchone()
        present = (row["number"], row["rule_set"]) if row else None
        return present != self._written or time.monotonic() - self._written_at >= TOUCH_SECONDS

    async def write(self) -> Snapshot:
        """Write the present configuration. Raises ``Unavailable``, ``StoreFailed``."""
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES.lock_snapshot)
            row = await (await connection.execute(QUERIES.select_generation)).fetchone()
            if row is None:
                raise GatewayError("config.generation has no row: the database was not migrated")
            # After the number: stations newer than it only mean that the same is written once more.
            stations = await (await connection.execute(QUERIES.select_stations)).fetchall()
            titles = await (await connection.execute(QUERIES.select_called_titles)).fetchall()
            snapshot = Snapshot(
                number=row["number"],
                rule_set=row["rule_set"],
                written_at=row["written_at"],
                stations=[_station(station) for station in stations],
                # Profile xeleris has one title (R10), whatever was configured before in another one.
                titles=[CalledTitle(**title) for title in titles if self._profile != "xeleris"],
                pet_raw_station=next((station["title"] for station in stations if station["pet_raw"]), None),
            )
            await asyncio.to_thread(self._objects.put_bytes, KEY, snapshot.encode())
        self._written, self._written_at = (snapshot.number, snapshot.rule_set), time.monotonic()
        metrics.SNAPSHOTS.inc()
        log.debug("snapshot_written", number=snapshot.number)
        return snapshot


def _station(row: dict[str, object]) -> SnapshotStation:
    networks = allowed_networks(str(row["host"]), [str(a) for a in row["addresses"]])  # type: ignore[attr-defined]
    return SnapshotStation.model_validate({**row, "addresses": networks})

"""What ingest does beside receiving: clock, readiness, removal of unfinished writes."""

import asyncio

import structlog

from services.dicom.configuration import Configuration
from services.ingest import metrics
from services.ingest.clock_watch import ClockWatch
from services.ingest.settings import IngestSettings
from services.runtime.app import Runtime
from services.runtime.errors import GatewayError

AGE_SECONDS = 15.0
SWEEP_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Housekeeping:
    """Starts the tasks and adds the readiness checks."""

    def __init__(
        self,
        runtime: Runtime,
        settings: IngestSettings,
        configuration: Configuration,
        clock: ClockWatch,
    ) -> None:
        self._runtime, self._settings = runtime, settings
        self._configuration, self._clock = configuration, clock

    async def start(self) -> None:
        """Measure the clock, then keep doing so."""
        runtime, settings = self._runtime, self._settings
        await asyncio.to_thread(self._clock.measure)
        runtime.health.add_readiness("objects", runtime.objects.ready)  # the watermark counts for who receives
        runtime.health.add_readiness("clock", lambda: self._clock.wrong)
        spawn = runtime.supervisor.spawn
        spawn("clock", lambda: self._clock.watch(runtime.supervisor, settings.clock_check_seconds))
        spawn("snapshot-age", self._watch_age)
        spawn("abandoned-writes", self._sweep_abandoned)

    async def _watch_age(self) -> None:
        while not await self._runtime.supervisor.pause(AGE_SECONDS):
            await asyncio.to_thread(self._runtime.objects.ready)  # the free space is measured when idle, too
            self._configuration.watch_age(self._clock.of_database, database_up=self._runtime.db.available)

    async def _sweep_abandoned(self) -> None:
        while not await self._runtime.supervisor.pause(SWEEP_SECONDS):
            try:
                removed = await asyncio.to_thread(
                    self._runtime.objects.sweep_abandoned, self._settings.abandoned_seconds
                )
            except GatewayError as error:
                log.warning("abandoned_writes_not_swept", reason=str(error))
                continue
            if removed:
                metrics.ABANDONED.inc(removed)
                log.info("abandoned_writes_removed", count=removed)

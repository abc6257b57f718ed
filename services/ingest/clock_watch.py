"""This host's clock against the object store's and the database's: receipts carry its time (design.md section 3)."""

import asyncio

import structlog

from services.dicom.configuration import Configuration
from services.ingest import metrics
from services.runtime.clock import is_alarming, now, refusal
from services.runtime.errors import GatewayError
from services.runtime.objects import ObjectStore
from services.runtime.supervise import Supervisor

PROBE_KEY = "config/clock-probe"

log = structlog.get_logger(__name__)


def ahead_of_database(ahead_of_store: float | None, store_ahead: float | None) -> float | None:
    """Seconds this clock is ahead of the database's, by way of the store's; None while one is not known (pure)."""
    return None if ahead_of_store is None or store_ahead is None else ahead_of_store + store_ahead


class ClockWatch:
    """Measures; ``wrong`` may be read from any thread."""

    def __init__(self, objects: ObjectStore, configuration: Configuration) -> None:
        self._objects, self._configuration = objects, configuration
        self._alarmed = False
        self.of_database: float | None = None
        self.wrong: str | None = None
        """Why instances are refused; None while the clock is right."""

    def measure(self) -> None:
        """Write a small object and compare its time with ours. Blocks; raises nothing."""
        try:
            self._objects.put_bytes(PROBE_KEY, now().isoformat().encode())
        except GatewayError as error:
            log.warning("clock_not_measured", reason=str(error))
        self.judge()

    def judge(self) -> None:
        """Draw the conclusions from what is known."""
        of_store = self._objects.skew()
        self.of_database = ahead_of_database(of_store, self._configuration.store_ahead_seconds)
        for name, skew in (("store", of_store), ("database", self.of_database)):
            if skew is not None:
                metrics.CLOCK_SKEW.labels(name).set(skew)
        self.wrong = refusal("the object store", of_store) or refusal("the database", self.of_database)
        alarming = is_alarming(of_store) or is_alarming(self.of_database)
        metrics.CLOCK_ALARM.set(alarming)
        if alarming and not self._alarmed:
            log.error("clock_wrong", ahead_of_store=of_store, ahead_of_database=self.of_database, refusing=self.wrong)
        self._alarmed = alarming

    async def watch(self, supervisor: Supervisor, seconds: float) -> None:
        """Measure again and again until the process stops; a supervised task."""
        while not await supervisor.pause(seconds):
            await asyncio.to_thread(self.measure)

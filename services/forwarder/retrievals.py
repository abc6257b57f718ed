"""Retrieve jobs of this process: claimed, started, told when they are cancelled (R63 to R70)."""

import asyncio
from collections import Counter
from contextlib import suppress
from uuid import UUID

import structlog

from services.dicom import outgoing
from services.forwarder import retrieval_ledger as ledger
from services.forwarder.retrieval_ledger import Claimed
from services.forwarder.retrieving import Means, Retrieving
from services.runtime.errors import Unavailable

log = structlog.get_logger(__name__)


class Retrievals:
    """As many at a time as associations may be open, and no more of one source than may be open to it (P6)."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._running: dict[UUID, tuple[Claimed, Retrieving]] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    async def attend(self) -> None:
        """Tell those that were cancelled, and start what waits."""
        if self._running:
            async with self._means.database.transaction() as connection:
                for job in await ledger.canceled(connection, list(self._running)):
                    if job in self._running:
                        self._running[job][1].cancel()
        while not self._means.supervisor.stopping.is_set() and len(self._running) < self._means.profile.outgoing:
            holder = outgoing.holder("forwarder")
            async with self._means.database.transaction() as connection:
                lease = self._means.settings.lease_seconds
                claimed = await ledger.claim(connection, holder, lease, self._busy())
            if claimed is None:
                return
            self._start(claimed, holder)

    async def drained(self, seconds: float) -> None:
        """Wait until every job of this process was handed over: each aborts its association when the process stops."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    def _busy(self) -> list[str]:
        counted = Counter(claimed.source for claimed, _ in self._running.values())
        stations = self._means.configuration.stations
        return [
            title
            for title, number in counted.items()
            if title not in stations or number >= stations[title].associations
        ]

    def _start(self, claimed: Claimed, holder: str) -> None:
        retrieving = Retrieving(self._means, claimed, holder)
        self._running[claimed.job] = claimed, retrieving
        self._idle.clear()

        async def run() -> None:
            try:
                await retrieving.run()
            except Unavailable as error:
                log.warning("retrieval_left", job=str(claimed.job), reason=str(error))
            except Exception:
                # Its lease runs out and it is tried again, three times at most.
                log.exception("retrieval_failed", job=str(claimed.job))
            finally:
                # A job whose lease ran out may have been claimed anew by this very process: that one goes on.
                if self._running.get(claimed.job) == (claimed, retrieving):
                    del self._running[claimed.job]
                if not self._running:
                    self._idle.set()

        self._means.supervisor.spawn(f"retrieve {claimed.job}", run, restart=False)

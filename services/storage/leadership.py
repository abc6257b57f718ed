"""One storage process at a time sweeps, deletes and scrubs: whoever holds a lease row."""

import os
import socket
import time
import uuid

import structlog

from services.runtime.db import Database
from services.runtime.errors import GatewayError
from services.runtime.supervise import Supervisor
from services.storage import metrics
from services.storage.records import QUERIES

NAME = "storage.leader"

log = structlog.get_logger(__name__)


class Leadership:
    """Renewed three times a lease. Two leaders for a moment do no harm: all their work is idempotent."""

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self._database, self._lease = database, lease_seconds
        self._holder = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._until = 0.0

    @property
    def held(self) -> bool:
        """Whether this process leads at the moment."""
        return time.monotonic() < self._until

    async def run(self, supervisor: Supervisor) -> None:
        """Take and renew the lease until the process stops, then give it back; a supervised task."""
        while True:
            await self._renew()
            if await supervisor.pause(self._lease / 3):
                await self._give_back()
                return

    async def _renew(self) -> None:
        asked, led = time.monotonic(), self.held
        parameters = {"name": NAME, "holder": self._holder, "seconds": self._lease}
        try:
            async with self._database.transaction() as connection:
                taken = await (await connection.execute(QUERIES.take_lease, parameters)).fetchone()
        except GatewayError as error:
            metrics.LEADING.set(self.held)
            log.debug("lease_not_renewed", reason=str(error))
            return
        self._until = asked + self._lease if taken else 0.0
        metrics.LEADING.set(self.held)
        if self.held != led:
            log.info("leadership_changed", leading=self.held)

    async def _give_back(self) -> None:
        self._until = 0.0
        metrics.LEADING.set(0)
        try:
            async with self._database.transaction(timeout=1) as connection:
                await connection.execute(QUERIES.give_lease_back, {"name": NAME, "holder": self._holder})
        except GatewayError as error:
            log.debug("lease_not_given_back", reason=str(error))

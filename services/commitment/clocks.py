"""What happens because time passed (R80). All times are the database's; each change is made once by whoever looks."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from services.commitment import ledger, metrics
from services.commitment.askable import refusal
from services.commitment.ledger import Limits
from services.commitment.settings import CommitmentSettings
from services.commitment.states import State
from services.commitment.stations import Stations
from services.dicom.profile import Profile
from services.runtime.db import Connection, Database

log = structlog.get_logger(__name__)


class Clocks:
    """The steps of the loops over time."""

    def __init__(
        self, database: Database, stations: Stations, settings: CommitmentSettings, profile: Profile, limits: Limits
    ) -> None:
        self._database = database
        self._stations = stations
        self._settings = settings
        self._profile = profile
        self._limits = limits
        self._measured: set[str] = set()

    async def expire_deadlines(self) -> None:
        """Requests without a report in time are FAILURE, and what no report named is closed."""
        await self._until_few(ledger.expire_deadlines)
        async with self._database.transaction() as connection:
            closed = await ledger.close_failures(connection)
        if closed:
            log.info("commitments_closed", count=closed)

    async def expire_leases(self) -> None:
        """Requests of workers that are gone are UNANSWERED."""

        async def work(connection: Connection) -> list[UUID]:
            return await ledger.expire_leases(connection, self._limits)

        expired = await self._database.retry(work)
        if expired:
            log.warning("commitment_leases_expired", count=len(expired))

    async def give_up(self) -> None:
        """What cannot be asked, or was not reached within its server's retry hours, is FAILURE."""
        await self._stations.refresh()
        await self._give_up_unaskable()
        hours = {station.title: station.retry_hours(self._settings) for station in self._stations.known.values()}

        async def work(connection: Connection) -> list[UUID]:
            return await ledger.give_up(connection, hours, self._settings.retry_hours)

        await self._until_few(work)

    async def measure(self) -> None:
        """Metrics by server; one that has nothing pending shows 0.

        Its failures are counted from 0, because Prometheus sees no increase in a series that begins with 1.
        """
        async with self._database.transaction() as connection:
            found = await ledger.pending(connection)
        servers = {station.title for station in self._stations.known.values() if station.commit_server}
        for title in self._measured | found.keys() | servers:
            count, age = found.get(title, (0, 0.0))
            metrics.PENDING.labels(title).set(count)
            metrics.OLDEST_SECONDS.labels(title).set(age)
            metrics.CHANGES.labels(title, State.FAILURE)
        self._measured |= found.keys()

    async def _give_up_unaskable(self) -> None:
        async with self._database.transaction() as connection:
            servers = await ledger.queued_servers(connection)
        for server in servers:
            reason = refusal(server, self._stations.get(server), self._profile)
            if reason:
                await self._give_up_server(server, reason)

    async def _give_up_server(self, server: str, reason: str) -> None:
        async def work(connection: Connection) -> list[UUID]:
            return await ledger.give_up_server(connection, server, reason)

        await self._until_few(work)

    async def _until_few(self, work: Callable[[Connection], Awaitable[list[UUID]]]) -> None:
        while len(await self._database.retry(work)) == ledger.MOST:
            continue

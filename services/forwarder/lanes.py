"""Lanes: the supervised tasks that send, so many for each destination as associations may be open to it."""

import asyncio
from collections.abc import Callable

import structlog

from services.dicom import outgoing
from services.forwarder import ledger
from services.forwarder.configuration import Configuration, Station
from services.forwarder.means import Destination, Means
from services.forwarder.sender import PASSING, Session
from services.forwarder.transfer import Line, line_to

log = structlog.get_logger(__name__)


class Lane:
    """The place of one association at a time to one destination."""

    def __init__(self, number: int, means: Means, destination: Destination, line: Callable[[Station], Line]) -> None:
        self.session: Session | None = None
        self._number = number
        self._holder = outgoing.holder("forwarder")
        self._means = means
        self._destination = destination
        self._line = line
        self._news = asyncio.Event()
        destination.lanes.append(self._news)

    async def run(self) -> None:
        """Open associations while something is due, until the process stops."""
        supervisor = self._means.supervisor
        with supervisor.calling_on_stop(self._news.set):
            while not supervisor.stopping.is_set():
                await self._news.wait()
                self._news.clear()
                try:
                    while await self._session():
                        continue
                except PASSING as error:
                    log.info("sending_waits_for_the_database", destination=self._destination.title, error=str(error))
                    await supervisor.pause(self._means.settings.poll_seconds)

    async def _session(self) -> bool:
        """One association from beginning to end; False if there is nothing to do."""
        station = self._destination.station()
        stopping = self._means.supervisor.stopping.is_set()
        if stopping or station is None or not station.enabled or station.held or self._number >= station.associations:
            return False
        self.session = Session(self._means, self._destination, station, self._line(station), self._holder)
        try:
            return await self.session.run()
        finally:
            self.session = None


class Lanes:
    """All lanes of this process."""

    def __init__(self, means: Means, configuration: Configuration, aet: str) -> None:
        self._means = means
        self._configuration = configuration
        self._aet = aet
        self._destinations: dict[str, Destination] = {}
        self._lanes: dict[tuple[str, int], Lane] = {}

    def adjust(self) -> None:
        """Start the lanes that the configuration asks for and that are not there yet."""
        for station in self._configuration.stations.values():
            destination = self._destinations.get(station.title)
            if destination is None:
                destination = Destination(
                    station.title, self._current(station.title), lambda: self._configuration.holds
                )
                self._destinations[station.title] = destination
            for number in range(station.associations):
                if (station.title, number) not in self._lanes:
                    lane = Lane(number, self._means, destination, self.line)
                    self._lanes[station.title, number] = lane
                    self._means.supervisor.spawn(f"send to {station.title} {number}", lane.run)

    async def ring_due(self) -> None:
        """Ask the database which destinations have something due, and wake their associations, and their lanes where
        more associations may be opened."""
        stations, lease = self._configuration.stations, self._means.settings.lease_seconds
        async with self._means.database.transaction() as connection:
            due = await ledger.due(connection, self._configuration.not_held(), echoes=self._means.profile.echoes)
            own = {title: stations[title].associations for title in due & stations.keys()}
            full = await outgoing.full(connection, own, lease)
        for title in due & self._destinations.keys():
            self._destinations[title].ring(room=title not in full)

    async def give_way(self) -> None:
        """Ask the database whether somebody waits for an association, and let ours go that keep them waiting."""
        async with self._means.database.transaction() as connection:
            lacking = await outgoing.lacking(connection)
        for (title, _), lane in self._lanes.items():
            if lane.session is not None and not lacking.isdisjoint((title, "")):
                lane.session.give_way()

    async def end_canceled(self) -> None:
        """Ask the database what of that being sent was cancelled, and have the associations end it."""
        sessions = [lane.session for lane in self._lanes.values() if lane.session is not None]
        concerned = [delivery for session in sessions for delivery in session.claimed]
        if not concerned:
            return
        async with self._means.database.transaction() as connection:
            withdrawn = await ledger.withdrawn(connection, concerned)
        for session in sessions:
            session.withdraw(withdrawn)

    async def drained(self, seconds: float) -> None:
        """Wait for the associations to end; abort those that need longer than ``seconds``."""
        waited = 0.0
        while any(lane.session for lane in self._lanes.values()):
            await asyncio.sleep(0.05)
            waited += 0.05
            if waited >= seconds:
                for lane in self._lanes.values():
                    if lane.session is not None:
                        lane.session.abort()
                waited = 0.0

    def _current(self, title: str) -> Callable[[], Station | None]:
        return lambda: self._configuration.stations.get(title)

    def line(self, station: Station) -> Line:
        """How to reach a station."""
        return line_to(station, self._means.profile, self._aet, self._means.settings.connect_seconds)

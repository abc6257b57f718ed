"""C-ECHO to destinations whose circuit is open: no instance is risked to find out whether they are back."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import structlog

from services.dicom import outgoing
from services.dicom.contexts import UNCOMPRESSED, VERIFICATION
from services.dicom.errors import AssociationError
from services.dicom.requestor import Requestor
from services.dicom.status import SUCCESS, classify, name
from services.forwarder import destinations, jobs, ledger
from services.forwarder.classify import Trouble
from services.forwarder.configuration import Configuration, Station
from services.forwarder.failing import destination_failed
from services.forwarder.means import Means
from services.forwarder.transfer import Line, trouble_of
from services.runtime.errors import GatewayError

ECHO_SECONDS = 5.0  # for the answer
SLOT_SECONDS = 5.0

log = structlog.get_logger(__name__)


class Probes:
    """The use case *ask whether a destination is back*; one question to each at a time, over all processes."""

    def __init__(self, means: Means, configuration: Configuration, line: Callable[[Station], Line]) -> None:
        self._means = means
        self._configuration = configuration
        self._line = line
        self._asking: set[str] = set()

    async def attend(self) -> None:
        """Ask those whose time has come, side by side."""
        if not self._means.profile.echoes:
            return
        async with self._means.database.transaction() as connection:
            wanting = await destinations.wanting_echo(connection, self._configuration.enabled())
        for title in wanting - self._asking:
            if station := self._configuration.stations.get(title):
                self._asking.add(title)
                self._means.supervisor.spawn(f"echo to {title}", partial(self._ask, station), restart=False)

    async def _ask(self, station: Station) -> None:
        means = self._means
        lease = means.settings.lease_seconds
        wanted = outgoing.Wanted(
            station.title, outgoing.holder("probe"), station.associations, means.profile.outgoing, lease
        )
        try:
            async with outgoing.slot(means.database, wanted, wait_seconds=SLOT_SECONDS):
                if await self._begin(station.title):
                    await self._record(station, await self._echo(station))
        except GatewayError as error:
            log.info("destination_not_asked", destination=station.title, error=str(error))
        finally:
            self._asking.discard(station.title)

    async def _begin(self, title: str) -> bool:
        """Whether it is still to be asked; then nobody else does meanwhile."""
        async with self._means.database.transaction() as connection:
            await ledger.lock_destination(connection, title)
            wanted = (await destinations.circuit(connection, title)).wants_echo
            if wanted:
                await destinations.hold_probe(connection, title, self._means.settings.lease_seconds)
        return wanted

    async def _echo(self, station: Station) -> Trouble | None:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._means.threads, echo, self._line(station))
        except Exception as error:
            log.error("echo_failed", destination=station.title, exc_info=error)
            return Trouble(f"the gateway's own fault: {type(error).__name__}", alarm=True)

    async def _record(self, station: Station, trouble: Trouble | None) -> None:
        async with self._means.database.transaction() as connection:
            await ledger.lock_destination(connection, station.title)
            if trouble is not None:
                await destination_failed(connection, self._means, station, trouble)
                return
            await destinations.half_open(connection, station.title)
            await jobs.notify(connection, {station.title})
        log.info("destination_answered", destination=station.title)


def echo(line: Line) -> Trouble | None:
    """Ask for a C-ECHO, in the caller's thread; what is wrong, or None.

    A station that accepts the association and not the Verification SOP class cannot be asked more.
    """
    proposals = line.profile.proposals([(VERIFICATION, syntax) for syntax in reversed(UNCOMPRESSED)])
    guards = replace(line.guards, response_seconds=min(ECHO_SECONDS, line.guards.response_seconds))
    try:
        with Requestor.connect(line.peer, proposals, guards, implementation=line.profile.implementation) as requestor:
            if all(each.abstract_syntax != VERIFICATION for each in requestor.association.contexts.values()):
                return None
            status = requestor.echo()
    except AssociationError as error:
        return trouble_of(error)
    if classify(status) is SUCCESS:
        return None
    return Trouble(f"C-ECHO answered with status {status:04X} {name(status)}".rstrip())

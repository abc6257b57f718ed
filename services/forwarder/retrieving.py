"""One retrieve job: C-MOVEs one after the other on one association, each committed before it is sent (R63 to R70)."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from services.dicom import outgoing
from services.dicom.asked_keys import retrieved
from services.dicom.calling import peer_of
from services.dicom.contexts import UNCOMPRESSED
from services.dicom.errors import AssociationError
from services.dicom.guards import Guards
from services.dicom.identifiers import encode_identifier
from services.dicom.pending import Progress
from services.dicom.profile import Profile
from services.dicom.query_models import MOVE, sop_classes
from services.dicom.requestor import Requestor
from services.forwarder import metrics
from services.forwarder import retrieval_ledger as ledger
from services.forwarder.configuration import Configuration, Station
from services.forwarder.retrieval_ledger import Claimed, LeaseLost, Move
from services.forwarder.retrieval_states import MOST_TAKEOVERS, MoveEnd, MoveState, move_end
from services.forwarder.settings import ForwarderSettings
from services.runtime.db import Connection, Database
from services.runtime.errors import GatewayError, Unavailable
from services.runtime.supervise import Supervisor

STUDY_ROOT_MOVE: Final = sop_classes(MOVE)[1]
RENEWALS_PER_LEASE: Final = 6
LONGEST_WAIT_SECONDS: Final = 7 * 86_400.0
"""For an outgoing association; the job is QUEUED meanwhile."""

T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Means:
    """What retrieving stands on."""

    database: Database
    configuration: Configuration
    settings: ForwarderSettings
    profile: Profile
    aet: str
    supervisor: Supervisor
    threads: ThreadPoolExecutor


class _Ended(Exception):
    """The job was cancelled, or the process stops, before an association was free."""


class Retrieving:
    """From the claim of a job to its last record. ``holder`` is the name of its leases."""

    def __init__(self, means: Means, claimed: Claimed, holder: str) -> None:
        self._means, self._claimed, self._holder = means, claimed, holder
        self._canceled = threading.Event()
        self._requestor: Requestor | None = None
        self._seen = self._told = Progress()
        self._lost = False
        self._renewed_at = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Carry the job out. Raises ``Unavailable`` when the process stops while the database is away."""
        try:
            reason = self._refusal()
            if reason:
                await self._write(lambda connection: self._fail(connection, reason))
            else:
                await self._within_slot()
            end = await self._write(lambda connection: ledger.give_back(connection, self._claimed.job, self._holder))
        except LeaseLost:
            log.warning("retrieval_lease_lost", job=str(self._claimed.job))
            return
        if end is not None:
            metrics.RETRIEVALS.labels(end.state.value).inc()

    def cancel(self) -> None:
        """A person cancelled the job: a C-CANCEL goes out at once (R67)."""
        self._canceled.set()

    def abort(self) -> None:
        """The process stops, or the lease is lost: end the association. What was under way is asked again later."""
        self._lost = True
        if self._requestor is not None:
            self._requestor.association.abort()

    def _refusal(self) -> str:
        station = self._station()
        title = self._claimed.source
        if self._claimed.takeovers >= MOST_TAKEOVERS:
            return f"{self._claimed.takeovers} workers ended while they retrieved; 'gateway jobs retry' asks again"
        if station is None:
            return f"station {title} is not defined: add it, then retry the job"
        if not station.enabled or not station.query_retrieve:
            return f"station {title} is disabled or no query source (--query-retrieve): change it, then retry the job"
        return ""

    def _station(self) -> Station | None:
        return self._means.configuration.stations.get(self._claimed.source)

    async def _within_slot(self) -> None:
        station = self._station()
        assert station is not None  # noqa: S101 - see _refusal
        profile, lease = self._means.profile, self._means.settings.lease_seconds
        wanted = outgoing.Wanted(station.title, self._holder, station.associations, profile.outgoing, lease)
        try:
            async with outgoing.slot(
                self._means.database, wanted, wait_seconds=LONGEST_WAIT_SECONDS, on_wait=self._wait, on_lost=self.abort
            ):
                while await self._association(station):
                    continue
        except _Ended:
            return

    async def _wait(self) -> None:
        await self._look()
        if self._canceled.is_set() or self._means.supervisor.stopping.is_set():
            raise _Ended

    async def _association(self, station: Station) -> bool:
        """One association for what is left; True if another one is needed for the rest."""
        job, holder = self._claimed.job, self._holder
        moves = await self._write(lambda connection: ledger.open_moves(connection, job, holder))
        if not moves or self._over():
            return False
        await self._write(lambda connection: ledger.activate(connection, job))
        try:
            requestor = await self._watched(lambda: self._connect(station))
        except GatewayError as error:
            reason = str(error)
            if not self._over():
                await self._write(lambda connection: self._fail(connection, reason))
            return False
        self._requestor = requestor
        try:
            return await self._moves(requestor, moves)
        finally:
            self._requestor = None
            await self._in_thread(requestor.abort if self._lost else requestor.release)

    async def _moves(self, requestor: Requestor, moves: list[Move]) -> bool:
        """Ask one after the other (R65, R68); True when the association ended before the last."""
        for number, move in enumerate(moves, 1):
            if self._over():
                return False
            end = await self._asked(requestor, move)
            if end is None:
                return False
            if end.refused or not requestor.alive():
                return number < len(moves)
        return False

    async def _asked(self, requestor: Requestor, move: Move) -> MoveEnd | None:
        """One C-MOVE and its end, both recorded; None when it is to be asked again later."""
        job, holder = self._claimed.job, self._holder
        self._seen = self._told = Progress()
        await self._write(lambda connection: ledger.begin_move(connection, job, holder, move))
        end = await self._watched(lambda: self._move(requestor, move), move)
        if self._lost:
            return None
        await self._write(lambda connection: ledger.end_move(connection, job, holder, move, end, self._seen))
        return end

    def _over(self) -> bool:
        return self._lost or self._canceled.is_set() or self._means.supervisor.stopping.is_set()

    async def _fail(self, connection: Connection, reason: str) -> None:
        await ledger.fail_open_moves(connection, self._claimed.job, self._holder, reason)

    # In a thread.

    def _connect(self, station: Station) -> Requestor:
        profile, settings = self._means.profile, self._means.settings
        peer = peer_of(station, self._means.aet, profile)
        guards: Guards = profile.guards(
            connect_seconds=settings.connect_seconds,
            response_seconds=profile.response_seconds("move", station.move_seconds),
        )
        proposals = profile.proposals([(STUDY_ROOT_MOVE, syntax) for syntax in reversed(UNCOMPRESSED)])
        requestor = Requestor.connect(peer, proposals, guards, implementation=profile.implementation)
        if requestor.first_context(STUDY_ROOT_MOVE) is None:
            requestor.release()
            raise GatewayError(f"{station.title} accepted the association but not the SOP class {STUDY_ROOT_MOVE}")
        return requestor

    def _move(self, requestor: Requestor, move: Move) -> MoveEnd:
        context = requestor.first_context(STUDY_ROOT_MOVE)
        assert context is not None  # noqa: S101 - see _connect
        uid = move.sop_instance_uid or move.series_instance_uid or move.study_instance_uid
        keys = retrieved(move.level, move.study_instance_uid, move.series_instance_uid, uid)
        identifier = encode_identifier(move.level, keys, context.transfer_syntax)
        try:
            response = requestor.move(
                context, identifier, self._claimed.destination, progress=self._progressed,
                canceled=self._canceled.is_set,
            )  # fmt: skip
            self._progressed(Progress.of(response.command))
        except AssociationError as error:
            if self._canceled.is_set():
                return MoveEnd(MoveState.CANCELED, f"cancelled; the association ended without a status: {error}")
            return MoveEnd(MoveState.FAILED, f"the answer was lost, what came is kept: {error}")
        return move_end(response.status, response.comment, self._seen)

    def _progressed(self, seen: Progress) -> None:
        self._seen = seen.after(self._seen)

    # In the loop.

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._means.threads, work)

    async def _watched(self, work: Callable[[], T], move: Move | None = None) -> T:
        """Run in a thread; meanwhile the lease is renewed and progress written. The process's end aborts it."""
        running = asyncio.get_running_loop().run_in_executor(self._means.threads, work)
        with self._means.supervisor.calling_on_stop(self.abort):
            while not (await asyncio.wait([running], timeout=self._means.settings.poll_seconds))[0]:
                try:
                    await self._look(move)
                except LeaseLost:
                    self.abort()
                    await asyncio.wait([running])
                    raise
        return running.result()

    async def _look(self, move: Move | None = None) -> None:
        """Write what is new of a C-MOVE, renew the lease when it is time to, and learn whether the job was cancelled.

        Raises ``LeaseLost``.
        """
        loop, lease, seen = asyncio.get_running_loop(), self._means.settings.lease_seconds, self._seen
        news = move if seen != self._told else None
        if news is None and loop.time() - self._renewed_at < lease / RENEWALS_PER_LEASE:
            return
        asked_at = loop.time()
        try:
            async with self._means.database.transaction(timeout=1) as connection:
                if await ledger.renew(connection, self._claimed.job, self._holder, lease):
                    self.cancel()
                if news is not None:
                    await ledger.progress(connection, self._claimed.job, news, seen)
            self._renewed_at, self._told = asked_at, seen
        except Unavailable as error:
            log.info("retrieval_waits_for_the_database", job=str(self._claimed.job), error=str(error))
            if asked_at - self._renewed_at > lease * (1 - 2 / RENEWALS_PER_LEASE):
                raise LeaseLost from error

    async def _write(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """A transaction, tried again while the database is away; given up when the process stops."""
        while True:
            try:
                return await self._means.database.retry(work)
            except Unavailable:
                if await self._means.supervisor.pause(self._means.settings.poll_seconds):
                    raise

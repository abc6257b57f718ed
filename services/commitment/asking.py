"""Who asks the commit servers: claims what is due, fairly over servers, and keeps its leases while a thread asks."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from services.commitment import ledger, metrics, outcomes
from services.commitment.association import Exchange, line_to
from services.commitment.ground import Ground
from services.commitment.ledger import Inquiry, Limits
from services.commitment.outcomes import ATTEMPT_OUTCOMES, Outcome
from services.commitment.settings import CommitmentSettings
from services.commitment.states import Event
from services.commitment.stations import Station
from services.dicom import outgoing
from services.dicom.commitment import new_transaction_uid
from services.runtime import traces
from services.runtime.db import Connection
from services.runtime.errors import GatewayError
from services.runtime.wake import Wake

RENEWALS_PER_LEASE = 3
MARGIN_FRACTION = 1 / 6  # of the lease: then the association is aborted, before anyone else may ask
DATABASE_PAUSE_SECONDS = 1.0
GRACE_SECONDS = 2.0  # for the answer to an N-ACTION that a report has decided, or a person has cancelled
ARTIM_SECONDS = 10.0
SHARE = 2  # one server has at most this part of all requests under way, whatever its own limit is

log = structlog.get_logger(__name__)


def limits_of(settings: CommitmentSettings, station: Station | None) -> Limits:
    """The limits for one server; None: for one without its own."""
    return Limits(
        commit=station.limit_seconds(settings) if station else settings.limit_seconds,
        lease=settings.lease_seconds,
        answer=settings.answer_seconds,
        most_unanswered=settings.most_unanswered,
        connecting=settings.connect_seconds + ARTIM_SECONDS,
    )


def share(own: int, all_together: int) -> int:
    """How many requests to one server a process has under way at most: a slow one leaves room for the others (P6)."""
    return min(own, max(1, all_together // SHARE))


class Session:
    """One request: from its claim to its last record."""

    def __init__(self, ground: Ground, station: Station, inquiry: Inquiry, claimed_at: float) -> None:
        self.server = station.title
        self._ground = ground
        self._station = station
        self._inquiry = inquiry
        self._limits = limits_of(ground.settings, station)
        self._leased_at = claimed_at
        self._renewed_at = claimed_at
        self._began = time.time_ns()
        self._lost_since: float | None = None
        self._outcome: Outcome | None = None  # reported by the thread
        self._recorded = False
        self._news = asyncio.Event()
        settings = ground.settings
        line = line_to(
            station, ground.profile, ground.runtime.settings.aet, settings.connect_seconds, settings.linger_seconds
        )
        self._exchange = Exchange(line, inquiry, self._report_from_thread, ground.reports)

    def abort(self) -> None:
        """End the association now."""
        self._exchange.abort()

    def hurry(self) -> None:
        """Somebody waits for the association: do not wait for a report on it."""
        self._exchange.hurry()

    async def run(self) -> None:
        """Ask, and record what became of it."""
        thread = self._ground.runtime.loop.run_in_executor(self._ground.threads, self._exchange.run)
        thread.add_done_callback(lambda _: self._news.set())
        try:
            while not thread.done():
                await self._wait()
                await self._record_once()
                await self._keep()
            await asyncio.sleep(0)  # the outcome that the thread reported last is on its way
            thread.result()
        except Exception as error:
            log.error("commitment_association_failed", server=self.server, exc_info=error)
            self.abort()
        await self._finish()

    def _report_from_thread(self, outcome: Outcome) -> None:
        self._ground.runtime.loop.call_soon_threadsafe(self._report, outcome)

    def _report(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._news.set()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._ground.settings.poll_seconds):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()

    async def _record_once(self) -> None:
        """Record the outcome while the association may linger; what the database cannot take now is recorded later."""
        if self._outcome is None or self._recorded:
            return
        try:
            await self._record(self._outcome)
        except GatewayError as error:
            log.warning("commitment_not_recorded", server=self.server, error=str(error))
            self._news.set()
            await self._ground.runtime.supervisor.pause(DATABASE_PAUSE_SECONDS)

    async def _record(self, outcome: Outcome) -> None:
        delay = outcomes.delay(outcome, self._inquiry.attempts, random.random())  # noqa: S311 - jitter, no secret
        exchange = self._exchange

        async def work(connection: Connection) -> None:
            await ledger.record(
                connection,
                self._inquiry,
                outcome,
                self._limits,
                delay=delay,
                association=exchange.association,
                milliseconds=exchange.milliseconds,
            )

        await self._ground.runtime.db.retry(work)
        self._recorded = True
        traces.record(traces.ASKED, self._began, self._spans(outcome))
        word = ATTEMPT_OUTCOMES[outcome.event]
        metrics.REQUESTS.labels(self.server, word).inc()
        if word != "ACCEPTED":
            log.warning(
                "commitment_not_accepted",
                server=self.server,
                commitment=str(self._inquiry.commitment),
                transaction_uid=self._inquiry.transaction_uid,
                outcome=word,
                reason=outcome.reason,
            )

    def _spans(self, outcome: Outcome) -> Iterator[traces.Span]:
        """One request is about many instances: a span in the trace of each."""
        inquiry = self._inquiry
        told: dict[str, str | int] = {
            "dicom.transaction_uid": inquiry.transaction_uid,
            "dicom.called_aet": self.server,
            "gateway.commitment": str(inquiry.commitment),
            "gateway.association": self._exchange.association,
            "gateway.outcome": ATTEMPT_OUTCOMES[outcome.event],
        }
        if outcome.status is not None:
            told["dicom.status"] = f"{outcome.status:04X}"
        failed = outcome.event is not Event.ACCEPT
        for object_key, delivery in inquiry.sent:
            yield traces.Span(object_key, told, inquiry.transaction_uid, after=str(delivery), failed=failed)

    async def _keep(self) -> None:
        """Renew in time and look whether it is still ours; abort when it is not, or when nobody can tell."""
        lease, asked_at = self._limits.lease, time.monotonic()
        try:
            async with self._ground.runtime.db.transaction() as connection:
                if asked_at - self._renewed_at >= lease / RENEWALS_PER_LEASE:
                    await ledger.renew(connection, self._inquiry, lease)
                    if not await outgoing.renew(connection, self._inquiry.holder, lease):
                        log.error("outgoing_slot_lost", station=self.server)
                        self.abort()
                    self._renewed_at = asked_at
                held = self._recorded or await ledger.holds(connection, self._inquiry)
            self._leased_at = self._renewed_at
            self._judge(held=held, now=asked_at)
        except GatewayError as error:
            log.warning("commitment_lease_not_renewed", server=self.server, error=str(error))
        if time.monotonic() - self._leased_at > lease * (1 - MARGIN_FRACTION):
            log.error("association_aborted_for_its_lease", server=self.server)
            self.abort()

    def _judge(self, *, held: bool, now: float) -> None:
        if held:
            self._lost_since = None
        elif self._lost_since is None:
            self._lost_since = now
        elif now - self._lost_since >= GRACE_SECONDS:
            log.info("association_aborted", server=self.server, commitment=str(self._inquiry.commitment))
            self.abort()

    async def _finish(self) -> None:
        """Record if that could not be done before, and free the slots; while the process runs, as long as it takes."""
        supervisor = self._ground.runtime.supervisor
        while True:
            try:
                if self._outcome is not None and not self._recorded:
                    await self._record(self._outcome)
                async with self._ground.runtime.db.transaction() as connection:
                    await outgoing.give_back(connection, self._inquiry.holder)
                return
            except GatewayError as error:
                log.warning("commitment_not_recorded", server=self.server, error=str(error))
                if await supervisor.pause(DATABASE_PAUSE_SECONDS):
                    return  # the lease runs out, and it is UNANSWERED


@dataclass
class Asking:
    """All requests of this process."""

    ground: Ground
    wake: Wake
    sessions: list[Session] = field(default_factory=list)
    _holders: dict[str, str] = field(default_factory=dict)  # by server: the name that stands in line for it
    _attending: asyncio.Lock = field(default_factory=asyncio.Lock)  # what it claims, it begins

    async def attend(self) -> None:
        """Ask what is due: one of each server, then the next of each, as far as there is room."""
        async with self._attending:
            await self._attend()

    async def _attend(self) -> None:
        ground = self.ground
        await ground.stations.refresh()
        askable = [station.title for station in ground.stations.known.values() if self._askable(station)]
        async with ground.runtime.db.transaction() as connection:
            due = await ledger.due(connection, askable)
        self._hurry(due)
        while due and not ground.runtime.supervisor.stopping.is_set():
            due = [server for server in due if self._has_room(server) and await self._begin(server)]

    async def drained(self, seconds: float) -> None:
        """Wait for the associations to end, for no report; abort those that need longer than ``seconds``."""
        limit = time.monotonic() + seconds
        while self.sessions or self._attending.locked():
            for session in self.sessions:
                session.hurry()
                if time.monotonic() >= limit:
                    session.abort()
            await asyncio.sleep(0.05)

    def _askable(self, station: Station) -> bool:
        return station.enabled and station.commit_server

    def _under_way(self, server: str) -> Iterator[Session]:
        return (session for session in self.sessions if session.server == server)

    def _hurry(self, servers: Sequence[str]) -> None:
        for session in self.sessions:
            if session.server in servers:
                session.hurry()

    def _has_room(self, server: str) -> bool:
        station = self.ground.stations.get(server)
        most = self.ground.settings.associations
        if station is None or len(self.sessions) >= most:
            return False
        return sum(1 for _ in self._under_way(server)) < share(station.associations, most)

    async def _begin(self, server: str) -> bool:
        """Claim one and start to ask; False if nothing was due, or no association is free."""
        station = self.ground.stations.get(server)
        if station is None:
            return False
        holder = self._holders.setdefault(server, outgoing.holder("commitment"))
        claimed_at = time.monotonic()
        try:
            async with self.ground.runtime.db.transaction() as connection:
                inquiry = await self._claim(connection, station, holder)
        except outgoing.NoSlot as full:
            async with self.ground.runtime.db.transaction() as connection:
                await outgoing.stand_in_line(connection, self._wanted(station, holder), full.lacking)
            return False
        if inquiry is None:
            return False
        del self._holders[server]
        self._start(Session(self.ground, station, inquiry, claimed_at))
        return True

    async def _claim(self, connection: Connection, station: Station, holder: str) -> Inquiry | None:
        """Row, attempt, deadline and slots in one transaction, committed before the association opens."""
        limits = limits_of(self.ground.settings, station)
        inquiry = await ledger.claim(connection, station.title, new_transaction_uid(), holder, limits)
        if inquiry is not None:
            await outgoing.take(connection, self._wanted(station, holder))
        return inquiry

    def _wanted(self, station: Station, holder: str) -> outgoing.Wanted:
        together, lease = self.ground.profile.outgoing, self.ground.settings.lease_seconds
        return outgoing.Wanted(station.title, holder, station.associations, together, lease)

    def _start(self, session: Session) -> None:
        self.sessions.append(session)

        async def run() -> None:
            try:
                await session.run()
            finally:
                self.sessions.remove(session)
                self.wake.ring()

        self.ground.runtime.supervisor.spawn(f"ask {session.server}", run, restart=False)

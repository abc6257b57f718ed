"""One association to one destination from the loop's side: claims, gives to the thread, records, renews."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from services.dicom import outgoing
from services.dicom.contexts import COMMITMENT_PUSH
from services.dicom.profile import Profile
from services.forwarder import jobs, ledger, metrics
from services.forwarder.circuit import Circuit, after_postponed, after_trouble
from services.forwarder.classify import Trouble
from services.forwarder.configuration import Station
from services.forwarder.delivery import Delivery, Outcome, Result
from services.forwarder.outcomes import result, unsent
from services.forwarder.preparation import Preparation
from services.forwarder.settings import ForwarderSettings
from services.forwarder.states import Event
from services.forwarder.transfer import Line, Transfer
from services.runtime.db import Connection, Database
from services.runtime.errors import GatewayError, Unavailable
from services.runtime.supervise import Supervisor

RENEWALS_PER_LEASE = 3
MARGIN_FRACTION = 1 / 6  # of the lease: then the association is aborted, before anyone else may send
DATABASE_PAUSE_SECONDS = 1.0
SHARE_SECONDS = 5.0  # of work: then an association that keeps others waiting ends, so that each gets its turn

log = structlog.get_logger(__name__)


@dataclass
class Destination:
    """What the associations to one destination share in this process.

    Its lock keeps them from queueing for connections of the pool while they wait for one another in the database.
    """

    title: str
    station: Callable[[], Station | None]  # as configured at the moment
    holds: Callable[[], frozenset[tuple[str, str]]]  # in force at the moment
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    listeners: list[asyncio.Event] = field(default_factory=list)

    def ring(self) -> None:
        """Something may be due."""
        for listener in self.listeners:
            listener.set()


@dataclass(frozen=True)
class Means:
    """What sending stands on."""

    database: Database
    preparation: Preparation
    settings: ForwarderSettings
    profile: Profile
    supervisor: Supervisor
    threads: ThreadPoolExecutor


class Session:
    """One association: from its first claim to its last record. ``holder`` is the name of its leases."""

    def __init__(self, means: Means, destination: Destination, station: Station, line: Line, holder: str) -> None:
        self._means = means
        self._destination = destination
        self._station = station
        self._holder = holder
        self._known_holds = destination.holds()  # claims keep to these; the cache may know their end a second late
        self._loop = asyncio.get_running_loop()
        self._claimed: dict[int, tuple[Delivery, float]] = {}  # with the monotonic time of the claim
        self._outcomes: list[Outcome] = []  # reported by the thread, not recorded yet
        self._news = asyncio.Event()
        self._probing = False
        self._giving_way = False
        self._canceled_at: float | None = None  # when the job of the delivery under way was found cancelled
        self._looked_at = 0.0
        self._opened_at = self._leased_at = 0.0
        self._transfer = Transfer(line, means.preparation, self._report_from_thread)

    async def run(self) -> bool:
        """Send until nothing is due; False if there was nothing to claim or no slot free."""
        first = await self._begin()
        if not first:
            return False
        self._destination.listeners.append(self._news)
        with metrics.ASSOCIATIONS.track_inprogress():
            for delivery in first:
                self._transfer.inbox.put(delivery)
            thread = self._loop.run_in_executor(self._means.threads, self._transfer.run, first)
            thread.add_done_callback(lambda _: self._news.set())
            try:
                await self._feed(thread)
            finally:
                self._transfer.stop()
                self._destination.listeners.remove(self._news)
            trouble = await self._ended(thread)
        await self._finish(trouble)
        return True

    def abort(self) -> None:
        """End the association now; what was under way is UNKNOWN or goes back."""
        self._transfer.abort()

    def give_way(self) -> None:
        """Somebody waits for an association: end, at once if there is no work, else after a fair time."""
        if not self._claimed or time.monotonic() - self._opened_at >= SHARE_SECONDS:
            self._giving_way = True
            self._news.set()

    def _report_from_thread(self, outcome: Outcome) -> None:
        self._loop.call_soon_threadsafe(self._report, outcome)

    def _report(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._news.set()

    async def _begin(self) -> list[Delivery]:
        """Take slots and the first deliveries in one transaction, committed before the association opens."""
        settings, title = self._means.settings, self._destination.title
        asked_at = time.monotonic()
        async with self._destination.lock:
            try:
                async with self._means.database.transaction() as connection:
                    await ledger.lock_destination(connection, title)
                    circuit = await ledger.circuit(connection, title)
                    first = await ledger.claim(
                        connection,
                        title,
                        circuit.allowance(settings.in_doubt),
                        self._holder,
                        settings.lease_seconds,
                        self._means.profile.unsendable,
                    )
                    await self._take_slots(connection, needed=bool(first))
                    self._probing = circuit.open
                    if first and circuit.open:
                        await ledger.hold_probe(connection, title, settings.lease_seconds)
            except outgoing.NoSlot as full:
                await self._stand_in_line(full)
                return []
        self._opened_at = self._leased_at = asked_at
        self._claimed = {delivery.id: (delivery, asked_at) for delivery in first}
        return first

    def _wanted(self) -> outgoing.Wanted:
        own, lease = self._station.associations, self._means.settings.lease_seconds
        return outgoing.Wanted(self._destination.title, self._holder, own, self._means.profile.outgoing, lease)

    async def _take_slots(self, connection: Connection, *, needed: bool) -> None:
        if needed:
            await outgoing.take(connection, self._wanted())
        else:
            await outgoing.give_back(connection, self._holder)  # a place in line

    async def _stand_in_line(self, full: outgoing.NoSlot) -> None:
        """Only for the limit of all: where the station's is reached, somebody is sending to it already."""
        if full.lacking:
            return
        async with self._means.database.transaction() as connection:
            await outgoing.stand_in_line(connection, self._wanted(), full.lacking)

    async def _feed(self, thread: "asyncio.Future[Trouble | None]") -> None:
        """Record what comes and claim more, until the thread ends, the process stops, nothing is due for a while, or
        others wait for an association."""
        idle_since: float | None = None
        while not thread.done() and not self._to_end():
            rung = await self._wait(idle=not self._claimed)
            if self._outcomes or (rung and len(self._claimed) < self._means.settings.in_doubt):
                await self._record_and_claim()
            await self._renew()
            await self._end_what_was_canceled()
            if self._claimed:
                idle_since = None
            elif self._giving_way:
                return
            elif idle_since is None:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since >= self._means.settings.idle_seconds:
                return

    def _to_end(self) -> bool:
        """The process stops, the station was changed or held, or something claimed was."""
        if self._means.supervisor.stopping.is_set() or self._destination.station() != self._station:
            return True
        new = self._destination.holds() - self._known_holds
        return bool(new) and any(new & delivery.holdable_by for delivery, _ in self._claimed.values())

    async def _wait(self, *, idle: bool) -> bool:
        """Until an outcome, the thread's end or a ring: True; or the poll interval: False."""
        limit = self._means.settings.poll_seconds
        try:
            async with asyncio.timeout(min(limit, self._means.settings.idle_seconds) if idle else limit):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True

    async def _record_and_claim(self) -> None:
        """One transaction: what became of deliveries, and as many new ones as may be in doubt."""
        outcomes = list(self._outcomes)
        most = self._means.settings.in_doubt - (len(self._claimed) - len(outcomes))
        asked_at = time.monotonic()
        try:
            async with self._destination.lock:
                more = await self._means.database.retry(lambda connection: self._exchange(connection, outcomes, most))
        except Unavailable as error:
            log.warning("deliveries_not_recorded", destination=self._destination.title, error=str(error))
            await self._means.supervisor.pause(DATABASE_PAUSE_SECONDS)
            self._news.set()
            return
        self._done(outcomes)
        for delivery in more:
            self._claimed[delivery.id] = (delivery, asked_at)
            self._transfer.inbox.put(delivery)

    async def _exchange(self, connection: Connection, outcomes: Sequence[Outcome], most: int) -> list[Delivery]:
        title, settings = self._destination.title, self._means.settings
        await ledger.lock_destination(connection, title)
        await self._record(connection, self._results(outcomes))
        circuit = await self._mark_circuit(connection, outcomes)
        allowed = 0 if circuit.open or self._giving_way else most
        return await ledger.claim(
            connection, title, allowed, self._holder, settings.lease_seconds, self._means.profile.unsendable
        )

    async def _record(self, connection: Connection, results: Sequence[Result]) -> None:
        commitment = self._means.profile.serves(COMMITMENT_PUSH)
        await ledger.record(connection, results, self._holder, commitment=commitment)

    async def _mark_circuit(self, connection: Connection, outcomes: Sequence[Outcome]) -> Circuit:
        """Any answer but "not at the moment" closes the circuit; only such answers open it after a while."""
        title = self._destination.title
        circuit = await ledger.circuit(connection, title)
        answers = [outcome for outcome in outcomes if outcome.answered]
        final = [outcome.verdict for outcome in answers if outcome.verdict.event is not Event.POSTPONE]
        if final:
            refusals = [verdict.reason for verdict in final if verdict.event is Event.REFUSE]
            await ledger.close_circuit(
                connection,
                title,
                succeeded=len(refusals) < len(final),
                refusal=refusals[-1] if refusals else None,
            )
            return Circuit()
        if not answers or (circuit.open and not self._probing):
            return circuit
        setback = after_postponed(circuit, _fraction())
        await ledger.set_back(connection, title, setback, answers[-1].verdict.reason)
        return setback.circuit

    def _results(self, outcomes: Sequence[Outcome]) -> list[Result]:
        now = time.monotonic()
        return [
            result(outcome, self._station.policy, _fraction(), now - self._claimed[outcome.delivery.id][1])
            for outcome in outcomes
        ]

    def _done(self, outcomes: Sequence[Outcome]) -> None:
        """These are recorded."""
        del self._outcomes[: len(outcomes)]
        for outcome in outcomes:
            self._claimed.pop(outcome.delivery.id, None)
            title = self._destination.title
            metrics.DELIVERIES.labels(title, outcome.verdict.event.value).inc()
            metrics.SEND_SECONDS.labels(title).observe(outcome.milliseconds / 1000)

    async def _renew(self) -> None:
        """Push the leases out in time; abort the association when that cannot be done before they end."""
        lease = self._means.settings.lease_seconds
        asked_at = time.monotonic()
        if asked_at - self._leased_at < lease / RENEWALS_PER_LEASE:
            return
        try:
            async with self._means.database.transaction() as connection:
                await ledger.renew(connection, self._destination.title, self._holder, lease)
                await outgoing.renew(connection, self._holder, lease)
            self._leased_at = asked_at
        except GatewayError as error:
            log.warning("lease_not_renewed", destination=self._destination.title, error=str(error))
        if time.monotonic() - self._leased_at > lease * (1 - MARGIN_FRACTION):
            log.error("association_aborted_for_its_lease", destination=self._destination.title)
            self.abort()

    async def _end_what_was_canceled(self) -> None:
        """Abort when the job of the delivery under way was cancelled a while ago: its answer may never come."""
        number, since = self._transfer.under_way or (0, 0.0)
        poll, now = self._means.settings.poll_seconds, time.monotonic()
        if number not in self._claimed or now - since < poll or now - self._looked_at < poll:
            return
        self._looked_at = now
        if not await self._canceled(self._claimed[number][0]):
            self._canceled_at = None
        elif self._canceled_at is None:
            self._canceled_at = now
        elif now - self._canceled_at >= self._means.settings.cancel_seconds:
            log.info("association_aborted_for_a_cancel", destination=self._destination.title)
            self.abort()

    async def _canceled(self, delivery: Delivery) -> bool:
        try:
            async with self._means.database.transaction() as connection:
                return await jobs.canceled(connection, delivery.job)
        except Unavailable:
            return False

    async def _ended(self, thread: "asyncio.Future[Trouble | None]") -> Trouble | None:
        """Wait for the thread, renewing meanwhile."""
        while not thread.done():
            await asyncio.wait([thread], timeout=self._means.settings.poll_seconds)
            await self._renew()
            await self._end_what_was_canceled()
        try:
            return thread.result()
        except Exception as error:
            log.error("association_failed", destination=self._destination.title, exc_info=error)
            return Trouble(f"the gateway's own fault: {type(error).__name__}", alarm=True)

    async def _finish(self, trouble: Trouble | None) -> None:
        """Record the rest, give back what was not sent, free the slots; as long as it takes while the process runs."""
        await asyncio.sleep(0)  # outcomes the thread reported last are on their way
        while True:
            try:
                await self._means.database.retry(lambda connection: self._conclude(connection, trouble))
            except Unavailable as error:
                log.warning("deliveries_not_recorded", destination=self._destination.title, error=str(error))
                if await self._means.supervisor.pause(DATABASE_PAUSE_SECONDS):
                    return  # the lease runs out, and they are UNKNOWN
            else:
                self._done(list(self._outcomes))
                return

    async def _conclude(self, connection: Connection, trouble: Trouble | None) -> None:
        title = self._destination.title
        await ledger.lock_destination(connection, title)
        decided = {outcome.delivery.id for outcome in self._outcomes}
        rest = [delivery for delivery, _ in self._claimed.values() if delivery.id not in decided]
        reason = trouble.reason if trouble else ""
        results = self._results(self._outcomes) + [unsent(each, reason, tried=trouble is not None) for each in rest]
        await self._record(connection, results)
        await self._mark_circuit(connection, self._outcomes)
        if trouble is not None:
            await self._open_circuit(connection, trouble)
        elif self._probing and rest:
            await ledger.end_probe(connection, title)
        await outgoing.give_back(connection, self._holder)

    async def _open_circuit(self, connection: Connection, trouble: Trouble) -> None:
        title = self._destination.title
        circuit = await ledger.circuit(connection, title)
        setback = after_trouble(circuit, trouble, _fraction(), self._means.settings.slow_retry_seconds)
        await ledger.set_back(connection, title, setback, trouble.reason)
        if trouble.alarm:
            metrics.REJECTED.labels(title).inc()
        log.warning("destination_failed", destination=title, reason=trouble.reason, retry_seconds=setback.delay)


def _fraction() -> float:
    return random.random()  # noqa: S311 - jitter, no secret

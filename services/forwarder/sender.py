"""One association to one destination from the loop's side: claims, gives to the thread, records, renews."""

import asyncio
import random
import time
from collections.abc import Sequence, Set
from contextlib import suppress

import structlog

from services.dicom import outgoing
from services.dicom.contexts import COMMITMENT_PUSH
from services.forwarder import destinations, ledger, metrics
from services.forwarder.circuit import Circuit, after_postponed
from services.forwarder.classify import Trouble, Verdict
from services.forwarder.configuration import Station
from services.forwarder.delivery import Delivery, Outcome, Result
from services.forwarder.failing import destination_failed
from services.forwarder.means import Destination, Means
from services.forwarder.measuring import measure
from services.forwarder.outcomes import result, unreached, unsent
from services.forwarder.states import Event
from services.forwarder.transfer import Line, Transfer
from services.runtime import fail_points
from services.runtime.db import Connection
from services.runtime.errors import Conflict, GatewayError, Unavailable

RENEWALS_PER_LEASE = 3
MARGIN_FRACTION = 1 / 6  # of the lease: then the association is aborted, before anyone else may send
DATABASE_PAUSE_SECONDS = 1.0
GATHER_SECONDS = 0.05  # outcomes wait so long for others while there is something to send
PASSING = (Unavailable, Conflict)  # what the database does not take now it takes later
UNLIMITED = 1 << 62
SHARE_SECONDS = 5.0  # of work: then an association that keeps others waiting ends, so that each gets its turn

log = structlog.get_logger(__name__)


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
        self._heard = False  # the destination answered a C-STORE
        self._giving_way = False
        self._taken = 0  # deliveries, since the association was begun
        self._opened_at = self._leased_at = 0.0
        self._transfer = Transfer(line, means.preparation, destination.presence, self._report_from_thread)

    async def run(self) -> bool:
        """Send until nothing is due; False if there was nothing to claim or no slot free."""
        first = await self._begin()
        if not first:
            return False
        fail_points.reached("forwarder.claimed")
        self._destination.sessions.append(self._news)
        with metrics.ASSOCIATIONS.track_inprogress():
            for delivery in first:
                self._transfer.offer(delivery)
            thread = self._loop.run_in_executor(self._means.threads, self._transfer.run, first)
            thread.add_done_callback(lambda _: self._news.set())
            try:
                await self._feed(thread)
            finally:
                self._transfer.stop()
                self._destination.sessions.remove(self._news)
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

    @property
    def claimed(self) -> list[Delivery]:
        """What it sends, and will."""
        return [delivery for delivery, _ in self._claimed.values()]

    def withdraw(self, deliveries: Set[int]) -> None:
        """These were cancelled: what of them has not begun goes back, what is under way may end, shortly."""
        concerned = deliveries & self._claimed.keys()
        withdrawn, under_way = self._transfer.withdraw(concerned)
        for number in withdrawn:
            self._report(Outcome(self._claimed[number][0], Verdict(Event.GIVE_BACK)))
        if under_way in concerned:
            self._loop.call_later(self._means.settings.cancel_seconds, self._abort_if_under_way, under_way)

    def _abort_if_under_way(self, number: int) -> None:
        if self._transfer.under_way == number:
            log.info("association_aborted_for_a_cancel", destination=self._destination.title)
            self.abort()

    def _report_from_thread(self, outcome: Outcome) -> None:
        self._loop.call_soon_threadsafe(self._report, outcome)

    def _report(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._news.set()

    async def _begin(self) -> list[Delivery]:
        """Take slots and the first deliveries in one transaction, committed before the association opens."""
        asked_at = time.monotonic()
        async with self._destination.lock:
            try:
                async with self._means.database.transaction() as connection:
                    full = await outgoing.look(connection, self._wanted())
                    first = [] if full else await self._claim_first(connection)
            except outgoing.NoSlot as taken_meanwhile:
                full = taken_meanwhile
            if full:
                await self._stand_in_line(full)
                return []
        self._opened_at = self._leased_at = asked_at
        self._claimed = {delivery.id: (delivery, asked_at) for delivery in first}
        self._taken = len(first)
        return first

    async def _claim_first(self, connection: Connection) -> list[Delivery]:
        """The first deliveries, as many as the circuit allows, and the slots for them. Raises ``NoSlot``."""
        settings, title = self._means.settings, self._destination.title
        await ledger.lock_destination(connection, title)
        circuit = await destinations.circuit(connection, title)
        most = circuit.allowance(settings.in_doubt, echoes=self._means.profile.echoes)
        first = await self._claim(connection, most)
        await self._take_slots(connection, needed=bool(first))
        self._probing = circuit.open
        self._transfer.asks = not circuit.open  # only the answer to a C-STORE closes it
        if first and circuit.open:
            await destinations.hold_probe(connection, title, settings.lease_seconds)
        return first

    async def _claim(self, connection: Connection, most: int) -> list[Delivery]:
        """The next deliveries, at the pace of the station and no more than one association may carry."""
        title, settings, pace = self._destination.title, self._means.settings, self._station.pace
        most = min(most, self._share - self._taken)
        if pace.limited and most > 0:
            pause = await destinations.pause_seconds(connection, title)
            self._destination.ring_in(pause)
            most = 0 if pause else pace.allowance(most)
        claimed = await ledger.claim(
            connection,
            title,
            most,
            self._holder,
            settings.lease_seconds,
            self._means.profile.unsendable,
            newest=self._station.order == "newest",
        )
        if pace.limited and claimed:
            await destinations.charge(connection, title, pace.seconds(delivery.size for delivery in claimed))
        return claimed

    @property
    def _share(self) -> int:
        """How many deliveries one association may carry; profile xeleris goes on with the same one (R45)."""
        most = self._station.association_instances
        return UNLIMITED if most is None or self._means.profile.xeleris else most

    def _wanted(self) -> outgoing.Wanted:
        own, lease = self._station.associations, self._means.settings.lease_seconds
        return outgoing.Wanted(self._destination.title, self._holder, own, self._means.profile.outgoing, lease)

    async def _take_slots(self, connection: Connection, *, needed: bool) -> None:
        if needed:
            await outgoing.take(connection, self._wanted())
        else:
            await outgoing.give_back(connection, self._holder)  # a place in line

    async def _stand_in_line(self, full: outgoing.NoSlot) -> None:
        """For the limit of all, with something to send: where the station's is reached, somebody sends to it."""
        if full.lacking:
            return
        title, echoes = self._destination.title, self._means.profile.echoes
        async with self._means.database.transaction() as connection:
            if await ledger.due(connection, [title], echoes=echoes):
                await outgoing.stand_in_line(connection, self._wanted(), full.lacking)

    async def _feed(self, thread: "asyncio.Future[Trouble | None]") -> None:
        """Record what comes and claim more, until the thread ends, the process stops, nothing is due for a while, or
        others wait for an association."""
        idle_since: float | None = None
        while not thread.done() and not self._to_end():
            rung = await self._wait(idle=not self._claimed)
            await self._gather(thread)
            if self._outcomes or (rung and len(self._claimed) < self._means.settings.in_doubt):
                await self._record_and_claim()
            await self._renew()
            if self._claimed:
                idle_since = None
            elif self._giving_way or self._taken >= self._share:
                return
            elif idle_since is None:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since >= self._idle_seconds:
                return

    @property
    def _idle_seconds(self) -> float:
        """How long the association is kept open without work."""
        own = self._station.idle_seconds
        return self._means.settings.idle_seconds if own is None else own

    def _to_end(self) -> bool:
        """The process stops, the station was changed or held, or something claimed was; or a schedule has closed."""
        if self._means.supervisor.stopping.is_set() or self._destination.station() != self._station:
            return True
        holds = self._destination.holds()
        new = holds - self._known_holds
        self._known_holds &= holds
        return bool(new) and any(new & delivery.holdable_by for delivery, _ in self._claimed.values())

    async def _wait(self, *, idle: bool) -> bool:
        """Until an outcome, the thread's end or a ring: True; or the poll interval: False."""
        limit = self._means.settings.poll_seconds
        try:
            async with asyncio.timeout(min(limit, self._idle_seconds) if idle else limit):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True

    async def _gather(self, thread: "asyncio.Future[Trouble | None]") -> None:
        """Let outcomes come together while the thread has something to send: the ledger asks as much for one of them as
        for many, and half of what may be in doubt keeps the thread busy meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GATHER_SECONDS):
                while 0 < len(self._outcomes) < min(len(self._claimed), self._means.settings.in_doubt // 2):
                    if thread.done() or self._giving_way:
                        return
                    self._news.clear()
                    await self._news.wait()

    async def _record_and_claim(self) -> None:
        """One transaction: what became of deliveries, and as many new ones as may be in doubt."""
        outcomes = list(self._outcomes)
        most = self._means.settings.in_doubt - (len(self._claimed) - len(outcomes))
        asked_at = time.monotonic()
        try:
            async with self._destination.lock:
                more = await self._means.database.retry(lambda connection: self._exchange(connection, outcomes, most))
        except PASSING as error:
            log.warning("deliveries_not_recorded", destination=self._destination.title, error=str(error))
            await self._means.supervisor.pause(DATABASE_PAUSE_SECONDS)
            self._news.set()
            return
        self._done(outcomes)
        self._taken += len(more)
        for delivery in more:
            self._claimed[delivery.id] = (delivery, asked_at)
            self._transfer.offer(delivery)

    async def _exchange(self, connection: Connection, outcomes: Sequence[Outcome], most: int) -> list[Delivery]:
        await ledger.lock_destination(connection, self._destination.title)
        await self._record(connection, self._results(outcomes))
        circuit = await self._mark_circuit(connection, outcomes)
        if self._giving_way:
            return []
        if circuit.open:
            return await self._probe_on(connection, len(self._claimed) > len(outcomes))
        return await self._claim(connection, most)

    async def _probe_on(self, connection: Connection, under_way: bool) -> list[Delivery]:
        """The next delivery to try an open circuit with, where the last one ended for a reason of its own."""
        if not self._probing or self._heard or under_way:
            return []
        claimed = await self._claim(connection, 1)
        if claimed:
            await destinations.hold_probe(connection, self._destination.title, self._means.settings.lease_seconds)
        return claimed

    async def _record(self, connection: Connection, results: Sequence[Result]) -> None:
        commitment = self._means.profile.serves(COMMITMENT_PUSH)
        await ledger.record(connection, results, self._holder, commitment=commitment)

    async def _mark_circuit(self, connection: Connection, outcomes: Sequence[Outcome]) -> Circuit:
        """Any answer but "not at the moment" closes the circuit; only such answers open it after a while."""
        title = self._destination.title
        circuit = await destinations.circuit(connection, title)
        answers = [outcome for outcome in outcomes if outcome.answered]
        self._heard = self._heard or bool(answers)
        final = [outcome.verdict for outcome in answers if outcome.verdict.event is not Event.POSTPONE]
        if final:
            refusals = [verdict.reason for verdict in final if verdict.event is Event.REFUSE]
            await destinations.close_circuit(
                connection,
                title,
                succeeded=len(refusals) < len(final),
                refusal=refusals[-1] if refusals else None,
            )
            return Circuit()
        if not answers or (circuit.open and not self._probing):
            return circuit
        setback = after_postponed(circuit, _fraction(), self._station.policy.backoff)
        await destinations.set_back(connection, title, setback, answers[-1].verdict.reason)
        return setback.circuit

    def _results(self, outcomes: Sequence[Outcome]) -> list[Result]:
        return [
            unsent(outcome.delivery)
            if outcome.verdict.event is Event.GIVE_BACK
            else result(outcome, self._station.policy, _fraction(), self._held_seconds(outcome.delivery))
            for outcome in outcomes
        ]

    def _held_seconds(self, delivery: Delivery) -> float:
        """How long ago it was claimed."""
        return time.monotonic() - self._claimed[delivery.id][1]

    def _done(self, outcomes: Sequence[Outcome]) -> None:
        """These are recorded."""
        del self._outcomes[: len(outcomes)]
        for outcome in outcomes:
            _, claimed_at = self._claimed.pop(outcome.delivery.id, (outcome.delivery, time.monotonic()))
            if outcome.verdict.event is not Event.GIVE_BACK:
                measure(outcome, time.monotonic() - claimed_at)

    async def _renew(self) -> None:
        """Push the leases out in time; abort the association when that cannot be done before they end."""
        lease = self._means.settings.lease_seconds
        asked_at = time.monotonic()
        if asked_at - self._leased_at < lease / RENEWALS_PER_LEASE:
            return
        try:
            async with self._means.database.transaction() as connection:
                await ledger.renew(connection, self._destination.title, self._claimed, self._holder, lease)
                await outgoing.renew(connection, self._holder, lease)
            self._leased_at = asked_at
        except GatewayError as error:
            log.warning("lease_not_renewed", destination=self._destination.title, error=str(error))
        if time.monotonic() - self._leased_at > lease * (1 - MARGIN_FRACTION):
            log.error("association_aborted_for_its_lease", destination=self._destination.title)
            self.abort()

    async def _ended(self, thread: "asyncio.Future[Trouble | None]") -> Trouble | None:
        """Wait for the thread, renewing meanwhile."""
        while not thread.done():
            await asyncio.wait([thread], timeout=self._means.settings.poll_seconds)
            await self._renew()
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
            except PASSING as error:
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
        await self._record(connection, self._results(self._outcomes) + self._rest(rest, trouble))
        await self._mark_circuit(connection, self._outcomes)
        if trouble is not None:
            await destination_failed(connection, self._means, self._station, trouble)
        elif self._probing and not self._heard:
            await destinations.end_probe(connection, title)
        await outgoing.give_back(connection, self._holder)

    def _rest(self, rest: Sequence[Delivery], trouble: Trouble | None) -> list[Result]:
        """What was claimed and not sent."""
        if trouble is None:
            return [unsent(each) for each in rest]
        return [unreached(each, trouble, self._station.policy, self._held_seconds(each)) for each in rest]


def _fraction() -> float:
    return random.random()  # noqa: S311 - jitter, no secret

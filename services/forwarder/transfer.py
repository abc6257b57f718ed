"""One outgoing association in a thread of its own: deliveries in, outcomes out, one after the other."""

import queue
import threading
import time
from collections.abc import Callable, Collection, Set
from dataclasses import dataclass, replace

import structlog

from services.dicom.archive import CONTEXTS, NotTold
from services.dicom.association import Response
from services.dicom.calling import peer_of
from services.dicom.contexts import IMPLICIT_LITTLE_ENDIAN, MAXIMUM_CONTEXTS, VERIFICATION, PresentationContext
from services.dicom.errors import AssociationError, AssociationRejected, SourceTruncated
from services.dicom.guards import Guards
from services.dicom.profile import Pair, Profile
from services.dicom.requestor import Peer, Requestor
from services.dicom.transcoding import NotConvertible, choose
from services.dicom.transforming.errors import NotTransformable
from services.dicom.uids import valid_uid
from services.dicom.verified import ObjectDamaged
from services.forwarder.classify import (
    PASSING,
    Trouble,
    Verdict,
    classify_context,
    classify_loss,
    classify_rejection,
    classify_status,
    classify_unusable,
)
from services.forwarder.configuration import Station
from services.forwarder.delivery import Delivery, Outcome, Sent
from services.forwarder.preparation import Preparation
from services.forwarder.present import PRESENT, Answers, Asking, Presence, asking, known_as, wanted
from services.forwarder.states import Event
from services.runtime import fail_points, traces
from services.runtime.errors import GatewayError, ObjectMissing, Unavailable

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Line:
    """How to reach a destination: its address, the profile that decides what is proposed, our limits.

    ``reduce``: of level 1 classes it is sent what R92 keeps. ``retried``: statuses after which it is tried again.
    ``asking``: how it is asked what it has, None: it is not.
    """

    peer: Peer
    profile: Profile
    guards: Guards
    reduce: bool
    retried: Collection[int] = PASSING
    asking: Asking | None = None


def line_to(station: Station, profile: Profile, calling_aet: str, connect_seconds: float) -> Line:
    """The line to a station, under the profile's limits and the station's own."""
    guards = profile.guards(connect_seconds=connect_seconds)
    limits = replace(guards, response_seconds=profile.response_seconds("store", station.store_seconds))
    peer = peer_of(station, calling_aet, profile)
    asked = asking(station, xeleris=profile.xeleris)
    return Line(peer, profile, limits, station.reduce_level_1, station.retried_statuses, asked)


def trouble_of(error: AssociationError) -> Trouble:
    """What an association that failed before any answer means for its destination."""
    if isinstance(error, AssociationRejected):
        return classify_rejection(error.result, error.source, error.reason)
    return Trouble(str(error))


class Transfer:
    """Sends what it is offered until the association fails, or ``stop`` is called.

    ``run`` blocks and returns what went wrong with the destination, or None. Deliveries it reported no outcome of were
    not sent.
    """

    def __init__(
        self, line: Line, preparation: Preparation, presence: Presence, report: Callable[[Outcome], None]
    ) -> None:
        self._inbox: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._line = line
        self._preparation = preparation
        self._presence = presence
        self._told = Answers(presence.title)
        self.asks = True
        """Whether the destination may be asked what it has. Set before ``run``."""
        self._report = report
        self._requestor: Requestor | None = None
        self._needed: dict[Pair, None] = {}
        self._proposed: frozenset[Pair] = frozenset()
        self.under_way: int | None = None
        """Id of the delivery that the destination is asked to store. For other threads to read."""
        self._waiting: set[int] = set()  # what was offered and has neither begun nor been withdrawn
        self._taking = threading.Lock()
        self._stopped = threading.Event()
        self._answers = 0
        self._note = ""  # how what is sent differs from what is stored
        self._sent: Sent | None = None

    def stop(self) -> None:
        """Send nothing more than the delivery at hand. From any thread."""
        self._stopped.set()
        self._inbox.put(None)

    def abort(self) -> None:
        """End at once, whatever is under way. From any thread."""
        self.stop()
        requestor = self._requestor
        if requestor is not None:
            requestor.association.abort()

    def offer(self, delivery: Delivery) -> None:
        """Have it sent after those before it. From any thread."""
        with self._taking:
            self._waiting.add(delivery.id)
        self._inbox.put(delivery)

    def withdraw(self, deliveries: Set[int]) -> tuple[Set[int], int | None]:
        """Never send those of these that have not begun; which they are, and what is under way. From any thread."""
        with self._taking:
            withdrawn = deliveries & self._waiting
            self._waiting -= withdrawn
            return withdrawn, self.under_way

    def _begin(self, delivery: Delivery) -> bool:
        """Whether it is still to be sent; then it is under way."""
        with self._taking:
            if delivery.id not in self._waiting:
                return False
            self._waiting.remove(delivery.id)
            self.under_way = delivery.id
            return True

    def run(self, first: list[Delivery]) -> Trouble | None:
        """Open the association for the contexts of ``first`` and send until the end."""
        try:
            self._connect([pair for delivery in first for pair in self._pairs(delivery)])
            while not self._stopped.is_set() and (delivery := self._inbox.get()) is not None:
                if self._stopped.is_set():
                    break
                if not self._begin(delivery):
                    continue
                trouble = self._deliver(delivery)
                self.under_way = None
                if trouble is not None:
                    return trouble
                if self._requestor is None:
                    return None
            return None
        except AssociationError as error:
            return self._trouble(error)
        finally:
            self._release()

    def _connect(self, pairs: list[Pair]) -> Requestor:
        """Propose what this and the deliveries before it needed; the oldest give way to what does not fit."""
        self._release()
        for pair in [pair for pair in pairs if all(map(valid_uid, pair))][-MAXIMUM_CONTEXTS:]:
            self._needed.pop(pair, None)
            self._needed[pair] = None
        # What cannot be proposed needs an association all the same, to be refused on: with Verification alone.
        line, needed = self._line, list(self._needed)[-MAXIMUM_CONTEXTS:] or [(VERIFICATION, IMPLICIT_LITTLE_ENDIAN)]
        proposals = line.profile.proposals(needed)
        self._proposed = frozenset((each.abstract_syntax, each.transfer_syntaxes[0]) for each in proposals)
        self._requestor = requestor = Requestor.connect(
            line.peer, proposals, line.guards, implementation=line.profile.implementation
        )
        return requestor

    def _deliver(self, delivery: Delivery) -> Trouble | None:
        requestor = self._association_for(delivery)
        if self._asks(delivery):
            if self._has(requestor, delivery):
                association, sent = requestor.association.id, known_as(delivery)
                self._report(Outcome(delivery, PRESENT, association, sent=sent))
                return None
            if self._stopped.is_set():
                return None
            requestor = self._association_for(delivery)  # a question in vain may have ended the other one
        context = self._context(requestor, delivery)
        if context is None:
            proposed = any(pair in self._proposed for pair in delivery.contexts)
            verdict = classify_context(*delivery.context, proposed=proposed)
            self._report(Outcome(delivery, verdict, answered=True))
            return None
        started, began = time.monotonic(), time.time_ns()
        verdict, answered, trouble = self._store(requestor, context, delivery)
        elapsed = int((time.monotonic() - started) * 1000)
        traces.record(traces.SENT, began, [_span(delivery, verdict, requestor.association.id)])
        note = "; ".join(filter(None, (self._unasked(delivery), self._note)))
        self._report(Outcome(delivery, verdict, requestor.association.id, elapsed, answered, note, self._sent))
        return trouble

    def _context(self, requestor: Requestor, delivery: Delivery) -> PresentationContext | None:
        """The first accepted one that the delivery may be sent in; profile xeleris also sends in the other syntax."""
        exact = next((found for pair in delivery.contexts if (found := requestor.context_for(*pair))), None)
        if exact is not None or not self._line.profile.xeleris:
            return exact
        contexts = requestor.association.contexts.values()
        accepted = {each.transfer_syntax: each for each in contexts if each.abstract_syntax == delivery.sop_class_uid}
        return accepted.get(choose(delivery.transfer_syntax_uid, accepted) or "")

    def _association_for(self, delivery: Delivery) -> Requestor:
        """The open association, or another one: the peer ended it while idle, or the context was not proposed."""
        pairs = self._pairs(delivery)
        fits = all(pair in self._proposed or not self._proposable(pair) for pair in pairs)
        if self._requestor is not None and fits and self._requestor.alive():
            return self._requestor
        return self._connect(pairs)

    def _pairs(self, delivery: Delivery) -> list[Pair]:
        """What an association for it is to propose."""
        return [*delivery.contexts, *(CONTEXTS if self._asks(delivery) else ())]

    def _asks(self, delivery: Delivery) -> bool:
        return self.asks and wanted(self._line.asking, delivery) and not self._presence.silent

    def _unasked(self, delivery: Delivery) -> str:
        """Why it was sent without asking whether it is there, though that is wanted."""
        if not (self.asks and wanted(self._line.asking, delivery) and self._presence.silent):
            return ""
        return f"whether it was there could not be asked: {self._presence.why_silent}"

    def _has(self, requestor: Requestor, delivery: Delivery) -> bool:
        how = self._line.asking
        assert how is not None  # noqa: S101 - see _asks
        try:
            return self._told.has(requestor, delivery, how.seconds)
        except (NotTold, AssociationError) as fault:
            if not self._stopped.is_set():
                self._presence.silence(str(fault))
            return False

    def _proposable(self, pair: Pair) -> bool:
        """Whether another association could have a context for it: profile xeleris always proposes the same."""
        return not self._line.profile.xeleris and all(map(valid_uid, pair))

    def _store(
        self, requestor: Requestor, context: PresentationContext, delivery: Delivery
    ) -> tuple[Verdict, bool, Trouble | None]:
        """(verdict, whether the destination answered, what is wrong with the destination)."""
        self._note, self._sent = "", None
        if delivery.size <= 0:
            return Verdict(Event.REFUSE, "the object holds no data set"), False, None
        try:
            response = self._send(requestor, context, delivery)
        except NotConvertible as error:
            return (
                Verdict(Event.REFUSE, f"it cannot be sent as {self._line.peer.called_aet} needs it: {error}"),
                False,
                None,
            )
        except NotTransformable as error:
            return Verdict(Event.REFUSE, f"the rule's transformation cannot be done: {error}"), False, None
        except (ObjectMissing, ObjectDamaged, SourceTruncated) as error:
            log.error("object_not_deliverable", delivery=delivery.id, object_key=delivery.object_key, error=str(error))
            self._forget(requestor)
            return classify_unusable(str(error)), False, None
        except AssociationError as error:
            self._requestor = None
            return classify_loss(error.phase, str(error)), False, None if self._answers else self._trouble(error)
        except (GatewayError, OSError) as error:
            self._forget(requestor)
            what = "" if isinstance(error, Unavailable) else "object store: "  # the other one says itself what is away
            return Verdict(Event.POSTPONE, f"{what}{error}"), False, None
        fail_points.reached("forwarder.answered")
        self._answers += 1
        line = self._line
        return classify_status(response.status, response.comment, line.profile.name, line.retried), True, None

    def _send(self, requestor: Requestor, context: PresentationContext, delivery: Delivery) -> Response:
        with self._preparation.prepared(delivery, context.transfer_syntax, reduce=self._line.reduce) as ready:
            self._note, self._sent = ready.note, ready.sent
            uid = ready.sop_instance_uid or delivery.sop_instance_uid
            return requestor.store(context, delivery.sop_class_uid, uid, ready.source, ready.offset, ready.size)

    def _forget(self, requestor: Requestor) -> None:
        """After a fault of our own: the association has ended if any of the object was sent on it."""
        if not requestor.alive():
            self._requestor = None

    def _trouble(self, error: AssociationError) -> Trouble | None:
        return None if self._stopped.is_set() else trouble_of(error)

    def _release(self) -> None:
        if self._requestor is not None:
            self._requestor.release()
            self._requestor = None


def _span(delivery: Delivery, verdict: Verdict, association: str) -> traces.Span:
    arrived = verdict.event in (Event.DELIVER, Event.WARN)
    told: dict[str, str | int] = {
        "dicom.sop_instance_uid": delivery.sop_instance_uid,
        "dicom.called_aet": delivery.destination,
        "gateway.delivery": delivery.id,
        "gateway.job": str(delivery.job),
        "gateway.association": association,
        "gateway.outcome": verdict.event.value,
    }
    if verdict.status is not None:
        told["dicom.status"] = f"{verdict.status:04X}"
    # What follows knows the delivery only, so the attempt that it was to arrive by has no number.
    which = str(delivery.id) if arrived else f"{delivery.id} {delivery.attempts}"
    return traces.Span(delivery.receipt_key, told, which, failed=not arrived)

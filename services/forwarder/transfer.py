"""One outgoing association in a thread of its own: deliveries in, outcomes out, one after the other."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, cast

import structlog

from services.dicom.contexts import PresentationContext, ProposedContext
from services.dicom.errors import AssociationError, AssociationRejected, SourceTruncated
from services.dicom.guards import Guards
from services.dicom.requestor import Peer, Requestor
from services.dicom.uids import valid_uid
from services.dicom.verified import ObjectDamaged, VerifiedSource
from services.forwarder.classify import (
    Trouble,
    Verdict,
    classify_context,
    classify_loss,
    classify_rejection,
    classify_status,
    classify_unusable,
)
from services.forwarder.delivery import Delivery, Outcome
from services.forwarder.states import Event
from services.runtime.errors import GatewayError, ObjectMissing
from services.runtime.objects import ObjectStore

MOST_CONTEXTS = 128  # PS3.8 9.3.2.2: odd identifiers of one byte

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Line:
    """How to reach a destination: its address, our limits, the profile that decides what answers mean."""

    peer: Peer
    guards: Guards
    profile: str


class Contexts:
    """The (SOP class, transfer syntax) pairs a destination was sent lately, the newest last. Thread-safe."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], None] = {}
        self._lock = threading.Lock()

    def with_these(self, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """At most 128 pairs to propose, ``pairs`` among them."""
        with self._lock:
            for pair in [pair for pair in pairs if all(map(valid_uid, pair))][-MOST_CONTEXTS:]:
                self._pairs.pop(pair, None)
                self._pairs[pair] = None
            for pair in list(self._pairs)[:-MOST_CONTEXTS]:
                del self._pairs[pair]
            return list(self._pairs)


class Transfer:
    """Sends what is put into ``inbox`` until None comes, the association fails, or ``stop`` is called.

    ``run`` blocks and returns what went wrong with the destination, or None. Deliveries it reported no outcome of were
    not sent.
    """

    def __init__(self, line: Line, objects: ObjectStore, contexts: Contexts, report: Callable[[Outcome], None]) -> None:
        self.inbox: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._line = line
        self._objects = objects
        self._contexts = contexts
        self._report = report
        self._requestor: Requestor | None = None
        self._proposed: list[tuple[str, str]] = []
        self._stopped = threading.Event()
        self._answers = 0

    def stop(self) -> None:
        """Send nothing more than the delivery at hand. From any thread."""
        self._stopped.set()
        self.inbox.put(None)

    def abort(self) -> None:
        """End at once, whatever is under way. From any thread."""
        self.stop()
        requestor = self._requestor
        if requestor is not None:
            requestor.association.abort()

    def run(self, first: list[Delivery]) -> Trouble | None:
        """Open the association for the contexts of ``first`` and send until the end."""
        try:
            self._connect([delivery.context for delivery in first])
            while not self._stopped.is_set() and (delivery := self.inbox.get()) is not None:
                if self._stopped.is_set():
                    break
                trouble = self._deliver(delivery)
                if trouble is not None:
                    return trouble
                if self._requestor is None:
                    return None
            return None
        except AssociationError as error:
            return self._trouble(error)
        finally:
            self._release()

    def _connect(self, pairs: list[tuple[str, str]]) -> Requestor:
        self._release()
        self._proposed = self._contexts.with_these(pairs)
        proposed = [ProposedContext(sop_class, (transfer_syntax,)) for sop_class, transfer_syntax in self._proposed]
        self._requestor = requestor = Requestor.connect(self._line.peer, proposed, self._line.guards)
        return requestor

    def _deliver(self, delivery: Delivery) -> Trouble | None:
        requestor = self._association_for(delivery)
        context = requestor.context_for(*delivery.context)
        if context is None:
            self._report(Outcome(delivery, classify_context(*delivery.context), answered=True))
            return None
        started = time.monotonic()
        verdict, answered, trouble = self._store(requestor, context, delivery)
        elapsed = int((time.monotonic() - started) * 1000)
        self._report(Outcome(delivery, verdict, requestor.association.id, elapsed, answered))
        return trouble

    def _association_for(self, delivery: Delivery) -> Requestor:
        """The open association, or another one: the peer ended it while idle, or the context was not proposed."""
        fits = delivery.context in self._proposed or not all(map(valid_uid, delivery.context))
        if self._requestor is not None and fits and self._requestor.alive():
            return self._requestor
        return self._connect([delivery.context])

    def _store(
        self, requestor: Requestor, context: PresentationContext, delivery: Delivery
    ) -> tuple[Verdict, bool, Trouble | None]:
        """(verdict, whether the destination answered, what is wrong with the destination)."""
        if delivery.size <= 0:
            return Verdict(Event.REFUSE, "the object holds no data set"), False, None
        try:
            with self._open(delivery) as source:
                response = requestor.store(
                    context,
                    delivery.sop_class_uid,
                    delivery.sop_instance_uid,
                    source,
                    delivery.data_set_offset,
                    delivery.size,
                )
        except (ObjectMissing, ObjectDamaged, SourceTruncated) as error:
            log.error("object_not_deliverable", delivery=delivery.id, object_key=delivery.object_key, error=str(error))
            self._forget(requestor, error)
            return classify_unusable(str(error)), False, None
        except AssociationError as error:
            self._requestor = None
            return classify_loss(error.phase, str(error)), False, None if self._answers else self._trouble(error)
        except (GatewayError, OSError) as error:
            self._forget(requestor, error)
            return Verdict(Event.POSTPONE, f"object store: {error}"), False, None
        self._answers += 1
        return classify_status(response.status, response.comment, self._line.profile), True, None

    def _open(self, delivery: Delivery) -> BinaryIO:
        source = self._objects.open(delivery.object_key)
        return cast("BinaryIO", VerifiedSource(source, delivery.data_set_offset, delivery.size, delivery.sha256))

    def _forget(self, requestor: Requestor, error: Exception) -> None:
        """After a fault of our own: an object that was never opened has not touched the association."""
        if not isinstance(error, ObjectMissing) and not requestor.alive():
            self._requestor = None

    def _trouble(self, error: AssociationError) -> Trouble | None:
        if self._stopped.is_set():
            return None
        if isinstance(error, AssociationRejected):
            return classify_rejection(error.result, error.source, error.reason)
        return Trouble(str(error))

    def _release(self) -> None:
        if self._requestor is not None:
            self._requestor.release()
            self._requestor = None

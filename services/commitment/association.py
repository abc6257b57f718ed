"""One N-ACTION on an association of its own, in a thread of its own (R72, R74, R76)."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from services.commitment import outcomes
from services.commitment.ledger import Inquiry
from services.commitment.outcomes import Outcome
from services.commitment.states import Event
from services.commitment.stations import Station
from services.dicom.association import Request
from services.dicom.calling import peer_of
from services.dicom.commitment import encode_request
from services.dicom.contexts import COMMITMENT_PUSH, UNCOMPRESSED, PresentationContext
from services.dicom.errors import AssociationError
from services.dicom.guards import Guards
from services.dicom.profile import Profile
from services.dicom.requestor import Peer, Requestor

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Line:
    """How to reach a server: its address, the profile that decides what is proposed, our limits.

    ``linger_seconds``: how long a report is waited for on the same association; 0: it is released at once (R81).
    """

    peer: Peer
    profile: Profile
    guards: Guards
    linger_seconds: float


def line_to(station: Station, profile: Profile, calling_aet: str, connect_seconds: float, linger: float) -> Line:
    """The line to a station. Profile xeleris waits for the answer for ever (R75) and for no report (R81)."""
    guards = profile.guards(connect_seconds=connect_seconds)
    limits = replace(guards, response_seconds=profile.response_seconds("action", station.action_seconds))
    peer = peer_of(station, calling_aet, profile)
    return Line(peer, profile, limits, 0.0 if profile.xeleris else linger)


class Exchange:
    """Sends one request. ``run`` blocks; it reports what became of the request as soon as that is known, and may go on
    to wait for the report of the station."""

    def __init__(
        self, line: Line, inquiry: Inquiry, report: Callable[[Outcome], None], reported: Callable[[Request], None]
    ) -> None:
        """``reported`` gets the N-EVENT-REPORTs that come on the association, unless the profile refuses them."""
        self.association = ""
        self.milliseconds = 0
        self._line = line
        self._inquiry = inquiry
        self._report = report
        self._reported = None if line.profile.xeleris else reported
        self._requestor: Requestor | None = None
        self._hurried = threading.Event()
        self._aborted = threading.Event()

    def hurry(self) -> None:
        """Wait for no report. From any thread."""
        self._hurried.set()

    def abort(self) -> None:
        """End at once, whatever is under way. From any thread."""
        self._aborted.set()
        self._hurried.set()
        requestor = self._requestor
        if requestor is not None:
            requestor.association.abort()

    def run(self) -> None:
        """Ask, report, linger, release."""
        outcome = self._ask()
        self._report(outcome)
        if self._requestor is not None:
            self._end(self._requestor, linger=outcome.event is Event.ACCEPT)

    def _ask(self) -> Outcome:
        try:
            requestor = self._connect()
            if requestor is None:
                return outcomes.not_begun("it was to end before the association was open")
            context = self._context(requestor)
            if context is None:
                return outcomes.not_understood(self._line.peer.called_aet)
            return self._action(requestor, context)
        except AssociationError as error:
            return outcomes.failed(error)
        except Exception as error:
            log.error("commitment_request_failed", commitment=str(self._inquiry.commitment), exc_info=error)
            return outcomes.own_fault(type(error).__name__, sent=self._requestor is not None)

    def _connect(self) -> Requestor | None:
        """The open association; None if nobody wants it any more."""
        line = self._line
        proposals = line.profile.proposals([(COMMITMENT_PUSH, syntax) for syntax in UNCOMPRESSED])
        requestor = Requestor.connect(line.peer, proposals, line.guards, implementation=line.profile.implementation)
        self._requestor = requestor
        self.association = requestor.association.id
        return None if self._aborted.is_set() else requestor

    def _context(self, requestor: Requestor) -> PresentationContext | None:
        found = (requestor.context_for(COMMITMENT_PUSH, syntax) for syntax in UNCOMPRESSED)
        return next((context for context in found if context is not None), None)

    def _action(self, requestor: Requestor, context: PresentationContext) -> Outcome:
        inquiry = self._inquiry
        data = encode_request(inquiry.transaction_uid, inquiry.references, context.transfer_syntax)
        started = time.monotonic()
        try:
            response = requestor.action(context, data, on_request=self._reported)
        finally:
            self.milliseconds = int((time.monotonic() - started) * 1000)
        return outcomes.answered(response.status, response.comment)

    def _end(self, requestor: Requestor, *, linger: bool) -> None:
        """Wait for a report if that may come, then release; whatever the station does now, the request is recorded."""
        try:
            if linger and self._line.linger_seconds > 0:
                requestor.serve(self._line.linger_seconds, self._reported, self._hurried.is_set)
            if self._aborted.is_set():
                requestor.abort()
            else:
                requestor.release()
        except AssociationError as error:
            log.info("association_ended_early", server=self._line.peer.called_aet, reason=str(error))

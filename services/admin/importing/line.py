"""One association of an import to the gateway's own port, opened anew where a file needs another context."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

from services.admin.importing.found import NotSent
from services.admin.importing.instances import FoundInstance
from services.dicom.association import Response
from services.dicom.contexts import MAXIMUM_CONTEXTS, PresentationContext, ProposedContext
from services.dicom.errors import AssociationError, AssociationRejected, ConnectFailed, SourceTruncated
from services.dicom.guards import Guards
from services.dicom.requestor import Peer, Requestor
from services.runtime.errors import GatewayError, Unavailable

LIMITS: Final = Guards(response_seconds=300.0)
TRIES: Final = 4
"""Of one file, when its association breaks."""
PATIENCE_SECONDS: Final = 60.0
"""How long the gateway may be away, or have no association free."""
UNKNOWN_SECONDS: Final = 4.0
"""How long it may refuse a title: ingest learns of a new station within 2 seconds."""
UNKNOWN_CALLING: Final = 3
"""PS3.8 table 9-21, source 1."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 4.0

Pair = tuple[str, str]


class Refused(GatewayError):
    """The gateway takes no association of this title from here. The text says what to configure."""


@dataclass
class Line:
    """Used by one thread. ``pause`` waits so many seconds and is true when everything is to end."""

    peer: Peer
    pause: Callable[[float], bool]

    def __post_init__(self) -> None:
        self._requestor: Requestor | None = None
        self._pairs: list[Pair] = []

    def store(self, found: FoundInstance, source: BinaryIO) -> Response:
        """C-STORE, again over a new association when one breaks: the same content twice is a duplicate, answered 0000.

        Raises:
            NotSent: the gateway accepts no context for it, or breaks the association over it each time, or the file
                ended early.
            Refused, Unavailable: no association can be had.
        """
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(1, TRIES + 1):
            requestor, context = self._context_for((found.sop_class_uid, found.transfer_syntax_uid))
            try:
                return requestor.store(
                    context, found.sop_class_uid, found.sop_instance_uid, source, found.offset, found.size
                )
            except SourceTruncated as fault:
                self.close()
                raise NotSent("the file became shorter while it was read", fault=True) from fault
            except AssociationError as fault:
                self.close()
                if attempt == TRIES:
                    raise NotSent(f"the association broke {TRIES} times over it: {fault}", fault=True) from fault
            if self.pause(pause):
                raise NotSent("stopped", fault=True)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Release what is open; idempotent."""
        if self._requestor is not None:
            self._requestor.release()
            self._requestor = None

    def _context_for(self, pair: Pair) -> tuple[Requestor, PresentationContext]:
        if pair not in self._pairs:
            self.close()
            self._pairs = [*self._pairs[-MAXIMUM_CONTEXTS + 1 :], pair]
        if self._requestor is None:
            self._requestor = self._connected()
        context = self._requestor.context_for(*pair)
        if context is None:
            raise NotSent(f"the gateway does not accept SOP class {pair[0]} in transfer syntax {pair[1]}", fault=True)
        return self._requestor, context

    def _connected(self) -> Requestor:
        """An association, waited for while the gateway starts anew or has none free."""
        begun, pause = time.monotonic(), FIRST_PAUSE_SECONDS
        proposals = [ProposedContext(sop_class, (syntax,)) for sop_class, syntax in self._pairs]
        while True:
            try:
                return Requestor.connect(self.peer, proposals, LIMITS)
            except AssociationError as fault:
                if time.monotonic() - begun >= _patience(fault):
                    raise self._explained(fault) from fault
            if self.pause(pause):
                raise Unavailable("the import was stopped")
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _explained(self, fault: AssociationError) -> GatewayError:
        place = f"{self.peer.called_aet} at {self.peer.host}:{self.peer.port}"
        if isinstance(fault, ConnectFailed):
            return Unavailable(f"the gateway does not answer ({fault}); start it, or correct GATEWAY_DICOM_PORT")
        if not isinstance(fault, AssociationRejected):
            return Unavailable(f"the gateway {place} breaks off every association ({fault})")
        if fault.transient:
            return Unavailable(f"the gateway {place} has no association free ({fault}); use fewer: --associations 1")
        if fault.reason == 7:
            return Refused(f"{place} is not its title ({fault}); correct GATEWAY_AET")
        return Refused(
            f"{place} takes no association of {self.peer.calling_aet} from this machine ({fault}): it may not call "
            "this title ('gateway title list'), or ingest does not get the configuration ('gateway status')"
        )


def _patience(fault: AssociationError) -> float:
    """How many seconds an association is tried that failed so (pure)."""
    if not isinstance(fault, AssociationRejected) or fault.transient:
        return PATIENCE_SECONDS
    return UNKNOWN_SECONDS if fault.reason == UNKNOWN_CALLING else 0.0

"""One report on one association to the peer that asked, in a thread of its own (PS3.4 J.3.3)."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.commitment.stations import Station
from services.dicom.calling import peer_of
from services.dicom.commitment import encode_report, event_type
from services.dicom.contexts import COMMITMENT_PUSH, UNCOMPRESSED, ProposedContext, Roles
from services.dicom.errors import AssociationError
from services.dicom.profile import Profile
from services.dicom.requestor import Requestor

ANSWER_SECONDS: Final = 60.0
"""How long a peer may take to answer; then the report is tried again."""


class NotAccepted(AssociationError):
    """The peer has no presentation context for storage commitment."""

    phase = "negotiate"


@dataclass(frozen=True)
class Report:
    """SOP class and instance, and the failure reason of those that failed, under the peer's own Transaction UID."""

    transaction_uid: str
    committed: Sequence[tuple[str, str]]
    failed: Sequence[tuple[str, str, int]]


class ReportCall:
    """One attempt. ``run`` blocks; ``abort`` may be called from any thread."""

    def __init__(self, profile: Profile, station: Station, calling_aet: str, connect_seconds: float) -> None:
        """``calling_aet``: the title the peer called with its request; it knows us under that."""
        self._profile = profile
        self._peer = peer_of(station, calling_aet, profile)
        self._guards = replace(profile.guards(connect_seconds=connect_seconds), response_seconds=ANSWER_SECONDS)
        self._lock = threading.Lock()
        self._requestor: Requestor | None = None
        self._aborted = False

    def run(self, report: Report) -> int:
        """The status of the answer. Raises ``AssociationError``."""
        with self._connected() as requestor:
            context = next(iter(requestor.association.contexts.values()), None)
            if context is None:
                raise NotAccepted("the peer accepted no presentation context for storage commitment")
            data = encode_report(
                report.transaction_uid, report.committed, report.failed, context.transfer_syntax
            )  # fmt: skip
            return requestor.report(context, event_type(report.failed), data).status

    def abort(self) -> None:
        """End the association now."""
        with self._lock:
            self._aborted = True
            if self._requestor is not None:
                self._requestor.association.abort()

    def _connected(self) -> Requestor:
        """We are SCP although we open it, and say so; a peer that leaves the answer out is served all the same."""
        requestor = Requestor.connect(
            self._peer,
            [ProposedContext(COMMITMENT_PUSH, tuple(UNCOMPRESSED))],
            self._guards,
            roles={COMMITMENT_PUSH: Roles(scu=False, scp=True)},
            implementation=self._profile.implementation,
        )
        with self._lock:
            self._requestor = requestor
            if self._aborted:
                requestor.association.abort()
        return requestor

"""Who may open an association for what (promise P9): decided from the snapshot alone, closed when in doubt."""

import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Final

import structlog

from schemas.snapshot import Snapshot, SnapshotStation
from services.dicom import pdu
from services.dicom.acceptor import AssociationProposal
from services.dicom.contexts import ALL_TRANSFER_SYNTAXES, STORAGE_CLASSES, UNCOMPRESSED, VERIFICATION
from services.dicom.pdu import Rejection
from services.ingest import metrics

PRIVATE_CLASSES: Final = frozenset({"1.2.840.113619.4.27", "1.2.840.113619.4.30"})
"""GE private classes that Xeleris and PET scanners send (R8, R122)."""

STORED_CLASSES: Final = STORAGE_CLASSES | PRIVATE_CLASSES

DRAIN_GRACE_SECONDS = 2.0

log = structlog.get_logger(__name__)


def judge(
    snapshot: Snapshot | None, aet: str, calling_aet: str, called_aet: str, peer_address: str
) -> Rejection | None:
    """None to accept (pure). The order is that of PS3.8: resources, the called title, then the caller."""
    if snapshot is None:
        return pdu.CONGESTION
    if called_aet != aet:
        return pdu.UNKNOWN_CALLED
    station = next((station for station in snapshot.stations if station.title == calling_aet), None)
    if station is None or not station.enabled or not comes_from(station, peer_address):
        return pdu.UNKNOWN_CALLING
    return None


def comes_from(station: SnapshotStation, peer_address: str) -> bool:
    """Whether the station's associations may come from that address (pure). Raises ``ValueError`` for no address."""
    address = ip_address(peer_address.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    networks = station.networks()
    return not networks or any((mapped or address) in network for network in networks)


def transfer_syntaxes(abstract_syntax: str) -> Sequence[str]:
    """What is accepted of an abstract syntax, in our order of preference (pure); nothing if it is not supported."""
    if abstract_syntax == VERIFICATION:
        return UNCOMPRESSED
    return ALL_TRANSFER_SYNTAXES if abstract_syntax in STORED_CLASSES else ()


class SnapshotPolicy:
    """The acceptance policy of the listener."""

    def __init__(self, aet: str, snapshot: Callable[[], Snapshot | None]) -> None:
        self._aet = aet
        self._snapshot = snapshot
        self._closed_from = float("inf")

    def drain(self) -> None:
        """The process drains: who is already connected may still associate for a moment, then (2,3,1) answers.

        With a shared socket the others go on accepting, so that a replacement is not noticed.
        """
        self._closed_from = time.monotonic() + DRAIN_GRACE_SECONDS

    def judge(self, proposal: AssociationProposal) -> Rejection | None:
        """None to accept; else the reason of PS3.8 9.3.4, counted and logged."""
        rejection = self._decide(proposal)
        if rejection is not None:
            reason = f"{rejection.result},{rejection.source},{rejection.reason}"
            metrics.REJECTED.labels(reason).inc()
            log.warning(
                "association_rejected",
                reason=reason,
                calling=proposal.calling_aet,
                called=proposal.called_aet,
                peer=proposal.peer_address,
            )
        return rejection

    def accepts(self, proposal: AssociationProposal, abstract_syntax: str) -> Sequence[str]:
        """Verification and every storage class, each in every transfer syntax we know."""
        return transfer_syntaxes(abstract_syntax)

    def _decide(self, proposal: AssociationProposal) -> Rejection | None:
        if time.monotonic() >= self._closed_from:
            return pdu.CONGESTION
        return judge(self._snapshot(), self._aet, proposal.calling_aet, proposal.called_aet, proposal.peer_address)

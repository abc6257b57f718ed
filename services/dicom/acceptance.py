"""Who may open an association for what (promise P9): decided from the snapshot alone, closed when in doubt."""

import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Final

import structlog

from schemas.snapshot import CalledTitle, Snapshot, SnapshotStation
from services.dicom import commands, metrics, pdu
from services.dicom.acceptor import AssociationProposal
from services.dicom.certificates import belongs, fingerprint
from services.dicom.pdu import Rejection
from services.dicom.permissions import forbidden, passes
from services.dicom.profile import Profile

DRAIN_GRACE_SECONDS: Final = 2.0

log = structlog.get_logger(__name__)


def judge(
    snapshot: Snapshot | None,
    aet: str,
    calling_aet: str,
    called_aet: str,
    peer_address: str,
    certificate: bytes | None = None,
) -> Rejection | None:
    """None to accept (pure). The order is that of PS3.8: resources, the called title, then the caller (R83).

    ``certificate``: the one it proved to be its own over TLS (DER), None over plain TCP.
    """
    if snapshot is None:
        return pdu.CONGESTION
    title = called_title(snapshot, aet, called_aet)
    if title is None:
        return pdu.UNKNOWN_CALLED
    station = snapshot.station(calling_aet)
    if station is None or not station.enabled or not comes_from(station, peer_address):
        return pdu.UNKNOWN_CALLING
    if not proves(station, certificate) or (title.stations and calling_aet not in title.stations):
        return pdu.UNKNOWN_CALLING
    return None


def called_title(snapshot: Snapshot, aet: str, called_aet: str) -> CalledTitle | None:
    """What is called: a configured title, or the AE's own, which needs no entry; None: neither (pure)."""
    configured = next((title for title in snapshot.titles if title.title == called_aet), None)
    return configured or (CalledTitle(title=aet) if called_aet == aet else None)


def comes_from(station: SnapshotStation, peer_address: str) -> bool:
    """Whether the station's associations may come from that address (pure). Raises ``ValueError`` for no address."""
    address = ip_address(peer_address.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    networks = station.networks()
    return not networks or any((mapped or address) in network for network in networks)


def proves(station: SnapshotStation, certificate: bytes | None) -> bool:
    """Whether who calls as the station is the station (pure): over TLS by its certificate, PS3.15 B.12. A station with
    certificates of its own is not believed over plain TCP."""
    if certificate is None:
        return not station.certificates
    return belongs(certificate, station.certificates, station.host)


def allowed_networks(host: str, addresses: Sequence[str]) -> list[str]:
    """Where a station's associations come from: as configured, else its host if that is an address, else anywhere
    (pure)."""
    if addresses:
        return list(addresses)
    try:
        return [str(ip_address(host))]
    except ValueError:
        return []


class SnapshotPolicy:
    """The acceptance policy of the listener. ``accepts`` of each service names its transfer syntaxes of a class."""

    def __init__(self, aet: str, profile: Profile, snapshot: Callable[[], Snapshot | None]) -> None:
        self._aet, self._profile, self._snapshot = aet, profile, snapshot
        self.offers: list[Callable[[str], Sequence[str]]] = []
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
                certificate=proposal.certificate and fingerprint(proposal.certificate),
            )
        return rejection

    def accepts(self, proposal: AssociationProposal, abstract_syntax: str) -> Sequence[str]:
        """What the service that offers the class takes (R86, R87); nothing if none does or the station may not."""
        station = self._station(proposal)
        if station is None or not passes(station, abstract_syntax):
            return ()
        return next((syntaxes for offer in self.offers if (syntaxes := offer(abstract_syntax))), ())

    def forbidden(self, proposal: AssociationProposal) -> frozenset[int]:
        """Command Fields of the requests that its station may not make."""
        station = self._station(proposal)
        return forbidden(station) if station is not None else frozenset(commands.REQUESTS)

    def shares(self, calling_aet: str, called_aet: str) -> dict[str, int]:
        """Which limits of their own an association that was accepted counts for: of its station and of the title."""
        snapshot, shares = self._snapshot(), {}
        if self._profile.incoming_per_station is not None:
            shares[calling_aet] = self._profile.incoming_per_station
        title = called_title(snapshot, self._aet, called_aet) if snapshot else None
        if title is not None and title.associations is not None:
            shares[f"\\{called_aet}"] = title.associations  # no title of a station has a backslash
        return shares

    def _station(self, proposal: AssociationProposal) -> SnapshotStation | None:
        snapshot = self._snapshot()
        return None if snapshot is None else snapshot.station(proposal.calling_aet)

    def _decide(self, proposal: AssociationProposal) -> Rejection | None:
        if time.monotonic() >= self._closed_from:
            return pdu.CONGESTION
        if proposal.user_identity and proposal.certificate is None and not self._profile.xeleris:
            return pdu.IDENTITY_IN_THE_CLEAR  # profile xeleris passes over all it does not negotiate (R28, R30)
        return judge(
            self._snapshot(), self._aet, proposal.calling_aet, proposal.called_aet, proposal.peer_address,
            proposal.certificate,
        )  # fmt: skip

"""How a station is called: where, under which title, by TLS or not (pure)."""

from collections.abc import Sequence
from typing import Protocol

from services.dicom.profile import Profile
from services.dicom.requestor import Peer
from services.dicom.tls import Secured


class CalledStation(Protocol):
    """A station as every service knows it; the fields are those of ``services.admin.station.Station``."""

    @property
    def title(self) -> str:
        """Its AE title."""

    @property
    def host(self) -> str:
        """Name or address."""

    @property
    def port(self) -> int:
        """Where it listens."""

    @property
    def tls(self) -> bool:
        """It is called by TLS."""

    @property
    def certificates(self) -> Sequence[str]:
        """Its certificates; none: any that names its host."""


def peer_of(station: CalledStation, calling_aet: str, profile: Profile) -> Peer:
    """The station as a peer that we call as ``calling_aet``."""
    secure = Secured(profile.tls, station.host, tuple(station.certificates)) if station.tls else None
    return Peer(
        station.host, station.port, station.title, calling_aet, ipv4_only=profile.xeleris, secure=secure,
        denied=profile.denied,
    )  # fmt: skip

"""Settings of the application entity, shared by all services that speak DICOM (R121, R29, R124)."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_settings import SettingsConfigDict

from services.dicom.tls import TlsFiles
from services.dicom.uids import valid_uid
from services.runtime.settings import Port, Settings


def _uid(text: str) -> str:
    if not valid_uid(text):
        raise ValueError("give SOP Class UIDs: digits and dots, at most 64 characters (PS3.5 9.1)")
    return text


def _printable(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        raise ValueError("an Implementation Version Name has printable ASCII characters only (PS3.7 D.3.3.2.3)")
    return text


def _path(text: Any) -> Any:
    if "-----BEGIN" in str(text):
        raise ValueError("it is the path of a PEM file, not what is in it; name the file")
    return Path(text).absolute() if text else None


def _network(text: str) -> str:
    try:
        return str(ip_network(text.strip(), strict=True))
    except ValueError:
        raise ValueError('give networks such as ["169.254.0.0/16", "10.96.0.0/12"]') from None


DENIED: Final = (
    "0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::/128", "fe80::/10", "ff00::/8", "fd00:ec2::254/128",
)  # fmt: skip
"""Where no station is: this host by its other names, link-local (a cloud's metadata is there), multicast, reserved."""

PemFile = Annotated[Path, BeforeValidator(_path)]
Classes = tuple[Annotated[str, AfterValidator(_uid)], ...]
Associations = Annotated[int, Field(ge=1, le=4096)]


class DicomSettings(Settings):
    """Environment ``GATEWAY_…``. Lists are JSON arrays. What is None follows from the profile (services.dicom.profile).

    ``private_classes`` are storage classes accepted besides the profile's; ``pet_raw_classes`` those that go to the
    station flagged ``pet_raw`` (R122). ``incoming_per_station``: how many of the incoming associations one calling AE
    may have.

    ``tls_certificate``, ``tls_key`` (None: it is in the certificate's file) and ``tls_authorities`` are paths of PEM
    files; with them associations over TLS are accepted at ``tls_port``, and stations can be called by TLS. Nothing is
    connected to that is within ``denied_addresses``.
    """

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    variant: Literal["3.0", "3.1", "4.0", "4dr", "v"] = "4dr"
    version_name: Annotated[str, Field(min_length=1, max_length=16), AfterValidator(_printable)] | None = None
    character_set: Literal["ISO_IR 100", "ISO_IR 101"] = "ISO_IR 100"
    private_classes: Classes = ()
    pet_raw_classes: Classes | None = None
    dicom_fd: Annotated[int, Field(ge=0)] | None = None
    """An inherited listening socket, shared with other processes; None: a socket of our own."""
    snapshot_poll_seconds: Annotated[float, Field(gt=0, le=2)] = 1.0
    incoming_associations: Associations | None = None
    incoming_per_station: Associations | None = None
    outgoing_associations: Associations | None = None
    tls_certificate: PemFile | None = None
    tls_key: PemFile | None = None
    tls_authorities: PemFile | None = None
    tls_port: Port = 2762
    tls_fd: Annotated[int, Field(ge=0)] | None = None
    """As ``dicom_fd``, for associations over TLS."""
    denied_addresses: tuple[Annotated[str, AfterValidator(_network)], ...] = DENIED

    @model_validator(mode="after")
    def _tls_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_authorities is None):
            raise ValueError("give GATEWAY_TLS_CERTIFICATE and GATEWAY_TLS_AUTHORITIES, or none of them")
        return self

    @property
    def denied(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of ``denied_addresses``."""
        return tuple(map(ip_network, self.denied_addresses))

    def tls_files(self) -> TlsFiles | None:
        """The files of TLS; None: there is no TLS."""
        if self.tls_certificate is None or self.tls_authorities is None:
            return None
        return TlsFiles(self.tls_certificate, self.tls_key or self.tls_certificate, self.tls_authorities)

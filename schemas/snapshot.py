"""What ingest knows of the configuration: one numbered document that storage writes and ingest accepts and refuses by.

It lies under ``KEY`` in the object store; ingest keeps a copy as ``LOCAL_COPY`` in its home folder.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

KEY = "config/snapshot.json"
LOCAL_COPY = "config-snapshot.json"


class SnapshotError(Exception):
    """The bytes are no snapshot. The text names the places that are wrong."""


def _network(text: str) -> str:
    ip_network(text, strict=False)
    return text


Service = Literal["echo", "store", "find", "move", "get", "commitment"]


class SnapshotStation(BaseModel):
    """A remote AE. ``addresses`` are the networks (CIDR) its associations come from; empty: from anywhere.

    ``certificates``: those it calls with over TLS, and then not otherwise; empty: over TLS any that names its ``host``.
    ``services``: what it may ask for (empty: everything), ``sop_classes``: which storage classes pass (empty: all).
    ``refuse_findings``: what it sends is refused when the check against the IOD finds anything (R93).
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    title: str
    host: str = ""
    enabled: bool = True
    certificates: list[str] = Field(default_factory=list)
    services: list[Service] = Field(default_factory=list)
    sop_classes: list[str] = Field(default_factory=list)
    addresses: list[Annotated[str, AfterValidator(_network)]] = Field(default_factory=list)
    revision_policy: Literal["route", "keep", "hold", "refuse"] = "route"
    refuse_findings: bool = False

    def networks(self) -> list[IPv4Network | IPv6Network]:
        """The addresses as networks."""
        return [ip_network(text, strict=False) for text in self.addresses]


class CalledTitle(BaseModel):
    """A title the gateway answers to. ``stations`` may call it (empty: all), over ``associations`` at a time (None: as
    many as the AE takes)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    title: str
    stations: list[str] = Field(default_factory=list)
    associations: Annotated[int, Field(ge=1)] | None = None


class Snapshot(BaseModel):
    """``number`` counts configurations, ``rule_set`` is the live one; ``written_at`` is the database's time.

    ``pet_raw_station`` is the title of the station that PET raw data goes to (R122), if one is flagged so.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    number: int
    rule_set: int
    written_at: AwareDatetime
    stations: list[SnapshotStation]
    titles: list[CalledTitle] = Field(default_factory=list)
    pet_raw_station: str | None = None

    def station(self, title: str) -> SnapshotStation | None:
        """The station of that title, if it is known."""
        return next((station for station in self.stations if station.title == title), None)

    def encode(self) -> bytes:
        """As it is written: UTF-8 JSON."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, data: bytes) -> "Snapshot":
        """Read a snapshot. Raises ``SnapshotError``."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as fault:
            places = sorted({".".join(str(part) for part in error["loc"]) for error in fault.errors()})
            raise SnapshotError(f"no snapshot, wrong at: {', '.join(places)[:200] or 'the beginning'}") from fault

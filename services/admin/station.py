"""What a station is and what it may be (pure). Titles as PS3.5 section 6.2 (VR AE); roles as R35 to R41."""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.schedule import MOST_WINDOWS, canonical
from schemas.snapshot import Service
from services.admin.given_fields import changes_of, fields_of
from services.dicom.uids import valid_uid
from services.runtime.errors import UsageError

USUALLY_RETRIED: Final = ("A7xx", "0110", "0213")
MOST_SHOWN: Final = 120
"""Characters of a wrong value that its fault shows."""
_HOST_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


def valid_title(text: str) -> str:
    """An AE title without the blanks around it, which mean nothing.

    Raises:
        ValueError: empty, longer than 16 characters, or with backslash, control or non-ASCII characters.
    """
    title = text.strip(" ")
    if not title:
        raise ValueError("an AE title has at least one character that is not a blank")
    if len(title) > 16:
        raise ValueError(f"an AE title has at most 16 characters, this one has {len(title)}")
    if not title.isascii() or not title.isprintable() or "\\" in title:
        raise ValueError("an AE title has printable ASCII characters only, and no backslash")
    return title


def valid_host(text: str) -> str:
    """An IP address, or a host name (RFC 1123; underscores are met in the field). Raises ``ValueError``."""
    host = text.strip()
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    name = host.removesuffix(".")
    if not name or len(name) > 253 or re.fullmatch(r"[0-9.]+", name):
        raise ValueError("give an IP address or a host name")
    if not all(_HOST_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError("a host name has letters, digits, hyphens and dots only")
    return host


def valid_network(text: str) -> str:
    """An address or network in CIDR notation, as network. Raises ``ValueError``."""
    try:
        return str(ipaddress.ip_network(text.strip(), strict=True))
    except ValueError as fault:
        raise ValueError(f"{text!r} is no network ({fault}); write one such as 10.1.2.0/24 or 10.1.2.3") from None


def valid_retry_status(text: str) -> str:
    """A pattern of C-STORE failures, such as 0110 or A7xx, as it is written usually.

    Raises:
        ValueError: it is none, or names what is no failure: the station has those instances.
    """
    if text in USUALLY_RETRIED:
        return text
    # Imported here: nobody but who sets it needs the meanings of statuses, which take time to import.
    from services.dicom.status import FAILURE, classify, statuses

    taken = next((status for status in statuses(text) if classify(status) is not FAILURE), None)
    if taken is not None:
        raise ValueError(
            f"{taken:04X} is no failure ({classify(taken).value}); what the station has is never sent again"
        )
    return text.strip().upper().replace("X", "x")


def valid_modality(text: str) -> str:
    """A value of Modality (PS3.5 section 6.2, VR CS). Raises ``ValueError``."""
    modality = text.strip(" ").upper()
    if not re.fullmatch(r"[A-Z0-9_ ]{1,16}", modality):
        raise ValueError("a modality has 1 to 16 letters, digits, blanks and underscores, such as NM")
    return modality


def valid_certificate(text: str) -> str:
    """How a certificate is told from others, as it is compared. Raises ``ValueError``."""
    # Imported here: nobody but who sets it needs the library of certificates.
    from services.dicom.certificates import valid_binding

    return valid_binding(text)


def valid_sop_class(text: str) -> str:
    """A SOP Class UID (PS3.5 section 9.1). Raises ``ValueError``."""
    uid = text.strip()
    if not valid_uid(uid):
        raise ValueError("give SOP Class UIDs: digits and dots, at most 64 characters (PS3.5 9.1)")
    return uid


def _valid_description(text: str) -> str:
    if any(not letter.isprintable() for letter in text):
        raise ValueError("a description is one line of printable characters")
    return text.strip()


Title = Annotated[str, AfterValidator(valid_title)]
Wait = Annotated[int, Field(ge=1, le=86_400)] | None
Rate = Annotated[float, Field(ge=0.01, le=10_000)] | None


class Station(BaseModel):
    """A remote AE.

    ``store``: instances may be sent to it (R37); ``query_retrieve``: it may be queried; ``prefilter``, ``pet_raw``
    and ``commit_server``: as the conformance statement's flags; ``commit_on``: the commit server asked about what this
    one was sent. ``addresses``: networks its associations come from (empty: its host if that is an address, else any).
    ``associations``: outgoing ones at a time. ``retry_hours``: how long a delivery is tried.
    ``refuse_findings``: what it sends with a finding of the IOD check is refused. ``reduce_level_1``: of level 1
    classes it is sent what R92 keeps. ``move_destinations``: what it may name in a C-MOVE (empty: any station).
    ``store_seconds`` and so on: the longest wait for its response (None: as the profile says).
    As a commit server (None: as the settings say): ``commit_limit_seconds`` it may take to report (R80),
    ``commit_quiet_seconds`` from the last delivery of a study to the request, ``commit_retry_hours`` a request is tried
    while it cannot be reached, ``commit_size`` instances in one request (None: the whole study). ``report_titles``:
    where its reports come from besides its own title. ``commit_downstream``: the archives that must have committed what
    it asks us to commit (empty: what is durable here is committed).
    A delivery is tried again after failures of ``retry_statuses`` and ``retry_errors``, ``retry_attempts`` times in all
    (None: any number) within ``retry_hours``; a wait is at most ``retry_first_seconds``, ``retry_factor`` times as long
    each time, at most ``retry_most_seconds``. It is sent no more than ``instances_per_second`` and
    ``megabytes_per_second`` (of 1,000,000 bytes; None: any number). An association is closed after ``idle_seconds``
    without work (None: as the settings say) and carries ``association_instances`` at most (None: any number).
    What waits for it goes to ``failover`` once its circuit has been open for ``failover_seconds``. What rules send
    to it is shared among it and ``balance_with``, each study to one of them. Of what waits for it with one priority the
    ``order`` says what goes first: what came first, or what came last. It is sent to in the windows of its ``schedule``
    only (empty: always).
    ``retention_days``: how long what it sends is kept (None: as the setting says; 0: for ever). ``reconcile``: what it
    was sent is compared every night with what it has. ``complete_on_release``: a series or study that it sends is
    complete once it has released each association by which it came. ``skip_present``: before it is sent anything
    it is asked what it has already, and not sent that. Every ``pull_minutes``
    (0: never) it is asked for studies of the last ``pull_days``, with one of ``pull_modalities`` (empty: any), and what
    is not here is retrieved. A notice is sent when nothing came from it for ``silent_hours`` (None: it may be silent).
    ``tls``: it is called by TLS. ``certificates``: those it presents (``services.dicom.certificates``), and it is not
    believed over plain TCP then; empty: over TLS it presents one that names its host. ``services``: what it may ask us
    for (empty: everything). ``sop_classes``: the storage classes that pass on its associations (empty: all).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    title: Title
    host: Annotated[str, AfterValidator(valid_host)]
    port: Annotated[int, Field(ge=1, le=65535)]
    description: Annotated[str, Field(max_length=200), AfterValidator(_valid_description)] = ""
    enabled: bool = True
    store: bool = False
    query_retrieve: bool = False
    prefilter: bool = False
    pet_raw: bool = False
    commit_server: bool = False
    commit_on: Title | None = None
    addresses: list[Annotated[str, AfterValidator(valid_network)]] = Field(default_factory=list, max_length=100)
    revision_policy: Literal["route", "keep", "hold", "refuse"] = "route"
    associations: Annotated[int, Field(ge=1, le=16)] = 2
    unknown_policy: Literal["resend", "hold"] = "resend"
    retry_hours: Annotated[int, Field(ge=1, le=720)] = 72
    refuse_findings: bool = False
    reduce_level_1: bool = False
    move_destinations: list[Title] = Field(default_factory=list, max_length=100)
    store_seconds: Wait = None
    find_seconds: Wait = None
    move_seconds: Wait = None
    action_seconds: Wait = None
    commit_limit_seconds: Annotated[int, Field(ge=1, le=2_592_000)] | None = None
    commit_quiet_seconds: Annotated[int, Field(ge=0, le=86_400)] | None = None
    commit_retry_hours: Annotated[int, Field(ge=1, le=720)] | None = None
    commit_size: Annotated[int, Field(ge=1, le=100_000)] | None = None
    report_titles: list[Title] = Field(default_factory=list, max_length=16)
    commit_downstream: list[Title] = Field(default_factory=list, max_length=16)
    retry_statuses: list[Annotated[str, AfterValidator(valid_retry_status)]] = Field(
        default=list(USUALLY_RETRIED), max_length=64
    )
    retry_errors: list[Literal["unreachable", "rejected", "broken-off"]] = Field(
        default=["unreachable", "rejected", "broken-off"], max_length=3
    )
    retry_first_seconds: Annotated[int, Field(ge=1, le=3600)] = 1
    retry_factor: Annotated[float, Field(ge=1, le=10)] = 2
    retry_most_seconds: Annotated[int, Field(ge=1, le=86_400)] = 300
    retry_attempts: Annotated[int, Field(ge=1, le=1000)] | None = None
    instances_per_second: Rate = None
    megabytes_per_second: Rate = None
    idle_seconds: Annotated[int, Field(ge=0, le=3600)] | None = None
    association_instances: Annotated[int, Field(ge=1, le=100_000)] | None = None
    failover: Title | None = None
    failover_seconds: Annotated[int, Field(ge=0, le=604_800)] = 600
    balance_with: list[Title] = Field(default_factory=list, max_length=15)
    order: Literal["oldest", "newest"] = "oldest"
    schedule: list[Annotated[str, AfterValidator(canonical)]] = Field(default_factory=list, max_length=MOST_WINDOWS)
    retention_days: Annotated[int, Field(ge=0, le=36_500)] | None = None
    reconcile: bool = False
    complete_on_release: bool = False
    skip_present: bool = False
    pull_minutes: Annotated[int, Field(ge=0, le=1440)] = 0
    pull_days: Annotated[int, Field(ge=1, le=365)] = 1
    pull_modalities: list[Annotated[str, AfterValidator(valid_modality)]] = Field(default_factory=list, max_length=16)
    silent_hours: Annotated[int, Field(ge=1, le=720)] | None = None
    tls: bool = False
    certificates: list[Annotated[str, AfterValidator(valid_certificate)]] = Field(default_factory=list, max_length=16)
    services: list[Service] = Field(default_factory=list, max_length=6)
    sop_classes: list[Annotated[str, AfterValidator(valid_sop_class)]] = Field(default_factory=list, max_length=200)

    @property
    def asked_on(self) -> str | None:
        """Title of the station that is asked to commit what this one was sent (R71); None: nobody is."""
        return self.title if self.commit_server else self.commit_on

    @model_validator(mode="after")
    def _commits_elsewhere(self) -> Self:
        if self.commit_on == self.title:
            raise ValueError("a station cannot commit on itself; name another station that is a commit server")
        return self

    @model_validator(mode="after")
    def _is_asked(self) -> Self:
        for option, on, off in (
            ("--skip-present", self.skip_present, "--send-present"),
            ("--pull-minutes", self.pull_minutes, "--pull-minutes 0"),
        ):
            if on and not self.query_retrieve:
                raise ValueError(f"{option} asks it what it has: add --query-retrieve, or set it {off}")
        return self

    @model_validator(mode="after")
    def _names_others(self) -> Self:
        if self.title in self.commit_downstream:
            raise ValueError("a station is no archive downstream of itself; leave it out of --commit-downstream")
        if self.title in self.report_titles:
            raise ValueError("a station's reports come from its own title anyway; leave it out of --report-title")
        return self


def build(fields: Mapping[str, Any]) -> Station:
    """A station of these fields. Raises ``UsageError`` that lists every impossible value with its cure."""
    if str(fields.get("title", "")).strip() in (".", ".."):
        raise UsageError("AE title of dots only: addresses of the desk and the API cannot name it; choose another")
    known = fields_of(Station, f"station {fields.get('title', '')!s}", fields)
    try:
        return Station.model_validate(known)
    except ValidationError as error:
        faults = [fault_text(dict(fault)) for fault in error.errors(include_url=False)]
        raise UsageError("\n".join(f"station {fields.get('title', '')!s}: {fault}" for fault in faults)) from None


def changed(station: Station, fields: Mapping[str, Any]) -> Station:
    """The station with some fields changed. Raises ``UsageError``."""
    return build(station.model_dump() | changes_of("title", station.title, fields))


def contradictions(station: Station, others: Iterable[Station]) -> list[str]:
    """What the other stations do not allow this one to be, each with the cure; empty when it fits."""
    known = {other.title: other for other in others}
    found: list[str] = []
    if station.commit_on is not None:
        server = known.get(station.commit_on)
        if server is None:
            found.append(f"--commit-on {station.commit_on}: no such station; add it first with --commit-server")
        elif not server.commit_server:
            found.append(
                f"--commit-on {station.commit_on}: that station is no commit server; "
                f"'gateway station set {station.commit_on} --commit-server' first"
            )
    found += _unable_downstream(station, known)
    raw = next((other.title for other in known.values() if other.pet_raw and station.pet_raw), None)
    if raw is not None:
        found.append(
            f"--pet-raw: station {raw} has it and only one may; 'gateway station set {raw} --no-pet-raw' first"
        )
    dependants = [] if station.commit_server else titles_pointing_at(station.title, known.values())
    found += [
        f"--no-commit-server: station {other} commits on it; 'gateway station set {other} --commit-on \"\"' first"
        for other in dependants
    ]
    if not _commits(station):
        found += [
            f"--no-commit-server: station {other} waits for its commitment (--commit-downstream); "
            f"'gateway station set {other} --commit-downstream …' without it first"
            for other in titles_upstream_of(station.title, known.values())
        ]
    return [f"station {station.title}: {reason}" for reason in found]


def titles_pointing_at(title: str, stations: Iterable[Station]) -> list[str]:
    """Titles of the stations that commit on this one."""
    return sorted(station.title for station in stations if station.commit_on == title)


def titles_upstream_of(title: str, stations: Iterable[Station]) -> list[str]:
    """Titles of the stations whose requests for commitment wait for the commitment of this one."""
    return sorted(station.title for station in stations if title in station.commit_downstream)


def _commits(station: Station) -> bool:
    """Whether anybody can be asked to commit what it was sent (R71)."""
    return station.asked_on is not None


def _unable_downstream(station: Station, known: Mapping[str, Station]) -> list[str]:
    """Archives downstream that do not exist or cannot commit, each with the cure."""
    return [
        f"--commit-downstream {title}: no such station; add it first with --commit-server"
        if title not in known
        else f"--commit-downstream {title}: nobody commits what that station is sent; "
        f"'gateway station set {title} --commit-server' or '… --commit-on AET' first"
        for title in station.commit_downstream
        if title not in known or not _commits(known[title])
    ]


def fault_text(fault: Mapping[str, Any]) -> str:
    """A fault of a model as a person reads it: option, value, cure."""
    if not fault["loc"]:
        return str(fault["msg"]).removeprefix("Value error, ")
    option = "--" + str(fault["loc"][0]).replace("_", "-") if fault["loc"][0] != "title" else "AE title"
    shown = repr(fault["input"])
    shown = shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}…"
    return f"{option} {shown}: {str(fault['msg']).removeprefix('Value error, ')}"

"""The fields of a station as the form groups and explains them (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args, get_origin

from services.admin.station import Station

NEEDED: Final = frozenset({"title", "host", "port"})
GROUPS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "Who and where": {
        "title": ("AE title", "1 to 16 characters; as it calls itself"),
        "host": ("Host", "name or IP address"),
        "port": ("Port", "on which it listens"),
        "description": ("Description", "for people"),
        "enabled": ("Enabled", "it may call, and be sent to"),
        "addresses": ("Calls from", "networks, such as 10.1.0.0/16; empty: its host"),
    },
    "What it may be asked": {
        "store": ("May be sent to", "instances may be stored there"),
        "query_retrieve": ("May be queried", "and retrieved from"),
        "prefilter": ("Queries need a filter", ""),
        "pet_raw": ("Takes PET raw data", "only one station may"),
        "commit_server": ("Commits storage", "it answers storage commitment requests"),
        "commit_on": ("Commitment is asked of", "another station that commits what is sent here"),
        "move_destinations": ("May have sent to", "what it may name in a C-MOVE; empty: any station"),
    },
    "Who it proves to be and may do": {
        "tls": ("Called by TLS", "with the gateway's certificate"),
        "certificates": (
            "Its certificates",
            "sha256:…, subject:… or san:…; then it calls by TLS only; empty: its host's",
        ),
        "services": ("May ask for", "echo, store, find, move, get, commitment; empty: everything"),
        "sop_classes": ("Storage classes that pass", "SOP Class UIDs; empty: all"),
    },
    "Sending": {
        "associations": ("Associations at a time", "1 to 16"),
        "order": ("What goes first", "of what waits with the same priority"),
        "schedule": ("Only in these windows", "such as mon-fri 18:00-06:00 Europe/Zurich; empty: always"),
        "skip_present": ("Ask what it has first", "and do not send that again"),
        "reduce_level_1": ("Reduce level 1 classes", "to what R92 keeps"),
        "instances_per_second": ("Instances per second", "at most; empty: any number"),
        "megabytes_per_second": ("Megabytes per second", "at most; empty: any number"),
        "idle_seconds": ("Close after idle seconds", "empty: as the settings say"),
        "association_instances": ("Instances per association", "at most; empty: any number"),
        "failover": ("Stand-in", "gets what waits here while this one fails"),
        "failover_seconds": ("Stand in after", "seconds of failing"),
        "balance_with": ("Share studies with", "other stations"),
    },
    "When sending fails": {
        "unknown_policy": ("Answer lost", "send again, or hold"),
        "retry_hours": ("Try for hours", "1 to 720"),
        "retry_statuses": ("Statuses tried again", "hexadecimal, x for any digit"),
        "retry_errors": ("Errors tried again", "unreachable, rejected, broken-off"),
        "retry_first_seconds": ("First wait, seconds", ""),
        "retry_factor": ("Each wait longer by", "factor"),
        "retry_most_seconds": ("Longest wait, seconds", ""),
        "retry_attempts": ("Attempts", "at most; empty: any number"),
        "store_seconds": ("Wait for a C-STORE", "seconds; empty: as the profile says"),
        "find_seconds": ("Wait for a C-FIND", "seconds"),
        "move_seconds": ("Wait for a C-MOVE", "seconds"),
        "action_seconds": ("Wait for an N-ACTION", "seconds"),
    },
    "Commitment": {
        "commit_limit_seconds": ("Report within", "seconds; empty: 24 hours"),
        "commit_quiet_seconds": ("Ask after quiet", "seconds from the last delivery of a study"),
        "commit_retry_hours": ("Ask for hours", "while it cannot be reached"),
        "commit_size": ("Instances in a request", "at most; empty: the whole study"),
        "report_titles": ("Reports come from", "AE titles besides its own"),
        "commit_downstream": ("Committed downstream", "archives that must have committed what it asks us to"),
    },
    "What it sends": {
        "revision_policy": ("Same UID, other content", "what happens with it"),
        "refuse_findings": ("Refuse what breaks its IOD", ""),
        "complete_on_release": (
            "Complete on release",
            "a study it sends is complete once its associations are released",
        ),
        "silent_hours": ("Silent after hours", "a notice is sent when nothing came for so long; empty: never"),
        "retention_days": ("Keep for days", "empty: as the setting says; 0: for ever"),
    },
    "Comparing and pulling": {
        "reconcile": ("Compare every night", "what it was sent with what it has"),
        "pull_minutes": ("Ask for new studies", "every so many minutes; 0: never"),
        "pull_days": ("Of the last days", ""),
        "pull_modalities": ("With a modality of", "empty: any"),
    },
}


LABELS: Final = {name.replace("_", "-"): label for fields in GROUPS.values() for name, (label, _) in fields.items()}
"""By the option of the command line."""


@dataclass(frozen=True)
class Field:
    """One line of the form."""

    name: str
    label: str
    help: str
    kind: Literal["flag", "choice", "number", "list", "text"]
    value: Any
    choices: Sequence[str] = ()
    needed: bool = False


@dataclass(frozen=True)
class Group:
    """A part of the form."""

    name: str
    fields: Sequence[Field]
    usual: bool
    """Whether every field has its default, and none is needed."""


def groups(station: Station | None) -> list[Group]:
    """The form of a station; None: of a new one."""
    values = station.model_dump() if station else {name: _default(name) for name in Station.model_fields}
    return [
        Group(
            name,
            [_field(each, *texts, values[each]) for each, texts in fields.items()],
            usual=NEEDED.isdisjoint(fields) and all(values[each] == _default(each) for each in fields),
        )
        for name, fields in GROUPS.items()
    ]


def given(form: Mapping[str, Any], *, known: bool) -> dict[str, Any]:
    """The fields that a form says; ``known``: of a station that keeps its title. An empty text is no value."""
    fields: dict[str, Any] = {}
    for group in groups(None):
        for field in group.fields:
            if known and field.name == "title":
                continue
            text = str(form.get(field.name, "")).strip()
            fields[field.name] = _read(field, text)
    return {name: value for name, value in fields.items() if value is not None or name not in NEEDED}


def _read(field: Field, text: str) -> Any:
    if field.kind == "flag":
        return text == "true"
    if field.kind == "list":
        return [part.strip() for part in text.split(",") if part.strip()]
    if text == "" and field.name != "description":
        return None if field.value in ("", None) else field.value
    return text


def _field(name: str, label: str, text: str, value: Any) -> Field:
    kind = Station.model_fields[name].annotation
    if kind is bool:
        return Field(name, label, text, "flag", value)
    if get_origin(kind) is Literal:
        return Field(name, label, text, "choice", value, get_args(kind))
    if get_origin(kind) is list:
        return Field(name, label, text, "list", ", ".join(map(str, value)))
    number = kind in (int, float) or set(get_args(kind)) & {int, float}
    shown = "" if value is None else value
    return Field(name, label, text, "number" if number else "text", shown, needed=name in NEEDED)


def _default(name: str) -> Any:
    field = Station.model_fields[name]
    return "" if field.is_required() else field.get_default(call_default_factory=True)

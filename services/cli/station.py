"""``gateway station``: the remote AEs that the gateway knows."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer

from services.admin import stations
from services.admin.station import Station, build
from services.cli import exits, holds
from services.cli.output import Json, print_fields, print_json, print_table
from services.cli.session import actor, with_database
from services.runtime.errors import UsageError
from services.runtime.settings import RuntimeSettings

EMPTIED_BY_ZERO = (
    "commit_on", "store_seconds", "find_seconds", "move_seconds", "action_seconds", "commit_limit_seconds",
    "commit_retry_hours", "commit_size", "retry_attempts", "instances_per_second", "megabytes_per_second",
    "association_instances", "failover",
)  # fmt: skip
EMPTIED_BY_MINUS_ONE = ("commit_quiet_seconds", "idle_seconds", "retention_days")

app = typer.Typer(help="Remote AEs: add, set, list, show, remove, hold, resume, echo.", no_args_is_help=True)


def register(whole: typer.Typer) -> None:
    """Add the commands."""
    whole.add_typer(app, name="station")


Title = Annotated[str, typer.Argument(help="AE title: 1 to 16 printable ASCII characters, no backslash.")]
Host = Annotated[str | None, typer.Option(help="Host name or IP address.")]
Port = Annotated[int | None, typer.Option(help="TCP port it listens on, 1 to 65535.")]
Description = Annotated[str | None, typer.Option(help="Free text, one line.")]
Enabled = Annotated[bool | None, typer.Option("--enabled/--disabled", help="Whether it may call and be sent to.")]
Store = Annotated[bool | None, typer.Option("--store/--no-store", help="Instances may be sent to it.")]
QueryRetrieve = Annotated[
    bool | None, typer.Option("--query-retrieve/--no-query-retrieve", help="It may be queried and retrieved from.")
]
Prefilter = Annotated[bool | None, typer.Option("--prefilter/--no-prefilter", help="Queries to it need a filter.")]
PetRaw = Annotated[bool | None, typer.Option("--pet-raw/--no-pet-raw", help="It takes PET raw data; only one may.")]
CommitServer = Annotated[
    bool | None, typer.Option("--commit-server/--no-commit-server", help="It answers storage commitment requests.")
]
CommitOn = Annotated[str | None, typer.Option(help='Commit server that is asked about it; "" for none.')]
Address = Annotated[
    list[str] | None, typer.Option(metavar="CIDR", help='Network it calls from; may be repeated; "" for none.')
]
RevisionPolicy = Annotated[
    Literal["route", "keep", "hold", "refuse"] | None,
    typer.Option(help="What happens to an instance it sends again with other content."),
]
Associations = Annotated[int | None, typer.Option(help="Outgoing associations at a time, 1 to 16.")]
UnknownPolicy = Annotated[
    Literal["resend", "hold"] | None, typer.Option(help="What happens to a delivery whose answer was lost.")
]
RetryHours = Annotated[int | None, typer.Option(help="How long a delivery is tried, 1 to 720 hours.")]
RefuseFindings = Annotated[
    bool | None,
    typer.Option("--refuse-findings/--no-refuse-findings", help="What it sends against its IOD is refused."),
]
ReduceLevel1 = Annotated[
    bool | None,
    typer.Option("--reduce-level-1/--no-reduce-level-1", help="Of level 1 classes it gets only what R92 keeps."),
]
MoveDestination = Annotated[
    list[str] | None,
    typer.Option(metavar="AET", help='Where it may have C-MOVE send to; may be repeated; "" for anywhere.'),
]
StoreSeconds = Annotated[int | None, typer.Option(help="Longest wait for a C-STORE response; 0: the profile's.")]
FindSeconds = Annotated[int | None, typer.Option(help="Longest wait for a C-FIND response; 0: the profile's.")]
MoveSeconds = Annotated[int | None, typer.Option(help="Longest wait for a C-MOVE response; 0: the profile's.")]
ActionSeconds = Annotated[int | None, typer.Option(help="Longest wait for an N-ACTION response; 0: the profile's.")]

CommitLimitSeconds = Annotated[
    int | None, typer.Option(help="How long it may take to report a commitment; 0: the setting's (24 hours).")
]
CommitQuietSeconds = Annotated[
    int | None, typer.Option(help="From the last delivery of a study to its request; -1: the setting's.")
]
CommitRetryHours = Annotated[
    int | None, typer.Option(help="How long a request is tried while it cannot be reached; 0: the setting's.")
]
CommitSize = Annotated[int | None, typer.Option(help="Instances in one commitment request; 0: the whole study.")]
ReportTitle = Annotated[
    list[str] | None,
    typer.Option(metavar="AET", help='What else its commitment reports come from; may be repeated; "" for none.'),
]
CommitDownstream = Annotated[
    list[str] | None,
    typer.Option(
        metavar="AET",
        help='Archive that must have committed what it asks us to commit; may be repeated; "" for none.',
    ),
]
RetryStatus = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CODE", help='Failure after which it is tried again: 0110, A7xx; may be repeated; "" for none.'
    ),
]
RetryError = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ERROR", help='unreachable, rejected or broken-off: tried again after it; may be repeated; "" for none.'
    ),
]
RetryFirstSeconds = Annotated[int | None, typer.Option(help="Longest wait before a second attempt (1).")]
RetryFactor = Annotated[float | None, typer.Option(help="How many times as long each further wait is (2).")]
RetryMostSeconds = Annotated[int | None, typer.Option(help="Longest wait of all (300).")]
RetryAttempts = Annotated[
    int | None, typer.Option(help="How often a delivery is tried; 0: as often as the hours allow.")
]
InstancesPerSecond = Annotated[float | None, typer.Option(help="It is sent no more of them; 0: no limit.")]
MegabytesPerSecond = Annotated[float | None, typer.Option(help="It is sent no more of them; 0: no limit.")]
IdleSeconds = Annotated[
    int | None, typer.Option(help="An association without work stays open so long; -1: as the setting says.")
]
FailoverStation = Annotated[
    str | None,
    typer.Option("--failover", metavar="AET", help='Where what waits for it goes when it is away; "": it waits.'),
]
FailoverSeconds = Annotated[int | None, typer.Option(help="How long its circuit is open before that (600).")]
BalanceWith = Annotated[
    list[str] | None,
    typer.Option(metavar="AET", help='Shares what rules send to it, each study to one; may be repeated; "" for none.'),
]
Order = Annotated[
    Literal["oldest", "newest"] | None,
    typer.Option(help="What goes first of what waits for it with one priority, such as after an outage (oldest)."),
]
Schedule = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WINDOW",
        help="It is sent to only then: 'mon-fri 18:00-06:00 Europe/Zurich'; may be repeated; \"\": at any time.",
    ),
]
AssociationInstances = Annotated[int | None, typer.Option(help="Instances sent over one association; 0: any number.")]
RetentionDays = Annotated[
    int | None, typer.Option(help="Days that what it sends is kept; 0: for ever; -1: as the setting says.")
]
Reconcile = Annotated[
    bool | None,
    typer.Option("--reconcile/--no-reconcile", help="Compare every night what it was sent with what it has."),
]
CompleteOnRelease = Annotated[
    bool | None,
    typer.Option(
        "--complete-on-release/--no-complete-on-release",
        help="A study that it sends is complete once it has released its associations, before the quiet time.",
    ),
]

SkipPresent = Annotated[
    bool | None,
    typer.Option("--skip-present/--send-present", help="Ask it by C-FIND what it has, and do not send that."),
]

PullMinutes = Annotated[
    int | None, typer.Option(help="So often it is asked for studies that are not here, which are retrieved; 0: never.")
]
PullDays = Annotated[int | None, typer.Option(help="Only studies of so many days (1).")]
PullModality = Annotated[
    list[str] | None, typer.Option(metavar="NM", help='Only studies with it; may be repeated; "" for all.')
]


@app.command("add")
def add(
    title: Title,
    host: Annotated[str, typer.Option(help="Host name or IP address.")],
    port: Annotated[int, typer.Option(help="TCP port it listens on, 1 to 65535.")],
    description: Description = None,
    enabled: Enabled = None,
    store: Store = None,
    query_retrieve: QueryRetrieve = None,
    prefilter: Prefilter = None,
    pet_raw: PetRaw = None,
    commit_server: CommitServer = None,
    commit_on: CommitOn = None,
    address: Address = None,
    revision_policy: RevisionPolicy = None,
    associations: Associations = None,
    unknown_policy: UnknownPolicy = None,
    retry_hours: RetryHours = None,
    refuse_findings: RefuseFindings = None,
    reduce_level_1: ReduceLevel1 = None,
    move_destination: MoveDestination = None,
    store_seconds: StoreSeconds = None,
    find_seconds: FindSeconds = None,
    move_seconds: MoveSeconds = None,
    action_seconds: ActionSeconds = None,
    commit_limit_seconds: CommitLimitSeconds = None,
    commit_quiet_seconds: CommitQuietSeconds = None,
    commit_retry_hours: CommitRetryHours = None,
    commit_size: CommitSize = None,
    report_title: ReportTitle = None,
    commit_downstream: CommitDownstream = None,
    retry_status: RetryStatus = None,
    retry_error: RetryError = None,
    retry_first_seconds: RetryFirstSeconds = None,
    retry_factor: RetryFactor = None,
    retry_most_seconds: RetryMostSeconds = None,
    retry_attempts: RetryAttempts = None,
    instances_per_second: InstancesPerSecond = None,
    megabytes_per_second: MegabytesPerSecond = None,
    idle_seconds: IdleSeconds = None,
    association_instances: AssociationInstances = None,
    failover: FailoverStation = None,
    failover_seconds: FailoverSeconds = None,
    balance_with: BalanceWith = None,
    order: Order = None,
    schedule: Schedule = None,
    retention_days: RetentionDays = None,
    reconcile: Reconcile = None,
    complete_on_release: CompleteOnRelease = None,
    skip_present: SkipPresent = None,
    pull_minutes: PullMinutes = None,
    pull_days: PullDays = None,
    pull_modality: PullModality = None,
    as_json: Json = False,
) -> None:
    """Define a station; it is known to every process within 2 seconds."""
    station = build(_given(locals()))
    added = with_database(lambda database: stations.add(database, actor(), station))
    _print_done("added", added, as_json)


@app.command("set")
def set_fields(
    title: Title,
    host: Host = None,
    port: Port = None,
    description: Description = None,
    enabled: Enabled = None,
    store: Store = None,
    query_retrieve: QueryRetrieve = None,
    prefilter: Prefilter = None,
    pet_raw: PetRaw = None,
    commit_server: CommitServer = None,
    commit_on: CommitOn = None,
    address: Address = None,
    revision_policy: RevisionPolicy = None,
    associations: Associations = None,
    unknown_policy: UnknownPolicy = None,
    retry_hours: RetryHours = None,
    refuse_findings: RefuseFindings = None,
    reduce_level_1: ReduceLevel1 = None,
    move_destination: MoveDestination = None,
    store_seconds: StoreSeconds = None,
    find_seconds: FindSeconds = None,
    move_seconds: MoveSeconds = None,
    action_seconds: ActionSeconds = None,
    commit_limit_seconds: CommitLimitSeconds = None,
    commit_quiet_seconds: CommitQuietSeconds = None,
    commit_retry_hours: CommitRetryHours = None,
    commit_size: CommitSize = None,
    report_title: ReportTitle = None,
    commit_downstream: CommitDownstream = None,
    retry_status: RetryStatus = None,
    retry_error: RetryError = None,
    retry_first_seconds: RetryFirstSeconds = None,
    retry_factor: RetryFactor = None,
    retry_most_seconds: RetryMostSeconds = None,
    retry_attempts: RetryAttempts = None,
    instances_per_second: InstancesPerSecond = None,
    megabytes_per_second: MegabytesPerSecond = None,
    idle_seconds: IdleSeconds = None,
    association_instances: AssociationInstances = None,
    failover: FailoverStation = None,
    failover_seconds: FailoverSeconds = None,
    balance_with: BalanceWith = None,
    order: Order = None,
    schedule: Schedule = None,
    retention_days: RetentionDays = None,
    reconcile: Reconcile = None,
    complete_on_release: CompleteOnRelease = None,
    skip_present: SkipPresent = None,
    pull_minutes: PullMinutes = None,
    pull_days: PullDays = None,
    pull_modality: PullModality = None,
    as_json: Json = False,
) -> None:
    """Change what is given of a station and leave the rest."""
    fields = _given(locals())
    name = fields.pop("title")
    changed = with_database(lambda database: stations.set_fields(database, actor(), name, fields))
    _print_done("changed", changed, as_json)


@app.command("list")
def list_all(as_json: Json = False) -> None:
    """Every station."""
    found = with_database(stations.list_all)
    if as_json:
        print_json([station.model_dump() for station in found])
        return
    print_table(
        ("TITLE", "HOST", "PORT", "ENABLED", "ROLES", "COMMITS ON", "DESCRIPTION"),
        [(s.title, s.host, s.port, s.enabled, _roles(s), s.commit_on, s.description) for s in found],
    )


@app.command("show")
def show(title: Title, as_json: Json = False) -> None:
    """All fields of a station."""
    station = with_database(lambda database: stations.show(database, title))
    if as_json:
        print_json(station.model_dump())
    else:
        print_fields(station.model_dump())


@app.command("remove")
def remove(title: Title, as_json: Json = False) -> None:
    """Forget a station; refused while rules, other stations, titles or unfinished jobs name it."""
    with_database(lambda database: stations.remove(database, actor(), title))
    if as_json:
        print_json({"removed": title.strip()})
    else:
        typer.echo(f"removed {title.strip()}")


AsSource = Annotated[
    bool, typer.Option("--as-source", help="What rules send of what came from it, instead of what is sent to it.")
]


@app.command("hold")
def hold(
    title: Title, why: holds.Why, until: holds.Until = None, as_source: AsSource = False, as_json: Json = False
) -> None:
    """Let what is to be sent to a station wait, without ageing, until it is resumed; in force within 2 seconds.

    The gateway goes on receiving from it. What is under way ends first.
    """
    holds.begin("source" if as_source else "station", title, why, until, as_json)


@app.command("resume")
def resume(title: Title, as_source: AsSource = False, as_json: Json = False) -> None:
    """End a hold: what waited goes, within 2 seconds."""
    holds.end("source" if as_source else "station", title, as_json)


@app.command("echo")
def echo(title: Title, as_json: Json = False) -> None:
    """Ask a station for a C-ECHO and say what came of it."""
    # Imported here: the other commands need nothing of the Upper Layer.
    from services.admin import echo as echoing
    from services.dicom.profile import profile_of
    from services.dicom.settings import DicomSettings

    settings = RuntimeSettings.load()
    profile = profile_of(settings.profile, DicomSettings.load())
    outcome = with_database(lambda database: echoing.echo(database, profile, settings.aet, title))
    if as_json:
        print_json(asdict(outcome))
    else:
        typer.echo(outcome.text)
    raise typer.Exit(exits.DONE if outcome.ok else exits.FAILED)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of a station among a command's options; an empty text empties, as 0 does for seconds."""
    fields = {name: value for name, value in options.items() if value is not None and name != "as_json"}
    for option, field in (
        ("address", "addresses"),
        ("move_destination", "move_destinations"),
        ("report_title", "report_titles"),
        ("commit_downstream", "commit_downstream"),
        ("retry_status", "retry_statuses"),
        ("retry_error", "retry_errors"),
        ("balance_with", "balance_with"),
        ("schedule", "schedule"),
        ("pull_modality", "pull_modalities"),
    ):
        if option in fields:
            fields[field] = [text for text in fields.pop(option) if text]
    for field in EMPTIED_BY_ZERO:
        if field in fields:
            fields[field] = fields[field] or None
    for field in EMPTIED_BY_MINUS_ONE:
        if fields.get(field) == -1:
            fields[field] = None
    _refuse_in_profile(fields)
    return fields


def _refuse_in_profile(fields: dict[str, Any]) -> None:
    """Raises ``UsageError`` for what the profile does not have."""
    for field in ("reconcile", "skip_present", "pull_minutes"):
        if fields.get(field):
            refuse_query_by_itself(f"--{field.replace('_', '-')}")
    if fields.get("retention_days") is not None and RuntimeSettings.load().profile == "xeleris":
        raise UsageError(
            f"--retention-days {fields['retention_days']}: profile xeleris keeps everything until a user deletes it "
            "(R94); leave it out, or use GATEWAY_PROFILE=gateway"
        )


def refuse_query_by_itself(option: str) -> None:
    """Raises ``UsageError`` in the profile whose queries people start."""
    if RuntimeSettings.load().profile == "xeleris":
        raise UsageError(
            f"{option}: profile xeleris queries only for a person (R53); leave it out, or use GATEWAY_PROFILE=gateway"
        )


def _roles(station: Station) -> str:
    flags = ("store", "query_retrieve", "prefilter", "pet_raw", "commit_server")
    return ", ".join(flag.replace("_", "-") for flag in flags if getattr(station, flag))


def _print_done(verb: str, station: Station, as_json: bool) -> None:
    settings = RuntimeSettings.load()
    warnings = [f"{reason}: the gateway would send to itself" for reason in _ourselves(station, settings)]
    for warning in (*warnings, *_never_committed(station, settings), *_against_the_statement(station, settings)):
        typer.echo(f"warning: station {station.title} {warning}", err=True)
    if as_json:
        print_json(station.model_dump())
    else:
        typer.echo(f"{verb} {station.title} ({station.host}:{station.port})")


def _ourselves(station: Station, settings: RuntimeSettings) -> list[str]:
    """What makes a station look like this gateway. It is no error: addresses may be translated on the way."""
    reasons = []
    if station.title == settings.aet:
        reasons.append("has this gateway's own AE title")
    if station.port == settings.dicom_port and station.host in ("localhost", "127.0.0.1", "::1", settings.dicom_host):
        reasons.append(f"is at this gateway's own address {station.host}:{station.port}")
    return reasons


def _never_committed(station: Station, settings: RuntimeSettings) -> list[str]:
    """What is set of commitment and does nothing in this profile. It is no error: the profile may be changed."""
    asked = station.commit_server or station.commit_on is not None
    if settings.profile != "xeleris" or not (asked or station.commit_downstream):
        return []
    # Imported here: the profile's data is needed for this warning only.
    from services.dicom.contexts import COMMITMENT_PUSH
    from services.dicom.profile import profile_of
    from services.dicom.settings import DicomSettings

    profile = profile_of(settings.profile, DicomSettings.load())
    without = asked and not profile.serves(COMMITMENT_PUSH)
    reasons = [f"is never asked for commitment: {profile.product} (GATEWAY_VARIANT) has none"] if without else []
    if station.commit_downstream:
        reasons.append(
            "cannot ask us for commitment: profile xeleris does not commit, --commit-downstream does nothing"
        )
    return reasons


def _against_the_statement(station: Station, settings: RuntimeSettings) -> list[str]:
    """What is set of sending and does nothing in profile xeleris."""
    if settings.profile != "xeleris":
        return []
    usual = Station(title=station.title, host=station.host, port=station.port)
    return [
        f"is set --{option}, which does nothing in profile xeleris: {why}"
        for field, option, why in (
            ("retry_statuses", "retry-status", "every status but success ends a delivery (R46)"),
            ("association_instances", "association-instances", "an association is kept while there is more (R45)"),
            ("failover", "failover", "no C-ECHO would tell when the station is back (R49)"),
        )
        if getattr(station, field) != getattr(usual, field)
    ]

"""``gateway station``: the remote AEs that the gateway knows."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from services.admin import not_in_profile, station_import, stations
from services.admin.station import Station, build
from services.cli import exits, holds
from services.cli import station_options as option
from services.cli.output import Json, print_fields, print_json, print_table
from services.cli.session import actor, with_database
from services.cli.shared_options import takes
from services.runtime.db import Database
from services.runtime.settings import RuntimeSettings

EMPTIED_BY_ZERO = (
    "commit_on", "store_seconds", "find_seconds", "move_seconds", "action_seconds", "commit_limit_seconds",
    "commit_retry_hours", "commit_size", "retry_attempts", "instances_per_second", "megabytes_per_second",
    "association_instances", "failover", "silent_hours",
)  # fmt: skip
EMPTIED_BY_MINUS_ONE = ("commit_quiet_seconds", "idle_seconds", "retention_days")

OPTIONS: Final[Mapping[str, Any]] = {
    "description": option.Description,
    "enabled": option.Enabled,
    "store": option.Store,
    "query_retrieve": option.QueryRetrieve,
    "prefilter": option.Prefilter,
    "pet_raw": option.PetRaw,
    "commit_server": option.CommitServer,
    "commit_on": option.CommitOn,
    "address": option.Address,
    "revision_policy": option.RevisionPolicy,
    "associations": option.Associations,
    "unknown_policy": option.UnknownPolicy,
    "retry_hours": option.RetryHours,
    "refuse_findings": option.RefuseFindings,
    "reduce_level_1": option.ReduceLevel1,
    "move_destination": option.MoveDestination,
    "store_seconds": option.StoreSeconds,
    "find_seconds": option.FindSeconds,
    "move_seconds": option.MoveSeconds,
    "action_seconds": option.ActionSeconds,
    "commit_limit_seconds": option.CommitLimitSeconds,
    "commit_quiet_seconds": option.CommitQuietSeconds,
    "commit_retry_hours": option.CommitRetryHours,
    "commit_size": option.CommitSize,
    "report_title": option.ReportTitle,
    "commit_downstream": option.CommitDownstream,
    "retry_status": option.RetryStatus,
    "retry_error": option.RetryError,
    "retry_first_seconds": option.RetryFirstSeconds,
    "retry_factor": option.RetryFactor,
    "retry_most_seconds": option.RetryMostSeconds,
    "retry_attempts": option.RetryAttempts,
    "instances_per_second": option.InstancesPerSecond,
    "megabytes_per_second": option.MegabytesPerSecond,
    "idle_seconds": option.IdleSeconds,
    "association_instances": option.AssociationInstances,
    "failover": option.FailoverStation,
    "failover_seconds": option.FailoverSeconds,
    "balance_with": option.BalanceWith,
    "order": option.Order,
    "schedule": option.Schedule,
    "retention_days": option.RetentionDays,
    "reconcile": option.Reconcile,
    "complete_on_release": option.CompleteOnRelease,
    "skip_present": option.SkipPresent,
    "pull_minutes": option.PullMinutes,
    "pull_days": option.PullDays,
    "pull_modality": option.PullModality,
    "silent_hours": option.SilentHours,
    "tls": option.Tls,
    "certificate": option.Certificate,
    "service": option.Service,
    "sop_class": option.SopClass,
}
"""Of ``add`` and ``set``."""

app = typer.Typer(help="Remote AEs: add, set, list, show, remove, hold, resume, echo, test.", no_args_is_help=True)


def register(whole: typer.Typer) -> None:
    """Add the commands."""
    whole.add_typer(app, name="station")


@app.command("add")
@takes(OPTIONS)
def add(
    title: option.Title,
    host: Annotated[str, typer.Option(help="Host name or IP address.")],
    port: Annotated[int, typer.Option(help="TCP port it listens on, 1 to 65535.")],
    as_json: Json = False,
    **given: Any,
) -> None:
    """Define a station; it is known to every process within 2 seconds."""
    station = build({"title": title, "host": host, "port": port} | _fields(given))
    added = with_database(lambda database: stations.add(database, actor(), station))
    _print_done("added", added, as_json)


@app.command("set")
@takes({"host": option.Host, "port": option.Port, **OPTIONS})
def set_fields(title: option.Title, as_json: Json = False, **given: Any) -> None:
    """Change what is given of a station and leave the rest."""
    fields = _fields(given)
    changed = with_database(lambda database: stations.set_fields(database, actor(), title, fields))
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


@app.command("import")
def import_file(
    file: Annotated[
        typer.FileText, typer.Argument(metavar="FILE", help="As 'gateway station list --json' prints; - too.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Define or change the stations of a file, YAML or JSON, all of them or none; others stay as they are."""
    wanted = station_import.read(file.read())
    not_in_profile.refuse_stations(RuntimeSettings.load().profile, wanted)
    done = with_database(lambda database: station_import.import_all(database, actor(), wanted, dry_run=dry_run))
    if as_json:
        print_json({"dry_run": dry_run, **asdict(done)})
        return
    for verb, titles in asdict(done).items():
        typer.echo(f"{'would be ' if dry_run else ''}{verb}: {', '.join(titles) or 'none'}")


@app.command("show")
def show(title: option.Title, as_json: Json = False) -> None:
    """All fields of a station."""
    station = with_database(lambda database: stations.show(database, title))
    if as_json:
        print_json(station.model_dump())
    else:
        print_fields(station.model_dump())


@app.command("remove")
def remove(title: option.Title, as_json: Json = False) -> None:
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
    title: option.Title, why: holds.Why, until: holds.Until = None, as_source: AsSource = False, as_json: Json = False
) -> None:
    """Let what is to be sent to a station wait, without ageing, until it is resumed; in force within 2 seconds.

    The gateway goes on receiving from it. What is under way ends first.
    """
    holds.begin("source" if as_source else "station", title, why, until, as_json)


@app.command("resume")
def resume(title: option.Title, as_source: AsSource = False, as_json: Json = False) -> None:
    """End a hold: what waited goes, within 2 seconds."""
    holds.end("source" if as_source else "station", title, as_json)


@app.command("echo")
def echo(title: option.Title, as_json: Json = False) -> None:
    """Ask a station for a C-ECHO and say what came of it."""
    # Imported here: the other commands need nothing of the Upper Layer.
    from services.admin import echo as echoing
    from services.dicom.profile import profile_of
    from services.dicom.settings import DicomSettings

    settings = RuntimeSettings.load()
    profile = profile_of(settings.profile, DicomSettings.load())
    outcome = with_database(lambda database: echoing.by_hand(database, actor(), profile, settings.aet, title))
    if as_json:
        print_json(asdict(outcome))
    else:
        typer.echo(outcome.text)
    raise typer.Exit(exits.DONE if outcome.ok else exits.FAILED)


@app.command("test")
def commission(
    title: option.Title,
    store_sample: Annotated[
        bool, typer.Option("--store-sample", help="Store a made instance there, and ask for its commitment.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Try a station step by step: name, TCP, TLS, C-ECHO, queries, which classes it takes, and a sample."""
    # Imported here: the other commands need nothing of the Upper Layer.
    from services.admin.commissioning.step import Step, passed
    from services.admin.commissioning.trial import trial
    from services.dicom.profile import profile_of
    from services.dicom.settings import DicomSettings

    settings = RuntimeSettings.load()
    profile = profile_of(settings.profile, DicomSettings.load())

    async def all_steps(database: Database) -> list[Step]:
        done = []
        async for step in trial(database, actor(), profile, settings.aet, title, store=store_sample):
            done.append(step)
            if not as_json:
                typer.echo(f"{step.name}: {step.verdict}: {step.text} ({step.milliseconds} ms)")
        return done

    done = with_database(all_steps)
    if as_json:
        print_json([asdict(step) for step in done])
    raise typer.Exit(exits.DONE if passed(done) else exits.FAILED)


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a station that a command's options give; an empty text empties, as 0 does for seconds."""
    fields = {name: value for name, value in given.items() if value is not None}
    for name, field in (
        ("address", "addresses"),
        ("move_destination", "move_destinations"),
        ("report_title", "report_titles"),
        ("commit_downstream", "commit_downstream"),
        ("retry_status", "retry_statuses"),
        ("retry_error", "retry_errors"),
        ("balance_with", "balance_with"),
        ("schedule", "schedule"),
        ("pull_modality", "pull_modalities"),
        ("certificate", "certificates"),
        ("service", "services"),
        ("sop_class", "sop_classes"),
    ):
        if name in fields:
            fields[field] = [text for text in fields.pop(name) if text]
    for field in EMPTIED_BY_ZERO:
        if field in fields:
            fields[field] = fields[field] or None
    for field in EMPTIED_BY_MINUS_ONE:
        if fields.get(field) == -1:
            fields[field] = None
    not_in_profile.refuse(RuntimeSettings.load().profile, fields)
    return fields


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

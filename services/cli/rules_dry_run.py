"""``gateway rules dry-run``."""

from typing import Annotated, Any, Final

import typer

from services.admin.rules import dry_run as dry_runs
from services.admin.rules.faults import FaultyRules
from services.cli.duration import duration
from services.cli.output import Json, cell, print_json, print_table
from services.cli.rule_files import RuleFile, counted, faults, judged, read
from services.cli.session import with_database
from services.dicom.rules import UNSENDABLE
from services.runtime.objects import open_store
from services.runtime.settings import RuntimeSettings

_PREFIXES: Final = ("B", "kB", "MB", "GB", "TB", "PB")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("dry-run")(dry_run)


def dry_run(
    file: RuleFile,
    since: Annotated[str, typer.Option(metavar="DURATION", help="How far back: 90m, 12h, 7d, 2w.")] = "7d",
    objects: Annotated[
        int, typer.Option(min=0, help="Most objects to read for what the facts do not hold.")
    ] = dry_runs.MOST_OBJECTS,
    as_json: Json = False,
) -> None:
    """What the rules of a file would do with what was received, compared with the live ones; changes nothing."""
    back, text, profile = duration(since), read(file), judged()
    try:
        found = with_database(
            lambda database: dry_runs.dry_run(
                database,
                lambda: open_store(RuntimeSettings.load()),
                text,
                back,
                most_objects=objects,
                **profile,
            )
        )
    except FaultyRules as error:
        raise faults(file, error, as_json) from None
    if as_json:
        print_json(found)
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    number = found["compared_with"]
    typer.echo(f"received since {cell(found['since'])}: {_amount(found)}, evaluated in {found['seconds']:.1f} s")
    typer.echo(
        f"compared with rule set {number}, which is live" if number else "compared with nothing: no rule set is live"
    )
    if found["deleted"]:
        typer.echo(f"not evaluated: {counted(found['deleted'], 'instance')} erased, only their receipts are left")
    _print_tally(found)
    read = found["from_objects"]
    if not read["read"] and not read["left_out"]:
        return
    rate = f", {read['rate']:.0f} a second" if read["rate"] else ""
    typer.echo(f"\nby elements that the facts do not hold: {counted(read['read'], 'object')} read{rate}")
    if read["unreadable"]:
        typer.echo(f"could not be read, evaluated without: {counted(read['unreadable'], 'object')}")
    if read["left_out"]:
        typer.echo(
            f"not evaluated: {counted(read['left_out'], 'instance')}, because at most {read['limit']} objects are "
            "read; give a larger --objects"
        )
    _print_tally(read)


def _print_tally(tally: dict[str, Any]) -> None:
    rules, lost = tally["rules"], tally["no_longer_sent"]
    print_table(
        ("RULE", "TO", "INSTANCES", "STUDIES", "SIZE", "NEWLY SENT", "UNCHANGED", "BY AN EARLIER RULE"),
        [
            (
                r["rule"], r["to"], r["instances"], r["studies"], _size(r["bytes"]), r["newly_sent"]["instances"],
                r["unchanged"]["instances"], r["sent_by_an_earlier_rule"],
            )
            for r in rules
        ],
    )  # fmt: skip
    for row in rules:
        if row["cannot_be_sent"]:
            failing = counted(row["cannot_be_sent"], "instance")
            typer.echo(f"fails at once: {failing} by {row['rule']} to {row['to']}: {UNSENDABLE}")
        if row["schedule"]:
            typer.echo(f"only {' or '.join(row['schedule'])}: {row['rule']} to {row['to']} waits until then")
        if row["changes"]:
            typer.echo(f"changed: by {row['rule']} to {row['to']}: {'; '.join(row['changes'])}")
    if lost:
        typer.echo("no longer sent:")
        columns = ("LIVE RULE", "TO", "INSTANCES", "STUDIES", "SIZE")
        print_table(columns, [(r["rule"], r["to"], r["instances"], r["studies"], _size(r["bytes"])) for r in lost])
    examples = [
        *(("newly sent", r["rule"], r["to"], uid) for r in rules for uid in r["newly_sent"]["examples"]),
        *(("no longer sent", r["rule"], r["to"], uid) for r in lost for uid in r["examples"]),
    ]
    if examples:
        print_table(("EXAMPLE OF", "RULE", "TO", "INSTANCE"), examples)


def _amount(tally: dict[str, Any]) -> str:
    studies = f"{tally['studies']} {'study' if tally['studies'] == 1 else 'studies'}"
    return f"{counted(tally['instances'], 'instance')}, {studies}, {_size(tally['bytes'])}"


def _size(count: int) -> str:
    """Bytes as people read them (pure): 1.2 GB is 1,200,000,000 bytes."""
    amount, place = float(count), 0
    while amount >= 999.95 and place < len(_PREFIXES) - 1:
        amount, place = amount / 1000, place + 1
    return f"{amount:.1f} {_PREFIXES[place]}" if place else f"{count} B"

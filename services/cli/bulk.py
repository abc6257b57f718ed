"""Options and course of ``gateway jobs retry|cancel|reroute`` for many deliveries at once."""

import sys
from typing import Annotated
from uuid import UUID

import typer

from services.admin import deliveries
from services.admin.deliveries import Action, Chosen, Filter
from services.admin.when import NEVER, when_of
from services.cli.output import print_json, print_table
from services.cli.session import actor, with_database
from services.runtime.errors import UsageError

UNASKED = 100
"""So many deliveries are touched without --yes."""

Destination = Annotated[str | None, typer.Option(metavar="TITLE", help="Deliveries to this station.")]
State = Annotated[
    deliveries.State | None,
    typer.Option(case_sensitive=False, help="Deliveries in this state."),
]
Rule = Annotated[str | None, typer.Option(metavar="NAME", help="Deliveries that this rule sends.")]
Study = Annotated[str | None, typer.Option(metavar="UID", help="Deliveries of this study.")]
Since = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="Ended (if they wait: made) since then: 2d, 12h, or 2026-12-01T07:00 (UTC)."),
]
ReasonContains = Annotated[str | None, typer.Option(metavar="TEXT", help="Deliveries whose reason contains this.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only list what would be touched.")]
Yes = Annotated[bool, typer.Option("--yes", help=f"Do not ask, however many there are (more than {UNASKED}: asked).")]


def filter_of(
    destination: str | None,
    state: deliveries.State | None,
    rule: str | None,
    study: str | None,
    since: str | None,
    reason_contains: str | None,
) -> Filter:
    """The options as a filter."""
    beginning = NEVER if since is None else when_of(since)
    return Filter(destination and destination.strip(), state, rule, study, reason_contains, beginning)


def one(job: UUID | None, wanted: Filter) -> bool:
    """Whether one job is meant. Raises ``UsageError`` for both or neither."""
    if job is not None and not wanted.empty:
        raise UsageError(f"a JOB ({job}) or a filter, not both")
    return job is not None


def run(
    action: Action,
    wanted: Filter,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    job: UUID | None = None,
    to: str | None = None,
    why: str = "",
) -> None:
    """List what the filter finds, or what of one job; then, unless that was all that was asked for, have it done."""
    chosen = with_database(lambda database: deliveries.choose(database, action, wanted, job))
    count = len(chosen.deliveries)
    if not as_json:
        _print(action, chosen, to)
    if dry_run or not count:
        if as_json:
            print_json({"dry_run": dry_run, "found": count, "more": chosen.more, "groups": chosen.groups})
        return
    if count > UNASKED and not yes:
        _ask(action, count)
    # Imported here: the broker's client comes with it, and the commands that only ask need none.
    from services.admin import bulk

    done = with_database(lambda database: bulk.act(database, actor(), action, chosen, to, why))
    touched = sum((requested.result or {}).get("deliveries", 0) for requested in done)
    waiting = sum(requested.result is None for requested in done)
    refused = sorted({reason for requested in done for reason in (requested.result or {}).get("refused", ())})
    if as_json:
        print_json(
            {"dry_run": False, "found": count, "more": chosen.more, "groups": chosen.groups, "deliveries": touched}
            | {"requests": [requested.id for requested in done], "queued": waiting, "refused": refused}
        )
        return
    for reason in refused:
        typer.echo(reason, err=True)
    typer.echo(f"{action}: {touched} deliveries" + (" (the rest had changed meanwhile)" if touched < count else ""))
    if waiting:
        typer.echo(f"{waiting} of {len(done)} requests are queued: forwarder will do them when it runs")


def _print(action: Action, chosen: Chosen, to: str | None) -> None:
    columns = ("deliveries", "destination", "state", "rule", "reason")
    if chosen.groups:
        print_table(
            [column.upper() for column in columns],
            [[group[column] or None for column in columns] for group in chosen.groups],
        )
    more = ", the first of more" if chosen.more else ""
    typer.echo(f"to {action}{f' to {to}' if to else ''}: {len(chosen.deliveries)} deliveries{more}")


def _ask(action: Action, count: int) -> None:
    """Raises ``UsageError`` where nobody can be asked; ends the command when the answer is no."""
    if not sys.stdin.isatty():
        raise UsageError(f"{count} deliveries are more than {UNASKED}: say --yes to {action} them, --dry-run to list")
    typer.confirm(f"{action} {count} deliveries?", abort=True)

"""``gateway audit``: who did what."""

import json
from typing import Annotated, Any

import typer

from services.admin import audit_entries
from services.admin.audit_export import Format, exported
from services.admin.when import NEVER, When, when_of
from services.cli.duration import duration
from services.cli.output import Json, Limit, print_json, print_table
from services.cli.session import actor, with_database
from services.runtime.db import Database

LONGEST_SHOWN = 300

app = typer.Typer(help="Audit: list, export.", no_args_is_help=True)


def register(whole: typer.Typer) -> None:
    """Add the commands."""
    whole.add_typer(app, name="audit")


@app.command("list")
def list_entries(
    since: Annotated[str | None, typer.Option(metavar="DURATION", help="Not older than this: 90m, 12h, 7d.")] = None,
    action: Annotated[
        str | None, typer.Option(help="Only this action, as studies.delete, or all of a kind, as studies.")
    ] = None,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """The newest changes, requests, deletions, exports and imports, with who made them."""
    beginning = NEVER if since is None else When(int(duration(since).total_seconds()), None)
    rows = with_database(
        lambda database: audit_entries.list_entries(database, audit_entries.Filter(beginning, action), limit)
    )
    if as_json:
        print_json(rows)
        return
    print_table(
        ("AT", "WHO", "FROM", "ACTION", "WHAT", "DETAILS"),
        [(row["at"], row["actor"], row["address"], row["action"], row["object"], _details(row)) for row in rows],
    )


@app.command("export")
def export(
    beginning: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="7d, or 2026-12-01T07:00 (UTC); else from the first.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Before that time; else all there is now.")
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="jsonl: an entry a line; csv: for spreadsheets.")
    ] = Format.JSON_LINES,
    action: Annotated[str | None, typer.Option(help="Only this action, or all of a kind.")] = None,
) -> None:
    """Print all entries of a time, the oldest first. It is audited, with the SHA-256 of what is printed."""
    since, until = (NEVER if text is None else when_of(text) for text in (beginning, end))
    wanted = audit_entries.Filter(since, action, until=until)

    async def work(database: Database) -> None:
        async for text in exported(database, actor(), wanted, form):
            typer.echo(text, nl=False)

    with_database(work)


def _details(row: dict[str, Any]) -> str:
    """What changed of a thing that was there before; else all that is said."""
    before, after = row["before"] or {}, row["after"] or {}
    said = {name: value for name, value in after.items() if name not in before or before[name] != value}
    text = json.dumps(said, ensure_ascii=False, sort_keys=True) if said else ""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}… (--json shows all)"

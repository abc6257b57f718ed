"""``gateway holds``, and what ``station`` and ``rules`` say when they hold and resume."""

from typing import Annotated

import typer

from services.admin import holds
from services.admin.holds import Kind
from services.admin.when import NEVER, when_of
from services.cli.output import Json, Limit, cell, print_json, print_table
from services.cli.session import actor, with_database

app = typer.Typer(help="What is held: list. 'station hold' and 'rules hold' begin a hold.", no_args_is_help=True)

Why = Annotated[str, typer.Option(help="The reason people read while it lasts.")]
Until = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="When it ends by itself: 2h, 3d, or 2026-12-01T07:00 (UTC). Without it: never."),
]


def register(whole: typer.Typer) -> None:
    """Add the commands."""
    whole.add_typer(app, name="holds")


@app.command("list")
def list_all(
    ended: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False,
    limit: Limit = 1000,
    as_json: Json = False,
) -> None:
    """What is held, since when, by whom, why, until when, and how many deliveries wait for it."""
    rows = with_database(lambda database: holds.list_all(database, ended=ended, limit=limit))
    if as_json:
        print_json(rows)
        return
    columns = ("name", "kind", "held_at", "held_by", "why", "until", "deliveries", *(("ends_at",) if ended else ()))
    headings = ("HELD", "IS A", "SINCE", "BY", "WHY", "UNTIL", "DELIVERIES", "ENDED")
    print_table(headings[: len(columns)], [[row[column] for column in columns] for row in rows])


def begin(kind: Kind, name: str, why: str, until: str | None, as_json: bool) -> None:
    """Hold, and say so."""
    end = NEVER if until is None else when_of(until)
    held = with_database(lambda database: holds.hold(database, actor(), kind, name, why, end))
    if as_json:
        print_json(held)
    else:
        end_text = f"until {cell(held['until'])}" if held["until"] else "until it is resumed"
        typer.echo(f"{kind} {held['name']} is held {end_text}: {held['why']}")


def end(kind: Kind, name: str, as_json: bool) -> None:
    """Resume, and say so."""
    resumed = with_database(lambda database: holds.resume(database, actor(), kind, name))
    if as_json:
        print_json(resumed)
    else:
        typer.echo(f"{kind} {resumed['name']} goes on")

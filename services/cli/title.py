"""``gateway title``: the titles that the gateway answers to besides its main one (profile gateway)."""

from typing import Annotated, Any

import typer

from services.admin import titles
from services.admin.title import OwnTitle, build
from services.cli.output import Json, print_fields, print_json, print_table
from services.cli.session import actor, with_database
from services.runtime.settings import RuntimeSettings

app = typer.Typer(help="Titles the gateway answers to: add, set, list, show, remove.", no_args_is_help=True)


def register(whole: typer.Typer) -> None:
    """Add the commands."""
    whole.add_typer(app, name="title")


Title = Annotated[str, typer.Argument(help="AE title of the gateway's own: 1 to 16 printable ASCII characters.")]
Station = Annotated[
    list[str] | None,
    typer.Option(metavar="AET", help='A station that may call it; may be repeated; "" for every known one.'),
]
Associations = Annotated[
    int | None, typer.Option(help="Incoming associations at a time, 1 to 4096; 0: as many as the AE takes.")
]


@app.command("add")
def add(title: Title, station: Station = None, associations: Associations = None, as_json: Json = False) -> None:
    """Answer to a title besides GATEWAY_AET, or limit that one; in force within 2 seconds."""
    own = build({"title": title} | _given(station, associations))
    added = with_database(lambda database: titles.add(database, actor(), own, RuntimeSettings.load().profile))
    _print_done("added", added, as_json)


@app.command("set")
def set_fields(title: Title, station: Station = None, associations: Associations = None, as_json: Json = False) -> None:
    """Change what is given of a title and leave the rest."""
    fields = _given(station, associations)
    profile = RuntimeSettings.load().profile
    changed = with_database(lambda database: titles.set_fields(database, actor(), title, fields, profile))
    _print_done("changed", changed, as_json)


@app.command("list")
def list_all(as_json: Json = False) -> None:
    """Every title that was defined."""
    found = with_database(titles.list_all)
    if as_json:
        print_json([own.model_dump() for own in found])
        return
    print_table(
        ("TITLE", "STATIONS", "ASSOCIATIONS"),
        [(own.title, own.stations or "every one", own.associations or "any number") for own in found],
    )


@app.command("show")
def show(title: Title, as_json: Json = False) -> None:
    """All fields of a title."""
    own = with_database(lambda database: titles.show(database, title))
    if as_json:
        print_json(own.model_dump())
    else:
        print_fields(own.model_dump())


@app.command("remove")
def remove(title: Title, as_json: Json = False) -> None:
    """Answer to a title no longer."""
    with_database(lambda database: titles.remove(database, actor(), title))
    if as_json:
        print_json({"removed": title.strip()})
    else:
        typer.echo(f"removed {title.strip()}")


def _given(station: list[str] | None, associations: int | None) -> dict[str, Any]:
    """The fields among a command's options; an empty text, or 0, stands for no limit."""
    fields: dict[str, Any] = {}
    if station is not None:
        fields["stations"] = [title for title in station if title]
    if associations is not None:
        fields["associations"] = associations or None
    return fields


def _print_done(verb: str, own: OwnTitle, as_json: bool) -> None:
    if as_json:
        print_json(own.model_dump())
    else:
        typer.echo(f"{verb} {own.title}")

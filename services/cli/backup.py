"""``gateway backup`` and ``gateway restore``."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer

from services.cli import exits
from services.cli.output import Json, cell, print_json
from services.cli.session import actor, away
from services.runtime.errors import StoreFull, Unavailable
from services.runtime.objects import ObjectStore, open_store
from services.runtime.settings import RuntimeSettings

Place = Annotated[str, typer.Argument(metavar="FOLDER|s3://…", help="Where backups lie.")]

DAMAGED_HERE = "cannot be read from the object store as it was: {}"
DAMAGED_THERE = "damaged in the backup: {}"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(
    place: Place,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Leave only so many backups there, and what they hold; all without it.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Read again what is there already, and the object store.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Back up database and objects while the gateway runs; objects that are there already are not copied again.

    Exit status 1 if an object is damaged or missing in the object store: the backup holds all the others, and what an
    earlier one has of it.
    """
    # Imported here: no other command needs it.
    from services.admin.backup.making import back_up
    from services.admin.backup.repository import repository_at

    made = _run(
        lambda settings: f"backups at {place}",
        lambda settings, objects: back_up(
            settings, objects, repository_at(place, settings), actor(), version("dicom-gateway"), keep=keep, check=check
        ),
    )
    _print(
        made, as_json, f"backup {made['backup']}: {made['objects']} objects, {made['copied']} of them new", DAMAGED_HERE
    )


def restore(
    place: Place,
    name: Annotated[
        str | None, typer.Option("--backup", metavar="NAME", help="Which one; the newest without it.")
    ] = None,
    keep_objects: Annotated[
        bool, typer.Option("--keep-objects", help="The object store may hold objects: what is there is checked.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring a backup back into a new database and an empty object store, each object checked by its hash.

    No gateway may run there. Exit status 1 if an object is damaged or missing: all the others are back.
    """
    from services.admin.backup.repository import repository_at
    from services.admin.backup.restoring import restore as bring_back

    back = _run(
        lambda settings: f"object store {settings.objects_url}",
        lambda settings, objects: bring_back(
            settings, objects, repository_at(place, settings), actor(), name, keep_objects=keep_objects
        ),
    )
    _print(
        back,
        as_json,
        f"restored {back['backup']}, made at {cell(back['made_at'])}: {back['objects']} objects",
        DAMAGED_THERE,
    )


def _run(
    target: Callable[[RuntimeSettings], str], work: Callable[[RuntimeSettings, ObjectStore], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """``target``: where it writes, which may be full."""
    from services.admin.backup.repository import PlaceAway

    settings = RuntimeSettings.load()
    objects = open_store(settings)

    async def working() -> dict[str, Any]:
        return await work(settings, objects)

    try:
        return asyncio.run(working())
    except StoreFull as error:
        raise StoreFull(f"{target(settings)}: {error}; make room there, and begin again") from error
    except PlaceAway:
        raise
    except Unavailable as error:
        raise Unavailable(f"{error}. {away(settings)}") from error


def _print(result: dict[str, Any], as_json: bool, line: str, damaged: str) -> None:
    if as_json:
        print_json(result)
    else:
        typer.echo(f"{line}, {result['rows']} rows of schema version {result['schema_version']}")
        for what, said in (
            ("forgotten", "removed backup {}"),
            ("damaged", damaged),
            ("missing", "missing though the database names it: {}"),
            ("differs", "{}"),
        ):
            for each in result.get(what, ()):
                typer.echo(said.format(each), err=True)
    raise typer.Exit(exits.FAILED if result["incomplete"] else exits.DONE)

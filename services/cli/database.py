"""``gateway migrate``."""

import asyncio

import typer

from services.cli.output import Json, print_json
from services.cli.session import away
from services.runtime.errors import Unavailable
from services.runtime.migrate import migrate as apply_migrations
from services.runtime.settings import RuntimeSettings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("migrate")(migrate)


def migrate(as_json: Json = False) -> None:
    """Apply the migrations that the database lacks; several at once wait for one another."""
    settings = RuntimeSettings.load()
    try:
        applied = asyncio.run(apply_migrations(settings.database_url))
    except Unavailable as error:
        raise Unavailable(f"{error}. {away(settings)}") from error
    if as_json:
        print_json({"applied": applied})
    else:
        typer.echo(f"applied: {', '.join(map(str, applied))}" if applied else "nothing to apply")

"""``gateway migrate`` and ``gateway roles``."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer

from services.cli.output import Json, print_json
from services.cli.session import away
from services.runtime import roles as database_roles
from services.runtime.errors import Unavailable
from services.runtime.migrate import migrate as apply_migrations
from services.runtime.settings import ROLES, RuntimeSettings

T = TypeVar("T")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("migrate")(migrate)
    app.command("roles")(roles)


def migrate(as_json: Json = False) -> None:
    """Apply the migrations that the database lacks; several at once wait for one another."""
    applied = _run(lambda settings: apply_migrations(settings.database_url))
    if as_json:
        print_json({"applied": applied})
    else:
        typer.echo(f"applied: {', '.join(map(str, applied))}" if applied else "nothing to apply")


def roles(as_json: Json = False) -> None:
    """Make the services' roles in the database, and the logins that GATEWAY_<SERVICE>_DATABASE_URL name; again changes
    nothing. GATEWAY_DATABASE_URL connects as the owner."""
    logins: list[database_roles.Login] = []

    def make(settings: RuntimeSettings) -> Awaitable[None]:
        logins.extend(database_roles.logins_of(settings.own_urls("database_url")))
        return database_roles.make(settings.database_url, logins)

    _run(make)
    names = {service: login.name for login in logins for service in login.services}
    if as_json:
        print_json({role: names.get(role) for role in ROLES})
        return
    for role in ROLES:
        typer.echo(f"{role}: {names.get(role) or f'no GATEWAY_{role.upper()}_DATABASE_URL, uses GATEWAY_DATABASE_URL'}")


def _run(work: Callable[[RuntimeSettings], Awaitable[T]]) -> T:
    settings = RuntimeSettings.load()

    async def working() -> T:
        return await work(settings)

    try:
        return asyncio.run(working())
    except Unavailable as error:
        raise Unavailable(f"{error}. {away(settings)}") from error

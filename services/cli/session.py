"""One command's connection to the gateway: its settings (environment, or gateway.json of the home) and database."""

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

from services.runtime.db import Database
from services.runtime.errors import Unavailable
from services.runtime.schema import check_schema
from services.runtime.settings import RuntimeSettings

T = TypeVar("T")


def with_database(work: Callable[[Database], Awaitable[T]]) -> T:
    """Run ``work`` with the gateway's database. Raises ``Unavailable`` that says where it looked and what to do."""
    settings = RuntimeSettings.load()
    try:
        return asyncio.run(_run(settings.database_of(["admin"]), work))
    except Unavailable as error:
        raise Unavailable(f"{error}. {away(settings)}") from error


def actor() -> str:
    """Who acts, for the audit: the account of the operating system that runs the command."""
    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:  # containers run under numbers that have no account
        return f"cli:{os.getuid()}"


def away(settings: RuntimeSettings) -> str:
    """Where the gateway was looked for and the cure when nobody answers there (never a password)."""
    where = place(settings.database_of(["admin"]))
    return (
        f"The database was looked for at {where} (home {settings.home}): start the gateway (deploy/local/up), or name "
        "another one with GATEWAY_HOME or GATEWAY_DATABASE_URL"
    )


def place(url: str) -> str:
    """Host, port and path of a URL, without user and password (pure)."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{host}{parts.path}" if host else f"{parts.path}?{parts.query}"


async def _run(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    database = Database(url, application="gateway-cli", pool=1, any_schema=True)
    await database.reach()
    await database.open()
    try:
        async with database.transaction() as connection:
            await check_schema(connection)
        return await work(database)
    finally:
        await database.close()

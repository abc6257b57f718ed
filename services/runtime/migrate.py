"""Migrations: ``schemas/database/migrations/NNNN_what.sql``, forward only, each in one transaction of its own.

A file says with ``-- oldest-code: N`` which code (its SCHEMA_VERSION) still works on the schema it makes. Several
processes may migrate at once: an advisory lock lets one after the other. A migration waits at most 5 s for a table's
lock, so that it never stops the traffic behind it, and is tried again.
"""

import asyncio
import re
from dataclasses import dataclass
from importlib import resources
from typing import LiteralString

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from schemas.database.version import SCHEMA_COMPATIBLE_FROM
from services.runtime.db_errors import translate
from services.runtime.errors import Conflict, GatewayError, Unavailable
from services.runtime.roles import grant
from services.runtime.schema import QUERIES, applied, misfit

ATTEMPTS = 5
BETWEEN_ATTEMPTS_SECONDS = 2.0
SESSION = "-c lock_timeout=120s -c statement_timeout=0 -c idle_in_transaction_session_timeout=60s -c TimeZone=UTC"
FILE = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
OLDEST_CODE = re.compile(r"^-- oldest-code: (\d+)$", re.MULTILINE)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, order=True)
class Migration:
    """One file."""

    number: int
    name: str
    oldest_code: int
    sql: LiteralString


def migrations() -> list[Migration]:
    """All of them in order. Raises ``GatewayError`` for a gap, a twin or a file without ``-- oldest-code: N``."""
    files = resources.files("schemas.database").joinpath("migrations").iterdir()
    found = sorted(_read(file.name, file.read_text(encoding="utf-8")) for file in files if file.name.endswith(".sql"))
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise GatewayError(f"migrations are not numbered 0001, 0002, …: {[migration.name for migration in found]}")
    return found


def _read(file: str, sql: LiteralString) -> Migration:
    named, oldest = FILE.match(file), OLDEST_CODE.search(sql)
    if named is None or oldest is None:
        raise GatewayError(f"migration {file}: name it NNNN_what.sql and give it a line '-- oldest-code: N'")
    return Migration(int(named[1]), named[2], int(oldest[1]), sql)


async def migrate(url: str) -> list[int]:
    """Apply what the database lacks, make the partitions of the coming months, and give the services' roles, as far as
    they are there, what they need; the numbers applied.

    Raises:
        Unavailable: the database is away.
        Conflict: a table stayed locked through all attempts; run it again when there is less traffic.
        GatewayError: a migration failed; its transaction was rolled back, the ones before it stay. Or the schema is
            too new for this code, which then changes nothing.
    """
    try:
        connection = await AsyncConnection.connect(
            url, autocommit=True, row_factory=dict_row, connect_timeout=5, options=SESSION,
            application_name="gateway-migrate",
        )  # fmt: skip
        async with connection:
            await connection.execute(QUERIES.lock)
            return await _migrate(connection)
    except psycopg.Error as error:
        raise translate(error) from error


async def _migrate(connection: AsyncConnection[DictRow]) -> list[int]:
    version, oldest_code = await applied(connection)
    if oldest_code > 0 and (reason := misfit(max(version, SCHEMA_COMPATIBLE_FROM), oldest_code)):
        raise GatewayError(reason)
    pending = [migration for migration in migrations() if migration.number > version]
    await connection.execute("set lock_timeout = '5s'")
    for migration in pending:
        await _attempt(connection, migration)
    await connection.execute(QUERIES.ensure_partitions, {"schema": None})
    await grant(connection)
    return [migration.number for migration in pending]


async def _attempt(connection: AsyncConnection[DictRow], migration: Migration) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            await _apply(connection, migration)
        except psycopg.Error as error:
            meaning = translate(error)
            if isinstance(meaning, Unavailable):
                raise meaning from error
            if not isinstance(meaning, Conflict):
                raise GatewayError(f"migration {migration.number:04} {migration.name} failed: {error}") from error
            if attempt == ATTEMPTS:
                raise Conflict(f"migration {migration.number:04} {migration.name}: {meaning}") from error
            log.warning("migration_waits_for_lock", migration=migration.number, attempt=attempt)
            await asyncio.sleep(BETWEEN_ATTEMPTS_SECONDS)
        else:
            return


async def _apply(connection: AsyncConnection[DictRow], migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(
            QUERIES.insert_version,
            {"number": migration.number, "name": migration.name, "oldest_code": migration.oldest_code},
        )
    log.info("migration_applied", migration=migration.number, name=migration.name)

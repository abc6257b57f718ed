"""Does the database's schema fit this code? Old and new code run side by side while an upgrade rolls."""

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from schemas.database.version import SCHEMA_COMPATIBLE_FROM, SCHEMA_VERSION
from services.runtime.errors import GatewayError
from services.runtime.queries import load_queries

QUERIES = load_queries("services.runtime", "schema.sql")


def misfit(number: int, oldest_code: int) -> str | None:
    """Why schema ``number`` does not do for this code, with the cure; None when it does (pure)."""
    if number < SCHEMA_COMPATIBLE_FROM:
        return (
            f"the database has schema version {number}, this code needs at least {SCHEMA_COMPATIBLE_FROM}: "
            "run 'gateway migrate'"
        )
    if oldest_code > SCHEMA_VERSION:
        return (
            f"the database has schema version {number}, which needs code of schema version {oldest_code} or newer; "
            f"this code has {SCHEMA_VERSION}: install the newer gateway"
        )
    return None


async def check_schema(connection: AsyncConnection[DictRow]) -> None:
    """Raises ``GatewayError`` that names the cure when the schema does not fit this code."""
    number, oldest_code = await applied(connection)
    if reason := misfit(number, oldest_code):
        raise GatewayError(reason)


async def applied(connection: AsyncConnection[DictRow]) -> tuple[int, int]:
    """Newest applied migration and the oldest code it allows; (0, 0) for an empty database."""
    exists = await (await connection.execute(QUERIES.version_table)).fetchone()
    if exists is None or exists["version_table"] is None:
        return 0, 0
    row = await (await connection.execute(QUERIES.select_version)).fetchone()
    return (row["number"], row["oldest_code"]) if row else (0, 0)

"""Connections of a backup and a restore: their statements take long, but none is waited for without a limit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from services.runtime.db import PARAMETERS, Connection
from services.runtime.db_errors import translate
from services.runtime.queries import load_queries

QUERIES = load_queries("services.admin.backup", "backup.sql")
ANSWER_SECONDS = 3600.0
"""The longest silence: an index or the references of a large table are looked through at the end of its COPY."""
# The text of COPY depends on these, not on who reads it.
SESSION = (
    "-c statement_timeout=0 -c lock_timeout=60s -c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres "
    "-c bytea_output=hex -c client_encoding=UTF8 -c jit=off"
)


@asynccontextmanager
async def connected(url: str, application: str) -> AsyncIterator[Connection]:
    """A connection in autocommit. Errors of the driver leave the block as the gateway's own.

    Raises ``Unavailable``, ``Conflict``, ``RefusedData``, ``GatewayError``.
    """
    try:
        parameters = PARAMETERS | {"application_name": application, "options": SESSION}
        async with await Connection.connect(url, autocommit=True, **parameters) as connection:
            connection.answer_seconds = ANSWER_SECONDS
            yield connection
    except psycopg.Error as error:
        raise translate(error) from error

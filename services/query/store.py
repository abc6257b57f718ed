"""Reading matches from the database, from an association's thread and without holding more than a batch of them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import CancelledError, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from typing import Any, Final

from psycopg import sql
from psycopg.rows import tuple_row

from services.dicom.statements import composed
from services.query.questions import Question
from services.query.settings import QuerySettings
from services.runtime.db import Database, load_queries
from services.runtime.errors import GatewayError, Unavailable

QUERIES = load_queries(__package__)

Row = tuple[str, ...]

FIRST_BATCH: Final = 100
BATCH: Final = 500
POLL_SECONDS: Final = 0.2
CLOSE_SECONDS: Final = 10.0


class Stopped(Exception):
    """The peer does not want the answer any more."""


class Matches:
    """Asks questions on a pool of its own, so that slow queries take no connection from ingest beside them."""

    def __init__(self, database: Database, loop: asyncio.AbstractEventLoop, settings: QuerySettings) -> None:
        self._database, self._loop, self._settings = database, loop, settings

    def batches(self, question: Question, stopped: Callable[[], bool]) -> Generator[list[Row], None, None]:
        """The matches of a question, a row having the elements that it returns. Call it in a thread; end it by closing.

        ``stopped`` is asked while the database works. Raises ``Stopped``, and GatewayError as ``Database.transaction``.
        """
        if not self._database.available:
            raise Unavailable("database is away")
        stream = self._stream(question)
        try:
            while (rows := self._wait(stream, stopped)) is not None:
                yield rows
        finally:
            self._close(stream)

    def _wait(self, stream: AsyncGenerator[list[Row], None], stopped: Callable[[], bool]) -> list[Row] | None:
        future = asyncio.run_coroutine_threadsafe(_next(stream), self._loop)
        try:
            while not wait([future], POLL_SECONDS).done:
                if stopped():
                    raise Stopped
                if not self._database.available:
                    raise Unavailable("database went away")
            return future.result()
        finally:
            future.cancel()  # stops the database's work; does nothing once there is an answer

    def _close(self, stream: AsyncGenerator[list[Row], None]) -> None:
        # A stream whose batch was cancelled is still ending by itself: closing it raises RuntimeError.
        with suppress(FutureTimeoutError, CancelledError, GatewayError, RuntimeError):
            asyncio.run_coroutine_threadsafe(_closed(stream), self._loop).result(CLOSE_SECONDS)

    async def _stream(self, question: Question) -> AsyncGenerator[list[Row], None]:
        statement, values = statement_of(question)
        settings = self._settings
        async with self._database.transaction(timeout=settings.wait_seconds) as connection:
            milliseconds = str(max(1, int(settings.statement_seconds * 1000)))
            await connection.execute(QUERIES.limit_statement, {"milliseconds": milliseconds})
            async with connection.cursor("matches", row_factory=tuple_row) as cursor:
                await cursor.execute(statement, values)
                size = FIRST_BATCH
                while rows := await cursor.fetchmany(size):
                    yield rows
                    if len(rows) < size:
                        break
                    size = BATCH


def statement_of(question: Question) -> tuple[sql.Composed, dict[str, Any]]:
    """The statement and the values that are bound to it."""
    template: Any = getattr(QUERIES, f"find_{question.level.lower()}")
    columns = sql.SQL(", ").join(sql.Identifier("v", each.column) for each in question.returned)
    conditions, values = composed(question.conditions)
    return sql.SQL(template).format(columns=columns, conditions=conditions), values


async def _next(stream: AsyncGenerator[list[Row], None]) -> list[Row] | None:
    return await anext(stream, None)


async def _closed(stream: AsyncGenerator[list[Row], None]) -> None:
    await stream.aclose()

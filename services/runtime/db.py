"""PostgreSQL: a checked connection pool, transactions with one error boundary, notifications.

Every wait for the server has a limit on both sides: statement, lock and idle time-outs in the session, and a limit of
the client's own for a server that is frozen. Nothing here fails at start because the database is away.
"""

import asyncio
import logging
import random
import time
import traceback
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.abc import PQGen
from psycopg.adapt import AdaptersMap
from psycopg.errors import _WaitTimeout
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row
from psycopg.types.array import ListBinaryDumper
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from services.runtime import fail_points
from services.runtime.db_errors import is_lost, translate
from services.runtime.db_metrics import AVAILABLE, ERRORS, TRANSACTION_SECONDS
from services.runtime.errors import Conflict, GatewayError, RefusedData, Unavailable
from services.runtime.queries import Queries, load_queries
from services.runtime.schema import check_schema
from services.runtime.supervise import Supervisor
from services.runtime.wake import Wake

__all__ = ["Connection", "Database", "Queries", "load_queries"]

ANSWER_SECONDS = 20.0  # longer than the server's own statement time-out, so that only a frozen server meets it
CHECK_SECONDS = 2.0
FRESH_SECONDS = 1.0  # so long after its last answer a connection is taken for good, which spares a round trip
REACH_SECONDS = 1.0  # for a person who waits: then it is not there
REACH_PAUSE_SECONDS = 0.2
PROBE_DOWN_SECONDS = 1.0
PROBE_UP_SECONDS = 5.0
SCHEMA_SECONDS = 60.0  # the schema is asked that often, whatever the traffic: a migration may leave this code behind
# jit off: statements here are short, and where the planner overestimates one, compiling it takes seconds each time.
SESSION = (
    "-c statement_timeout=15s -c lock_timeout=5s -c idle_in_transaction_session_timeout=60s -c TimeZone=UTC -c jit=off"
)
PLANS_ONCE = " -c plan_cache_mode=force_generic_plan"
ADAPTERS = AdaptersMap(psycopg.adapters)
ADAPTERS.register_dumper(list, ListBinaryDumper)  # a fifth of the time that quoting each item as text takes
PARAMETERS: dict[str, Any] = {
    "context": ADAPTERS,
    "connect_timeout": 3,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "row_factory": dict_row,
}

T = TypeVar("T")
log = structlog.get_logger(__name__)
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # the probe tells when the database goes and comes


class Connection(AsyncConnection[DictRow]):
    """A connection that never waits for ever: a server without an answer loses it."""

    answer_seconds: float = ANSWER_SECONDS
    answered_at: float = 0.0
    """time.monotonic() of the end of its last transaction."""

    @classmethod
    async def connect(cls, conninfo: str = "", **parameters: Any) -> Self:
        """As psycopg's. Of an attempt that failed nothing is left: its exception and its frames hold one another, and
        with them the socket, for as long as the garbage collector has no reason to look."""
        try:
            return await super().connect(conninfo, **parameters)
        except psycopg.Error as error:
            traceback.clear_frames(error.__traceback__)
            raise

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """As psycopg's; without ``timeout`` of the caller the connection is given up after ``answer_seconds``."""
        if timeout is not None:
            return await super().wait(gen, interval, timeout)
        try:
            return await super().wait(gen, interval, self.answer_seconds)
        except _WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {self.answer_seconds} s") from None


class Database:
    """One process's way to PostgreSQL. ``available`` is the last word on whether it answers.

    ``any_schema`` is for commands that judge the schema themselves; everybody else gets no transaction on a schema that
    does not fit this code. ``plans_once``: a statement is planned once a connection, whatever its values. That is for
    who asks the same few things all day: planning an update of partitions takes longer than doing it. ``relays``: this
    process publishes its own events (services.runtime.outbox), so that they need wake no other.
    """

    def __init__(
        self,
        url: str,
        *,
        application: str,
        pool: int = 4,
        any_schema: bool = False,
        plans_once: bool = False,
        relays: bool = False,
    ) -> None:
        self._url = url
        self.outbox_channels = ("outbox", f"outbox_{uuid.uuid4().hex}") if relays else ("outbox",)
        """Channels that tell of events to publish: everybody's, and the one for those of this process."""
        session = f"{SESSION} -c gateway.outbox={self.outbox_channels[-1]}"
        self._parameters = PARAMETERS | {"application_name": application, "options": session}
        if plans_once:
            self._parameters |= {"options": session + PLANS_ONCE, "prepare_threshold": 0}
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            connection_class=Connection,
            kwargs=self._parameters,
            min_size=1,
            max_size=pool,
            open=False,
            reconnect_timeout=2.0,  # then the next caller or probe asks for a connection again
            name=application,
        )
        self._tasks = Supervisor()
        self._up = asyncio.Event()
        self._suspect = asyncio.Event()
        self._answered_at = 0.0
        self._probed_at = 0.0
        self._schema_asked = asyncio.Event()
        self._any_schema = any_schema
        self._misfit: str | None = None
        self.reason: str | None = "database not asked yet"  # why it is not available; for readiness
        AVAILABLE.set(0)
        for meaning in (Unavailable, RefusedData, Conflict, GatewayError):
            ERRORS.labels(meaning.__name__)  # counts from 0

    @property
    def available(self) -> bool:
        """Whether the database answered when it was last asked, and its schema fits this code."""
        return self._up.is_set()

    @property
    def unfit(self) -> str | None:
        """None from its first answer on, even while it is away; before that, and while its schema does not fit, why."""
        return self._misfit if self._schema_asked.is_set() else self.reason

    async def wait_available(self) -> None:
        """Return when the database answers and its schema fits."""
        await self._up.wait()

    async def open(self) -> None:
        """Start to connect in the background; no error if the server is away."""
        await self._pool.open(wait=False)
        self._tasks.spawn("database-probe", self._probing)

    async def reach(self, seconds: float = REACH_SECONDS) -> None:
        """Return when the database answers: for who does not wait for one that may come back.

        Raises:
            Unavailable: it did not within ``seconds``, tried more than once.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                await (await self._connect()).close()
            except psycopg.Error as error:
                if time.monotonic() >= deadline:
                    raise translate(error) from error
                await asyncio.sleep(REACH_PAUSE_SECONDS)
            else:
                return

    async def close(self) -> None:
        """End the probe, the listeners and the pool. Idempotent."""
        await self._tasks.drain(0.0)
        await self._pool.close(timeout=2.0)

    @asynccontextmanager
    async def transaction(self, *, timeout: float = 5) -> AsyncIterator[Connection]:
        """A transaction: committed at the end of the block, rolled back when an exception leaves it.

        ``timeout`` limits the wait for a connection, in seconds. An error of the database must leave the block: one
        that was caught inside makes the end of the block raise, because PostgreSQL would turn COMMIT into ROLLBACK.

        Raises:
            Unavailable: the database is away, or went away, or its schema does not fit this code; after a lost COMMIT
                the outcome is unknown and the work must be safe to do again.
            RefusedData: PostgreSQL refuses this data.
            Conflict: run the transaction again.
        """
        started = time.monotonic()
        await self._refuse_misfit(timeout)
        try:
            connection = await self._checkout(timeout - (time.monotonic() - started))
            try:
                async with connection:
                    yield connection
                    _refuse_swallowed(connection)
                    fail_points.reached("database.committing")
                connection.answered_at = time.monotonic()
            finally:
                await self._pool.putconn(connection)
        except (psycopg.Error, UnicodeEncodeError) as error:
            raise self._translated(error) from error
        fail_points.reached("database.committed")
        self._answered()
        TRANSACTION_SECONDS.observe(time.monotonic() - started)

    async def retry(self, work: Callable[[Connection], Awaitable[T]], attempts: int = 5) -> T:
        """Run ``work`` in a transaction, and again after ``Conflict`` with a short random pause."""
        for attempt in range(1, attempts):
            try:
                async with self.transaction() as connection:
                    return await work(connection)
            except Conflict:
                await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - spreads rivals, no secret
        async with self.transaction() as connection:
            return await work(connection)

    async def listen(self, *channels: str) -> Wake:
        """Notifications of these channels, on a connection of its own that is made again when it is lost."""
        wake = Wake(channels, self._connect, self._tasks)
        self._tasks.spawn(f"listen-{channels[0]}", wake.listening)
        return wake

    async def _connect(self) -> Connection:
        return await Connection.connect(self._url, autocommit=True, **self._parameters)

    async def _refuse_misfit(self, timeout: float) -> None:
        """Wait for the first word on the schema. Raises ``Unavailable`` while the last one is that it does not fit."""
        if self._any_schema:
            return
        if not self._schema_asked.is_set():
            try:
                async with asyncio.timeout(timeout):
                    await self._schema_asked.wait()
            except TimeoutError:
                raise Unavailable(self.reason or "the schema could not be asked in time") from None
        if self._misfit is not None:
            raise Unavailable(self._misfit)

    async def _checkout(self, timeout: float) -> Connection:
        deadline = time.monotonic() + timeout
        while True:
            connection = await self._pool.getconn(timeout=max(0.0, deadline - time.monotonic()))
            if time.monotonic() - connection.answered_at < FRESH_SECONDS:
                return connection
            try:
                await _check(connection, min(CHECK_SECONDS, max(0.1, deadline - time.monotonic())))
            except psycopg.OperationalError:
                await self._pool.putconn(connection)  # a broken one is replaced
                self._suspect.set()
            except BaseException:
                await self._pool.putconn(connection)
                raise
            else:
                return connection

    def _translated(self, error: Exception) -> GatewayError:
        meaning = translate(error)
        ERRORS.labels(type(meaning).__name__).inc()
        if is_lost(error) and not isinstance(error, PoolTimeout):
            self._lost(meaning)
        if isinstance(meaning, Unavailable):
            self._suspect.set()
        return meaning

    def _answered(self) -> None:
        self._answered_at = time.monotonic()
        if self._schema_asked.is_set() and self._misfit is None and not self._up.is_set():
            self._up.set()
            self.reason = None
            AVAILABLE.set(1)
            log.info("database_available")

    def _lost(self, reason: Exception) -> None:
        if self.reason != str(reason):
            log.warning("database_unavailable", reason=str(reason))
        self._up.clear()
        self.reason = str(reason)
        AVAILABLE.set(0)

    async def _probing(self) -> None:
        """Ask on a fresh connection: each second while the database is away, when in doubt, when idle, every minute."""
        while not self._tasks.stopping.is_set():
            now = time.monotonic()
            due = now - self._answered_at >= PROBE_UP_SECONDS or now - self._probed_at >= SCHEMA_SECONDS
            if due or not self.available or self._suspect.is_set():
                await self._probe()
            try:
                async with asyncio.timeout(PROBE_UP_SECONDS if self.available else PROBE_DOWN_SECONDS):
                    await (self._suspect.wait() if self.available else self._tasks.stopping.wait())
            except TimeoutError:
                continue

    async def _probe(self) -> None:
        self._suspect.clear()
        try:
            connection = await self._connect()
            async with connection:
                connection.answer_seconds = CHECK_SECONDS
                await check_schema(connection)
            self._judged(None)
            self._answered()
        except psycopg.Error as error:
            self._lost(translate(error))
        except GatewayError as error:
            self._judged(str(error))
            self._lost(error)

    def _judged(self, misfit: str | None) -> None:
        self._probed_at = time.monotonic()
        self._misfit = misfit
        self._schema_asked.set()


async def _check(connection: Connection, seconds: float) -> None:
    """As the pool's own check, but without a prepared statement for nothing."""
    connection.answer_seconds = seconds
    await connection.set_autocommit(True)
    await connection.execute("", prepare=False)
    await connection.set_autocommit(False)
    connection.answer_seconds = ANSWER_SECONDS


def _refuse_swallowed(connection: Connection) -> None:
    if connection.info.transaction_status == TransactionStatus.INERROR:
        raise GatewayError("a database error was caught inside its transaction; nothing was committed")

"""The pool and the error boundary on a real PostgreSQL."""

import asyncio
import gc
import os
import socket
import time
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from private_servers.postgresql import PrivatePostgresql

from services.runtime.db import Connection, Database
from services.runtime.errors import Conflict, GatewayError, RefusedData, Unavailable
from tests.waiting import until_async


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, application="test")
    await database.open()
    await asyncio.wait_for(database.wait_available(), 10)
    yield database
    await database.close()


async def test_rows_are_dicts_and_times_aware_utc(database: Database) -> None:
    async with database.transaction() as connection:
        row = await (await connection.execute("select 1 as one, now() as at")).fetchone()
    assert row is not None
    assert row["one"] == 1
    assert row["at"].utcoffset().total_seconds() == 0


@pytest.mark.parametrize(
    ("statement", "parameters", "meaning"),
    [
        ("select %s::int", ["not a number"], RefusedData),
        ("select %s::text", ["nul\x00"], RefusedData),
        ("select %s::text", ["lone \ud800"], RefusedData),
        ("insert into config.generation (only_row) values (false)", [], RefusedData),
        ("insert into config.generation default values", [], Conflict),
        ("select nothing from nowhere", [], Unavailable),
        ("selekt", [], GatewayError),
        ("select pg_terminate_backend(pg_backend_pid())", [], Unavailable),
        ("set local statement_timeout = '50ms'; select pg_sleep(10)", None, Unavailable),
    ],
)
async def test_errors_are_ours(
    database: Database, statement: str, parameters: list[str] | None, meaning: type[GatewayError]
) -> None:
    with pytest.raises(GatewayError) as caught:
        async with database.transaction() as connection:
            await connection.execute(statement, parameters)
    assert type(caught.value) is meaning
    assert "not a number" not in str(caught.value), "values of data must not reach logs"
    async with database.transaction() as connection:
        await connection.execute("select 1")


async def test_rows_of_a_failed_block_are_gone(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction() as connection:
            await connection.execute("insert into runtime.lease values ('a', 'me', now())")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await count_leases(database) == 0


async def test_a_swallowed_error_does_not_commit_silently(database: Database) -> None:
    async def swallow() -> None:
        async with database.transaction() as connection:
            await connection.execute("insert into runtime.lease values ('a', 'me', now())")
            with pytest.raises(Exception, match="division by zero"):
                await connection.execute("select 1/0")

    with pytest.raises(GatewayError, match="caught inside"):
        await swallow()
    assert await count_leases(database) == 0


async def test_retry_runs_the_transaction_again_after_a_deadlock(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("insert into runtime.lease values ('a', 'me', now()), ('b', 'me', now())")
    runs: list[str] = []
    both_locked = asyncio.Barrier(2)

    async def lock(first: str, second: str, connection: Connection) -> None:
        runs.append(first)
        update = "update runtime.lease set holder = 'x' where name = %s"
        await connection.execute(update, [first])
        if runs.count(first) == 1:
            await both_locked.wait()
        await connection.execute(update, [second])

    await asyncio.gather(
        database.retry(lambda connection: lock("a", "b", connection)),
        database.retry(lambda connection: lock("b", "a", connection)),
    )
    assert len(runs) == 3


async def test_a_commit_whose_answer_is_lost_is_unavailable(database: Database) -> None:
    """The transaction may or may not be there: the caller must be able to do it again."""

    async def lose_the_connection() -> None:
        async with database.transaction() as connection:
            await connection.execute("insert into runtime.lease values ('a', 'me', now())")
            pid = connection.info.backend_pid
            async with database.transaction() as other:
                await other.execute("select pg_terminate_backend(%s)", [pid])

    with pytest.raises(Unavailable):
        await lose_the_connection()
    assert await count_leases(database) in (0, 1)


async def test_a_busy_pool_is_unavailable_within_the_time_out_but_the_database_is_not_away(database_url: str) -> None:
    database = Database(database_url, application="test", pool=1)
    await database.open()
    await asyncio.wait_for(database.wait_available(), 10)
    async with database.transaction():
        started = time.monotonic()
        with pytest.raises(Unavailable):
            async with database.transaction(timeout=0.3):
                pass
        assert time.monotonic() - started < 1
        assert database.available
    await database.close()


async def test_a_database_that_is_away_comes_back_by_itself(private_postgresql: PrivatePostgresql) -> None:
    private_postgresql.kill()
    database = Database(private_postgresql.url, application="test")
    await database.open()
    started = time.monotonic()
    with pytest.raises(Unavailable):
        async with database.transaction(timeout=0.5):
            pass
    assert time.monotonic() - started < 1.5
    assert not database.available
    for _ in range(2):
        await asyncio.to_thread(private_postgresql.start)
        await asyncio.wait_for(database.wait_available(), 10)
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(count_leases(database))
        await asyncio.to_thread(private_postgresql.kill)
        await until_async(lambda: not database.available, limit=10)
    await database.close()


async def test_a_frozen_database_is_given_up(
    private_postgresql: PrivatePostgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "answer_seconds", 1.0)
    monkeypatch.setattr("services.runtime.db.ANSWER_SECONDS", 1.0)
    database = Database(private_postgresql.url, application="test")
    await database.open()
    await asyncio.wait_for(database.wait_available(), 10)
    started = time.monotonic()

    async def ask_while_it_freezes() -> None:
        async with database.transaction() as connection:
            private_postgresql.suspend()
            await connection.execute("select 1")

    with pytest.raises(Unavailable):
        await ask_while_it_freezes()
    with pytest.raises(Unavailable):
        await count_leases(database, timeout=1)
    assert time.monotonic() - started < 15
    await until_async(lambda: not database.available, limit=15)
    private_postgresql.resume()
    await asyncio.wait_for(database.wait_available(), 15)
    assert await count_leases(database) == 0
    await database.close()


async def test_notifications_wake_also_after_the_connection_was_lost(database: Database) -> None:
    wake = await database.listen("outbox")
    assert await wake.wait(5), "listening begins with a look"
    assert not await wake.wait(0.05)
    await notify(database)
    assert await wake.wait(5)
    async with database.transaction() as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and query like 'listen%%' or query = '' and pid <> pg_backend_pid()"
        )
    assert await wake.wait(10), "what was notified meanwhile is lost, so it wakes after listening anew"
    await notify(database)
    assert await wake.wait(5)


async def notify(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("notify outbox")


async def count_leases(database: Database, timeout: float = 5) -> int:
    async with database.transaction(timeout=timeout) as connection:
        row = await (await connection.execute("select count(*) as n from runtime.lease")).fetchone()
    assert row is not None
    return int(row["n"])


async def test_attempts_that_are_never_answered_leave_no_socket() -> None:
    """As behind a black hole, for hours: what the garbage collector would find some day is open until then."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://somebody@127.0.0.1:{silent.getsockname()[1]}/nothing"
        before = os.listdir("/proc/self/fd")
        gc.disable()
        try:
            for _ in range(2):
                with pytest.raises(psycopg.errors.ConnectionTimeout):
                    await Connection.connect(url, connect_timeout=2)
            assert len(os.listdir("/proc/self/fd")) == len(before)
        finally:
            gc.enable()

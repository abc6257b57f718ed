"""Migrations on a real PostgreSQL: from several processes at once, rolled back whole, checked at the start."""

import asyncio
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from private_servers.postgresql import PrivatePostgresql

from services.runtime import migrate as module
from services.runtime.db import Database
from services.runtime.errors import Conflict, GatewayError, Unavailable
from services.runtime.migrate import Migration, migrate, migrations
from services.runtime.partitions import maintain_once
from services.runtime.supervise import Supervisor
from services.storage.leadership import Leadership
from tests.conftest import CHECKOUT, fresh_database
from tests.waiting import until_async

PROGRAM = "import asyncio, sys; from services.runtime.migrate import migrate; print(asyncio.run(migrate(sys.argv[1])))"


def test_processes_that_migrate_at_once_apply_each_migration_once(postgresql: PrivatePostgresql) -> None:
    with fresh_database(postgresql, "template1") as url:
        running = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, url], cwd=CHECKOUT, env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
                stdout=subprocess.PIPE, text=True,
            )
            for _ in range(3)
        ]  # fmt: skip
        printed = [process.communicate(timeout=60)[0].splitlines()[-1] for process in running]
        assert [process.returncode for process in running] == [0, 0, 0]
        numbers = [migration.number for migration in migrations()]
        assert sorted(printed) == sorted(["[]", "[]", str(numbers)])
        with psycopg.connect(url) as connection:
            assert connection.execute("select array_agg(number order by number) from runtime.version").fetchall() == [
                (numbers,)
            ]


async def test_a_migration_that_fails_leaves_nothing_behind(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Migration(len(migrations()) + 1, "broken", 1, "create table runtime.half (a int); select 1/0;")
    monkeypatch.setattr(module, "migrations", lambda: [*migrations(), broken])
    with pytest.raises(GatewayError, match="broken failed: division by zero"):
        await migrate(database_url)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select to_regclass('runtime.half')").fetchone() == (None,)
    monkeypatch.undo()
    assert await migrate(database_url) == []


async def test_a_migration_does_not_wait_for_ever_for_a_lock(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives up after 5 s, so that nobody queues behind it, and says that there is too much traffic."""
    blocked = Migration(len(migrations()) + 1, "blocked", 1, "alter table config.request add column note text;")
    monkeypatch.setattr(module, "migrations", lambda: [*migrations(), blocked])
    monkeypatch.setattr(module, "ATTEMPTS", 2)
    monkeypatch.setattr(module, "BETWEEN_ATTEMPTS_SECONDS", 0.1)
    with psycopg.connect(database_url) as reader:
        reader.execute("select * from config.request")
        begun = time.monotonic()
        with pytest.raises(Conflict, match="blocked"):
            await migrate(database_url)
        assert 10 <= time.monotonic() - begun < 20
        reader.rollback()
        assert await migrate(database_url) == [blocked.number]


async def test_a_schema_of_newer_code_is_not_called_up_to_date(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("insert into runtime.version (number, name, oldest_code) values (99, 'future', 99)")
    with pytest.raises(GatewayError, match=r"schema version 99.*install the newer gateway"):
        await migrate(database_url)


async def test_a_database_is_not_available_until_it_is_migrated(postgresql: PrivatePostgresql) -> None:
    with fresh_database(postgresql, "template1") as url:
        database = Database(url, application="test")
        await database.open()
        await until_async(lambda: "run 'gateway migrate'" in str(database.reason))
        assert not database.available
        await migrate(url)
        await asyncio.wait_for(database.wait_available(), 10)
        assert database.reason is None
        await database.close()


async def test_a_schema_that_fits_again_is_noticed_whoever_uses_the_database_meanwhile(database_url: str) -> None:
    """Statements that succeed on a schema that does not fit must not keep the database from being asked again."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("insert into runtime.version (number, name, oldest_code) values (99, 'future', 99)")
        database = Database(database_url, application="test", any_schema=True)
        await database.open()
        await until_async(lambda: "schema version 99" in str(database.reason))
        connection.execute("delete from runtime.version where number = 99")
        async with asyncio.timeout(10):
            while not database.available:
                async with database.transaction() as busy:
                    await busy.execute("select pg_sleep(0.1)")
        await database.close()


async def test_nothing_is_done_on_a_schema_that_does_not_fit(database_url: str) -> None:
    """From the first transaction on, so that a storage of the wrong version does not take the leadership."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("insert into runtime.version (number, name, oldest_code) values (99, 'future', 99)")
        database = Database(database_url, application="test")
        await database.open()
        leadership = Leadership(database, lease_seconds=0.3)
        supervisor = Supervisor()
        supervisor.spawn("leadership", lambda: leadership.run(supervisor))
        with pytest.raises(Unavailable, match="schema version 99"):
            await take_lease(database)
        with pytest.raises(Unavailable, match="schema version 99"):
            await take_lease(database)
        assert connection.execute("select count(*) from runtime.lease").fetchone() == (0,)
        connection.execute("delete from runtime.version where number = 99")
        await until_async(lambda: leadership.held, limit=10)
        await take_lease(database)
        await supervisor.drain(5)
        await database.close()


async def test_a_schema_that_became_too_new_is_noticed_under_traffic(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.runtime.db.SCHEMA_SECONDS", 1.0)
    database = Database(database_url, application="test")
    await database.open()
    await asyncio.wait_for(database.wait_available(), 10)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("insert into runtime.version (number, name, oldest_code) values (99, 'future', 99)")
    async with asyncio.timeout(15):
        with pytest.raises(Unavailable, match="schema version 99"):
            await keep_busy(database)
    assert not database.available
    await database.close()


async def keep_busy(database: Database) -> None:
    while True:
        async with database.transaction() as connection:
            await connection.execute("select pg_sleep(0.1)")


async def take_lease(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("insert into runtime.lease values ('a', 'me', now())")


async def test_partitions_are_made_ahead_and_dropped_after_their_life(database_url: str) -> None:
    database = Database(database_url, application="test")
    await database.open()
    async with database.transaction() as connection:
        await connection.execute("drop table runtime.outbox_" + await month(connection, 3))
        await connection.execute(
            "create table runtime.outbox_202001 partition of runtime.outbox "
            "for values from ('2020-01-01') to ('2020-02-01')"
        )
    await maintain_once(database, "runtime", {"outbox": 1})
    async with database.transaction() as connection:
        names = {
            row["relname"]
            for row in await (
                await connection.execute("select relname from pg_class where relname ~ '^outbox_[0-9]+$'")
            ).fetchall()
        }
        assert names == {"outbox_" + await month(connection, ahead) for ahead in range(-1, 4)}
    await database.close()


async def test_rows_of_a_month_without_partition_move_into_it(database_url: str) -> None:
    """A gateway that was off for months begins with its default partitions."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        ahead = f"{datetime.now(UTC) + timedelta(days=45):%Y%m}"
        connection.execute(f"drop table storage.receipt_{ahead}, routing.delivery_{ahead}".encode())
        connection.execute(OF_THAT_MONTH, {"days": 45})
        connection.execute(OF_THAT_MONTH, {"days": 4500})
        assert all(partition.endswith("_default") for partition in whereabouts(connection))
        before = contents(connection)
        database = Database(database_url, application="test")
        await database.open()
        await maintain_once(database, "storage", {})
        await maintain_once(database, "routing", {})
        await database.close()
        assert whereabouts(connection) == [
            f"storage.receipt_{ahead}", "storage.receipt_default",
            f"routing.delivery_{ahead}", "routing.delivery_default",
        ]  # fmt: skip
        assert contents(connection) == before
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(OF_THAT_MONTH, {"days": 45})
        indexes = "select count(*) from pg_index where indrelid = %s::regclass and indisvalid"
        assert (
            len({connection.execute(indexes, [f"storage.receipt_{name}"]).fetchone() for name in (ahead, "default")})
            == 1
        )


OF_THAT_MONTH = """
with receipt as (
    insert into storage.receipt (received_at, object_key, sop_instance_uid, revision, disposition, sha256, size,
        sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid, peer_address, calling_aet,
        called_aet, association, configuration, rule_set, status)
    values (date_trunc('day', now(), 'UTC') + make_interval(days => %(days)s), 'objects/a.dcm', '1.2', 1, 'NEW', 'a', 1,
        '1', '1', '1', '1', '', '', '', '', 1, 1, 0)
    returning received_at
)
insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, object_key,
    data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid)
select received_at, '1.2', 1, 'ARCHIVE1', '11111111-1111-1111-1111-111111111111', '1', 'objects/a.dcm', 1, 1, 'a', '1',
    '1' from receipt
"""


def whereabouts(connection: psycopg.Connection) -> list[str]:
    """Partitions of the receipts, then of the deliveries, in order of time."""
    found = []
    for table in ("storage.receipt", "routing.delivery"):
        query = f"select tableoid::regclass::text from {table} order by received_at"  # noqa: S608
        found += [row[0] for row in connection.execute(query.encode())]
    return found


def contents(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    """All columns of both."""
    return [
        *connection.execute("select r::text from storage.receipt r order by 1"),
        *connection.execute("select d::text from routing.delivery d order by 1"),
    ]


async def month(connection: psycopg.AsyncConnection[dict[str, str]], ahead: int) -> str:
    row = await (
        await connection.execute(
            "select to_char(now() at time zone 'UTC' + make_interval(months => %s), 'YYYYMM') as month", [ahead]
        )
    ).fetchone()
    assert row is not None
    return row["month"]


TWINS = """
insert into routing.job (id, kind, destination, study_instance_uid, group_uid, rule_set, rule, level, last_received_at)
select ('00000000-0000-0000-0000-00000000000' || number)::uuid, 'send', 'A', '2.25.1', '2.25.1', number, 'night',
       'study', now() - make_interval(mins => number)
from generate_series(1, 2) as number;
insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, object_key,
    data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, priority, next_attempt_at)
select now(), '2.25.' || j.rule_set, 1, 'A', j.id, '2.25.1', 'key', 0, 1, '', '1.2.3', '1.2.4', 1, 'infinity'
from routing.job j;
insert into routing.job_association (job, association) select id, 'a' from routing.job;
"""


async def test_what_two_rule_sets_collected_of_one_rule_becomes_one_job(
    postgresql: PrivatePostgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fresh_database(postgresql, "template1") as url:
        monkeypatch.setattr(module, "migrations", lambda: migrations()[:24])
        await migrate(url)
        with psycopg.connect(url) as connection:
            connection.execute(TWINS)
        monkeypatch.undo()
        await migrate(url)
        with psycopg.connect(url) as connection:
            jobs = connection.execute(
                "select j.rule_set, now() - j.last_received_at < interval '2 minutes', count(d.*) "
                "from routing.job j join routing.delivery d on d.job = j.id group by j.id"
            ).fetchall()
    assert jobs == [(2, True, 2)]


async def test_of_api_keys_with_one_name_the_first_keeps_it(
    postgresql: PrivatePostgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [migration for migration in migrations() if migration.number < 39]
    with fresh_database(postgresql, "template1") as url:
        monkeypatch.setattr(module, "migrations", lambda: before)
        await migrate(url)
        with psycopg.connect(url) as connection:
            connection.execute(_KEYS)
        monkeypatch.undo()
        await migrate(url)
        with psycopg.connect(url) as connection:
            named = dict(connection.execute("select id, name from config.api_key").fetchall())
    assert named == {"1": "ris", "2": "ris", "3": "ris-3", "4": "ris-4", "5": "pacs"}


_KEYS = """
insert into config.api_key (id, secret_sha256, name, role, created_by, created_at, revoked_at)
select id, '', name, 'viewer', 'user:admin', now() + make_interval(secs => id::int), case when id = '1' then now() end
from (values ('1', 'ris'), ('2', 'ris'), ('3', 'ris'), ('4', 'ris'), ('5', 'pacs')) as t(id, name)
"""

"""Who publishes rules learns when each process receives under them; receiving itself asks nobody."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from psycopg import sql

from services.admin.rules import taken
from services.runtime.db import Database
from tests.conftest import execute
from tests.ingest_process import IngestProcess, snapshot
from tests.waiting import until_async


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, application="test")
    await database.open()
    yield database
    await database.close()


def named(rows: list[dict[str, object]]) -> list[object]:
    return sorted(row["process"] for row in rows)  # type: ignore[type-var]


async def test_publishing_waits_for_every_live_process_and_names_those_that_are_behind(
    tmp_path: Path, database_url: str, database: Database
) -> None:
    """Two processes that share a home as ``gateway up`` starts them; the test writes the snapshots, as storage does."""
    settings = {"GATEWAY_DATABASE_URL": database_url}
    ingests = [IngestProcess(tmp_path, settings), IngestProcess(tmp_path, settings)]
    try:
        ingests[0].configure(snapshot())
        for ingest in ingests:
            ingest.start()
        both = [f":{ingest.process.pid}" for ingest in ingests if ingest.process is not None]
        await until_async(lambda: known(database, 2), what="both to say what they know")
        behind = await taken.wait(database, 8, 0.2)
        assert (behind.everywhere, behind.by, [row["rule_set"] for row in behind.behind]) == (False, [], [7, 7])
        assert all(str(name).endswith(tuple(both)) for name in named(behind.behind))

        waiting = asyncio.ensure_future(taken.wait(database, 8, 10))
        ingests[0].configure(snapshot(2, rule_set=8))
        reached = await waiting
        assert (reached.everywhere, named(reached.by), reached.silent) == (True, named(behind.behind), [])

        assert ingests[0].stop() == 0
        left = await taken.processes(database)
        assert [str(row["process"]).endswith(both[1]) for row in left] == [True], "who ends in order is not waited for"
        ingests[1].end()
        ended = "update runtime.configuration_taken set lease = '0', heard_at = now() - interval '1 s'"
        execute(database_url, sql.SQL(ended))
        dead = await taken.wait(database, 9, 5)
        assert (dead.everywhere, dead.by, len(dead.silent)) == (True, [], 1)
    finally:
        for ingest in ingests:
            ingest.end()


async def known(database: Database, processes: int) -> bool:
    return len(await taken.processes(database)) == processes


async def test_the_database_away_is_said_and_loses_nothing(database_url: str) -> None:
    nobody = Database("postgresql://nobody@127.0.0.1:9/none", application="test")
    await nobody.open()
    found = await taken.wait(nobody, 1, 0.1)
    assert (found.everywhere, found.by, bool(found.unknown)) == (False, [], True)
    await nobody.close()

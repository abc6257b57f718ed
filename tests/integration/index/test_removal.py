"""What storage hides leaves the query tables, by message or reconciler; what comes again is indexed anew."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from schemas.messages import Envelope, InstanceDeleted
from schemas.topology import INDEX_INSTANCE_DELETED, INDEX_INSTANCE_STORED
from services.index.handlers import Indexer
from services.index.settings import IndexSettings
from services.runtime.bus import Bus
from services.runtime.db import Database
from services.runtime.outbox import Outbox
from services.runtime.supervise import Supervisor
from services.storage.deletion import delete_instances
from tests.factories import Instance, ct
from tests.integration.index.test_index import handle, indexer, rows
from tests.recorded import Recorder
from tests.waiting import until_async


@pytest.fixture
def recorder(database_url: str, tmp_path: Path) -> Recorder:
    return Recorder(database_url, tmp_path / "objects")


def hide(url: str, instance: Instance, revision: int = 1, *, minutes_ago: int = 0) -> Envelope:
    """As storage does; returns its message."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "update storage.identity set state = 'DELETING', state_at = now() - make_interval(mins => %s) "
            "where sop_instance_uid = %s and revision = %s",
            (minutes_ago, instance.sop_instance_uid, revision),
        )
    body = InstanceDeleted(
        sop_instance_uid=instance.sop_instance_uid,
        revision=revision,
        study_instance_uid=instance.study_instance_uid,
    )
    return Envelope.wrap(body, "storage")


def counts(url: str) -> list[int]:
    """Patients, studies, series, instances."""
    tables = ("patient", "study", "series", "instance")
    return [rows(url, f"select count(*) as n from index.{table}")[0]["n"] for table in tables]  # noqa: S608


async def test_a_level_goes_with_its_last_instance(recorder: Recorder) -> None:
    url = recorder.database_url
    one, other, elsewhere = ct(1, study=7, PatientID="P"), ct(2, study=7, PatientID="P"), ct(3, study=8, PatientID="P")
    await handle(url, recorder.record(one, other, elsewhere))
    assert counts(url)[:2] == [1, 2]
    async with indexer(url) as index:
        for _ in range(2):
            await index.handle_deleted([hide(url, one)])
        assert counts(url)[1::2] == [2, 2]
        await index.handle_deleted([hide(url, other)])
        assert counts(url) == [1, 1, 1, 1]
        assert rows(url, "select study_instance_uid as uid from index.study_view") == [
            {"uid": elsewhere.study_instance_uid}
        ]
        await index.handle_deleted([hide(url, elsewhere)])
    assert counts(url) == [0, 0, 0, 0]


async def test_the_latest_revision_that_remains_answers(recorder: Recorder) -> None:
    url, second = recorder.database_url, ct(1, PatientComments="changed")
    recorded = recorder.record(ct(1)) + recorder.record(second, disposition="REVISION", revision=2)
    await handle(url, recorded)
    async with indexer(url) as index:
        await index.handle_deleted([hide(url, second, 2)])
    assert rows(url, "select revision, latest from index.instance") == [{"revision": 1, "latest": True}]


async def test_the_reconciler_removes_what_no_message_named(recorder: Recorder) -> None:
    url, instances = recorder.database_url, [ct(seed) for seed in range(25)]
    await handle(url, recorder.record(*instances))
    for instance in instances[:20]:
        hide(url, instance, minutes_ago=1)
    hide(url, instances[20])
    async with indexer(url, batch=10) as index:
        assert await index.reconcile(age_seconds=10) == 20
        assert await index.reconcile(age_seconds=10) == 0
        assert await index.reconcile(age_seconds=0) == 1
    assert counts(url)[3] == 4


@pytest.mark.parametrize("order", ["deleted first", "stored first", "stored lost"])
async def test_what_is_sent_again_is_indexed_anew_in_any_order_of_messages(recorder: Recorder, order: str) -> None:
    url = recorder.database_url
    await handle(url, recorder.record(ct(1)))
    deleted = hide(url, ct(1))
    [again] = recorder.record(ct(1), disposition="RETURNED")
    with psycopg.connect(url) as connection:
        connection.execute(
            "update storage.identity set state = 'STORED', received_at = %s, object_key = %s",
            (again.received_at, again.object_key),
        )
    async with indexer(url) as index:
        if order == "stored first":
            await index.handle([again.message()])
        await index.handle_deleted([deleted])
        if order == "deleted first":
            await index.handle([again.message()])
        assert await index.reconcile(age_seconds=0) == (1 if order == "stored lost" else 0)
        assert await index.reconcile(age_seconds=0) == 0
    assert rows(url, "select object_key, latest from index.instance") == [
        {"object_key": again.object_key, "latest": True}
    ]
    assert counts(url) == [1, 1, 1, 1]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, application="test-index")
    await database.open()
    async with asyncio.timeout(10):
        await database.wait_available()
    yield database
    await database.close()


async def test_a_deletion_reaches_the_index_through_the_broker(
    recorder: Recorder, database: Database, amqp_url: str
) -> None:
    url, supervisor = recorder.database_url, Supervisor()
    bus = Bus(amqp_url, supervisor)
    await bus.open()
    index = Indexer(database, IndexSettings())
    await bus.consume(INDEX_INSTANCE_STORED, index.handle, while_available=database)
    await bus.consume(INDEX_INSTANCE_DELETED, index.handle_deleted, while_available=database)
    supervisor.spawn("relay", Outbox(database, bus, supervisor).relay)
    try:
        await until_async(lambda: bus.available, limit=20)
        [recorded] = recorder.record(ct(1))
        await bus.publish(recorded.message())
        await until_async(lambda: counts(url) == [1, 1, 1, 1])
        async with database.transaction() as connection:
            deleted = await delete_instances(connection, [ct(1).sop_instance_uid], even_uncommitted=True)
        assert deleted.hidden == 1
        await until_async(lambda: counts(url) == [0, 0, 0, 0])
    finally:
        await supervisor.drain(10)
        await bus.close()

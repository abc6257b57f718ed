"""The query tables on real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from services.index.handlers import Indexer
from services.index.settings import IndexSettings
from services.runtime.db import Database
from tests.factories import Instance, ct, small_instances
from tests.recorded import Recorded, Recorder


@pytest.fixture
def recorder(database_url: str, tmp_path: Path) -> Recorder:
    return Recorder(database_url, tmp_path / "objects")


@asynccontextmanager
async def indexer(url: str, **settings: Any) -> AsyncIterator[Indexer]:
    database = Database(url, application="test-index")
    await database.open()
    try:
        async with asyncio.timeout(10):
            await database.wait_available()
        yield Indexer(database, IndexSettings(**settings))
    finally:
        await database.close()


def rows(url: str, statement: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(statement.encode()).fetchall()


async def handle(url: str, recorded: Sequence[Recorded]) -> None:
    async with indexer(url) as index:
        await index.handle([each.message() for each in recorded])


async def test_rows_of_every_level_and_again_nothing_more(recorder: Recorder) -> None:
    instances = small_instances(30, seed=1)
    recorded = recorder.record(*instances)
    url = recorder.database_url
    async with indexer(url) as index:
        for _ in range(2):
            await index.handle([each.message() for each in recorded])
    assert {row["sop_instance_uid"] for row in rows(url, "select * from index.instance_view")} == {
        instance.sop_instance_uid for instance in instances
    }
    assert {row["study_instance_uid"] for row in rows(url, "select * from index.study_view")} == {
        instance.study_instance_uid for instance in instances
    }
    assert all(row["latest"] for row in rows(url, "select latest from index.instance"))
    series = rows(url, "select * from index.series_view")
    assert len(series) == len({instance.series_instance_uid for instance in instances})
    assert all(row["modality"] for row in series)


async def test_a_study_of_one_patient_is_not_flagged(recorder: Recorder) -> None:
    same = {"PatientID": "P1", "PatientName": "DOE^JANE"}
    recorded = recorder.record(ct(1, study=7, **same), ct(2, study=7, **same))
    await handle(recorder.database_url, recorded)
    assert rows(recorder.database_url, "select patient_conflict from index.study") == [{"patient_conflict": False}]


async def test_two_indexers_at_once_make_the_same_rows(recorder: Recorder) -> None:
    recorded = recorder.record(*small_instances(60, seed=2))
    url = recorder.database_url
    async with indexer(url) as one, indexer(url) as other:
        messages = [each.message() for each in recorded]
        await asyncio.gather(*(index.handle(messages[at : at + 20]) for at in (0, 20, 40) for index in (one, other)))
    assert rows(url, "select count(*) as n from index.instance")[0]["n"] == 60


async def test_the_latest_revision_answers(recorder: Recorder) -> None:
    first, second = ct(1), ct(1, PatientComments="changed")
    assert first.sop_instance_uid == second.sop_instance_uid
    recorded = recorder.record(first)
    recorded += recorder.record(second, disposition="REVISION", revision=2)
    for each in reversed(recorded):  # messages may come in any order
        await handle(recorder.database_url, [each])
    found = rows(recorder.database_url, "select revision, latest from index.instance order by revision")
    assert found == [{"revision": 1, "latest": False}, {"revision": 2, "latest": True}]


@pytest.mark.parametrize(("disposition", "indexed"), [("HELD", 1), ("KEPT", 1), ("NEW", 1)])
async def test_what_is_not_routed_is_indexed(recorder: Recorder, disposition: str, indexed: int) -> None:
    await handle(recorder.database_url, recorder.record(ct(1), disposition=disposition))
    assert rows(recorder.database_url, "select count(*) as n from index.instance")[0]["n"] == indexed


async def test_a_duplicate_adds_nothing(recorder: Recorder) -> None:
    recorded = recorder.record(ct(1)) + recorder.record(ct(1), disposition="DUPLICATE")
    await handle(recorder.database_url, recorded[1:])
    assert rows(recorder.database_url, "select count(*) as n from index.instance")[0]["n"] == 0


async def test_what_is_being_deleted_is_hidden(recorder: Recorder) -> None:
    recorded = recorder.record(ct(1))
    with psycopg.connect(recorder.database_url) as connection:
        connection.execute("update storage.identity set state = 'DELETING'")
    await handle(recorder.database_url, recorded)
    assert rows(recorder.database_url, "select count(*) as n from index.instance")[0]["n"] == 0


async def test_demographics_that_differ_are_flagged_never_merged(recorder: Recorder) -> None:
    one = ct(1, study=7, PatientID="P1", PatientName="DOE^JANE")
    other = ct(2, study=7, PatientID="P2", PatientName="ROE^RICHARD")
    assert one.study_instance_uid == other.study_instance_uid
    for instance in (one, other):
        await handle(recorder.database_url, recorder.record(instance))
    found = rows(recorder.database_url, "select patient_id, patient_name, patient_conflict from index.study_view")
    assert found == [{"patient_id": "P1", "patient_name": "DOE^JANE", "patient_conflict": True}]


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"values": {"00100010": ["x" * 20000]}, "cut": ["00100010"], "undecodable": []},
        {"values": {"00280010": [10**30], "00200013": [["nested"]], "00100020": [{}]}},
        {"values": "broken"},
        {"values": {"00080020": [True], "00280008": ["many"]}},
    ],
)
async def test_bad_elements_never_lose_the_row(recorder: Recorder, facts: dict[str, object]) -> None:
    await handle(recorder.database_url, recorder.record(ct(1), facts=facts))
    assert rows(recorder.database_url, "select count(*) as n from index.instance")[0]["n"] == 1


async def test_the_reconciler_finds_what_no_message_brought(recorder: Recorder) -> None:
    old = datetime.now(UTC) - timedelta(minutes=5)
    missing: list[Instance] = small_instances(25, seed=3)
    recorder.record(*missing, recorded_at=old)
    recorder.record(ct(99))
    url = recorder.database_url
    async with indexer(url, batch=10) as index:
        assert await index.reconcile(age_seconds=10) == 25
        assert await index.reconcile(age_seconds=10) == 0
        assert await index.reconcile(age_seconds=0) == 1
    assert rows(url, "select count(*) as n from index.instance")[0]["n"] == 26
    through = rows(url, "select through > now() - interval '1 minute' as recent from index.reconciled")
    assert through == [{"recent": True}]


async def test_the_reconciler_sees_what_committed_late(recorder: Recorder) -> None:
    url = recorder.database_url
    async with indexer(url) as index:
        await index.reconcile(age_seconds=0)
        recorder.record(ct(1), recorded_at=datetime.now(UTC) - timedelta(seconds=30))
        assert await index.reconcile(age_seconds=0) == 1

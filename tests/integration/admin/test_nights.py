"""The nightly comparison: once for each night and station, whoever does it; what was broken off is taken over."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydicom import Dataset

from services.admin.reconciling.nights import one_night
from services.admin.settings import AdminSettings
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.runtime.db import Database
from tests.stations.archive import Archive, Asked

PROFILE = profile_of("gateway", DicomSettings.load())
STUDY = "1.2.840.99.1"


@pytest.fixture
def archive() -> Iterator[Archive]:
    """An archive that has nothing, or what the test says."""
    with Archive() as station:
        yield station


@pytest.fixture
async def database(database_url: str, archive: Archive) -> AsyncIterator[Database]:
    """ARCHIVE is compared at night, and was sent two instances of a study."""
    opened = Database(database_url, application="test-admin")
    await opened.open()
    await opened.wait_available()
    await rows(
        opened,
        "insert into config.station (title, host, port, store, query_retrieve, reconcile) "
        "values ('ARCHIVE', '127.0.0.1', %(port)s, true, true, true)",
        port=archive.port,
    )
    for uid in ("1.2.840.99.1.1", "1.2.840.99.1.2"):
        await rows(opened, STORED, uid=uid, study=STUDY)
        await rows(opened, DELIVERED, uid=uid, study=STUDY)
    yield opened
    await opened.close()


STORED = (
    "insert into storage.identity (sop_instance_uid, revision, sha256, received_at, object_key, size, data_set_offset, "
    "sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid) values (%(uid)s, 1, repeat('0', 64), "
    "now(), 'k' || %(uid)s, 1, 0, 'c', %(study)s, %(study)s || '.9', 't')"
)
DELIVERED = (
    "insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, "
    "object_key, data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, state, finished_at) values (now(), "
    "%(uid)s, 1, 'ARCHIVE', gen_random_uuid(), %(study)s, 'k', 0, 1, 'h', 'c', 't', 'DELIVERED', "
    "now() - interval '1 hour')"
)


async def rows(database: Database, statement: str, **values: object) -> list[dict[str, Any]]:
    async with database.transaction() as connection:
        found = await connection.execute(statement, values)  # type: ignore[arg-type]
        return await found.fetchall() if found.description else []


def at(hours_ago: float) -> AdminSettings:
    """A night that began so many hours ago."""
    return AdminSettings(reconcile_at=(datetime.now(UTC) - timedelta(hours=hours_ago)).time())


async def night(database: Database, settings: AdminSettings) -> bool:
    return await one_night(database, settings, PROFILE, "GATEWAY")


async def asked_again(database: Database) -> list[dict[str, Any]]:
    found = await rows(database, "select body, requested_by from config.request order by requested_at")
    return [row["body"] | {"by": row["requested_by"]} for row in found]


async def test_two_replicas_do_a_night_once_and_the_gaps_are_asked_for_once(database: Database) -> None:
    done = await asyncio.gather(*(night(database, at(1)) for _ in range(3)))
    assert sorted(done) == [False, False, True]
    assert not await night(database, at(1))
    assert await asked_again(database) == [
        {
            "uids": ["1.2.840.99.1.1", "1.2.840.99.1.2"],
            "to": "ARCHIVE",
            "reason": "missing at ARCHIVE",
            "as_sent": True,
            "by": "reconcile",
        }
    ]
    (row,) = await rows(
        database, "select missing, sent_again, finished_at is not null as done from config.reconciliation"
    )
    assert row == {"missing": 2, "sent_again": 2, "done": True}


@pytest.mark.parametrize(("there", "missing"), [(2, []), (1, ["1.2.840.99.1.1", "1.2.840.99.1.2"])])
async def test_an_archive_is_asked_for_the_uids_it_was_sent(
    database: Database, archive: Archive, there: int, missing: list[str]
) -> None:
    """What it has under new UIDs is no gap; what it has not got is asked for by the UIDs it is stored under."""

    def counts(asked: Asked) -> int:
        if asked.identifier.QueryRetrieveLevel == "STUDY" and asked.identifier.StudyInstanceUID == "2.25.1":
            match = Dataset()
            match.QueryRetrieveLevel, match.StudyInstanceUID = "STUDY", "2.25.1"
            match.NumberOfStudyRelatedInstances = there
            asked.matches(match)
        return 0

    archive.finding = counts
    await rows(
        database,
        "update routing.delivery set sent_sop_instance_uid = '2.25.9' || right(sop_instance_uid, 1), "
        "sent = jsonb_build_object('uids', jsonb_build_object(study_instance_uid, '2.25.1'))",
    )
    assert await night(database, at(1))
    assert [uid for each in await asked_again(database) for uid in each["uids"]] == missing
    (row,) = await rows(database, "select studies, instances, missing from config.reconciliation")
    assert row == {"studies": 1, "instances": 2, "missing": len(missing)}


async def test_a_night_is_not_begun_before_its_hour_nor_long_after(database: Database) -> None:
    assert not await night(database, at(-1))
    assert not await night(database, at(7))
    await rows(database, "update config.station set reconcile = false")
    assert not await night(database, at(1))


async def test_a_night_that_failed_is_said_and_tried_again_when_its_lease_ends(
    database: Database, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Asked) -> None:
        return None

    def complete(asked: Asked) -> int:
        match = Dataset()
        match.QueryRetrieveLevel, match.StudyInstanceUID = "STUDY", STUDY
        match.NumberOfStudyRelatedInstances = 2
        asked.matches(match)
        return 0

    archive.finding = broken
    assert await night(database, at(1))
    (row,) = await rows(database, "select fault, finished_at from config.reconciliation")
    assert "ARCHIVE: " in row["fault"]
    assert row["finished_at"] is None
    assert not await night(database, at(1))
    archive.finding = complete
    await rows(
        database, "update config.reconciliation set lease_until = now() - interval '1 day', holder = 'one that died'"
    )
    # A lease outlives a restart of the database by its own length: here the server is younger than that.
    monkeypatch.setattr("services.admin.reconciling.nights.LEASE_SECONDS", 0.01)
    assert await night(database, at(1))
    (row,) = await rows(database, "select fault, missing, finished_at is not null as done from config.reconciliation")
    assert row == {"fault": "", "missing": 0, "done": True}
    # It has told nothing of series: what is believed is its count, and that is said.
    (row,) = await rows(database, "select result -> 'by_count' as by_count from config.reconciliation")
    assert row == {"by_count": 1}
    assert await asked_again(database) == []

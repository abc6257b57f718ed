"""Pulling: a turn is taken once, what the station has more of than we do is asked for once, nothing is hammered."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from services.admin.pulling import pulls
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.runtime.db import Database
from tests.stations.archive import Archive, Asked, Script, matching, study

PROFILE = profile_of("gateway", DicomSettings.load())


@pytest.fixture
def archive() -> Iterator[Archive]:
    with Archive() as station:
        yield station


@pytest.fixture
async def database(database_url: str, archive: Archive) -> AsyncIterator[Database]:
    """PACS is pulled from every minute."""
    opened = Database(database_url, application="test-admin")
    await opened.open()
    await opened.wait_available()
    await rows(
        opened,
        "insert into config.station (title, host, port, query_retrieve, pull_minutes, pull_days) "
        "values ('PACS', '127.0.0.1', %(port)s, true, 1, 3)",
        port=archive.port,
    )
    yield opened
    await opened.close()


async def rows(database: Database, statement: str, **values: object) -> list[dict[str, Any]]:
    async with database.transaction() as connection:
        found = await connection.execute(statement, values)  # type: ignore[arg-type]
        return await found.fetchall() if found.description else []


def counts(**studies: int | None) -> Script:
    """A script that has these studies; None: it does not count their instances."""
    return matching(
        *(
            study(f"1.2.{uid[1:]}", **({} if count is None else {"NumberOfStudyRelatedInstances": str(count)}))
            for uid, count in studies.items()
        )
    )


async def stored(database: Database, uid: str, number: int, state: str = "STORED") -> None:
    """Instances of a study that are here."""
    await rows(
        database,
        "insert into storage.identity (sop_instance_uid, revision, sha256, received_at, object_key, size, "
        "data_set_offset, sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid, state) "
        "select %(study)s || '.' || n, 1, repeat('0', 64), now(), 'k', 1, 0, 'c', %(study)s, 's', 't', %(state)s "
        "from generate_series(1, %(number)s) as n on conflict do nothing",
        study=f"1.2.{uid[1:]}", number=number, state=state,
    )  # fmt: skip


async def turn(database: Database) -> bool:
    """A minute later: the next turn, if it is anybody's."""
    await rows(database, "update config.pull set asked_at = asked_at - interval '61 seconds'")
    taken = await pulls.claim(database)
    if taken is not None:
        await pulls.carry_out(database, PROFILE, "GATEWAY", taken)
    return taken is not None


async def asked_for(database: Database) -> list[str]:
    """Studies that were asked for since this was last called, whose jobs have ended now."""
    made = await rows(
        database,
        "select r.id, r.body, r.requested_by from config.request r where kind = 'retrieve' "
        "and not exists (select from routing.request_done d where d.request = r.id) order by r.body ->> 'uids'",
    )
    for row in made:
        whole = {"from": "PACS", "to": "GATEWAY", "to_us": True, "level": "STUDY", "study": "", "series": ""}
        assert row["body"] == whole | {"uids": row["body"]["uids"], "priority": "normal"}
        assert row["requested_by"] == "pull"
    await rows(database, ENDED, requests=[row["id"] for row in made])
    return [uid for row in made for uid in row["body"]["uids"]]


ENDED = "insert into routing.request_done (request, result) select unnest(%(requests)s::uuid[]), '{}'"


async def later(database: Database) -> None:
    """The waits between retrievals are over."""
    await rows(database, "update config.pulled set next_at = now() where next_at is not null")


async def pull(database: Database) -> dict[str, Any]:
    (row,) = await rows(database, "select * from config.pull")
    return row


async def test_what_is_not_here_is_asked_for_once_and_again_when_it_grows_or_after_a_while(
    database: Database, archive: Archive
) -> None:
    await stored(database, "_2", 4)
    await stored(database, "_3", 2)
    await stored(database, "_5", 1)
    await stored(database, "_6", 3, "DELETED")
    archive.finding = counts(_1=3, _2=4, _3=5, _4=None, _5=None, _6=3)
    assert sorted([await turn(database) for _ in range(1)]) == [True]
    assert await pulls.claim(database) is None, "its minute is not over"
    (question,) = archive.of("STUDY")
    assert str(question.identifier.StudyDate).endswith("-")
    assert await asked_for(database) == ["1.2.1", "1.2.3", "1.2.4"]
    assert await turn(database)
    assert await asked_for(database) == [], "the wait before the next attempt is not over"
    assert (await pull(database))["missing"] == 3
    archive.finding = counts(_1=3, _2=4, _3=6, _4=None, _5=None, _6=3)
    await stored(database, "_1", 3)
    await stored(database, "_4", 1)
    assert await turn(database)
    assert await asked_for(database) == ["1.2.3"], "it grew"
    await later(database)
    assert await turn(database)
    assert await asked_for(database) == ["1.2.3"], "it was not sent whole"
    await stored(database, "_3", 6)
    await rows(database, "delete from storage.identity where study_instance_uid in ('1.2.1', '1.2.4')")
    await later(database)
    assert await turn(database)
    assert await asked_for(database) == [], "what was complete and was deleted here stays so"
    found = await pull(database)
    assert {name: found[name] for name in ("studies", "pulled", "under_way", "missing", "failures")} == {
        "studies": 6, "pulled": 0, "under_way": 0, "missing": 0, "failures": 0,
    }  # fmt: skip


async def test_a_turn_is_one_for_all_replicas_and_what_is_under_way_is_not_asked_for_again(
    database: Database, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.finding = counts(_1=3, _2=4, _3=5)
    monkeypatch.setattr(pulls, "MOST_UNDER_WAY", 2)
    taken = await asyncio.gather(*(pulls.claim(database) for _ in range(4)))
    (mine,) = [each for each in taken if each is not None]
    await rows(database, "update config.pull set holder = 'another one'")
    await pulls.carry_out(database, PROFILE, "GATEWAY", mine)
    assert await rows(database, "select from config.request") == [], "overtaken"
    await rows(database, "update config.pull set holder = %(mine)s", mine=mine.holder)
    await pulls.carry_out(database, PROFILE, "GATEWAY", mine)
    await later(database)
    assert await turn(database)
    assert (await pull(database))["under_way"] == 2
    assert await asked_for(database) == ["1.2.1", "1.2.2"], "no more than so many at a time"
    assert await turn(database)
    assert await asked_for(database) == ["1.2.1", "1.2.3"], "what was never retrieved comes before what was in vain"


async def test_a_worker_that_died_is_replaced_when_its_lease_ends(
    database: Database, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.finding = counts(_1=3)
    assert await pulls.claim(database) is not None
    assert not await turn(database)
    await rows(database, "update config.pull set lease_until = now() - interval '1 day'")
    # A lease outlives a restart of the database by its own length: here the server is younger than that.
    monkeypatch.setattr(pulls, "LEASE_SECONDS", 0.01)
    assert await turn(database)
    assert await asked_for(database) == ["1.2.1"]


def ends(_: Asked) -> None:
    return None


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        (ends, "PACS: "),
        (matching(status=0xC000), "does not say which studies it has: C-FIND answered with status C000"),
    ],
)
async def test_a_station_that_cannot_be_asked_is_told_and_asked_more_and_more_seldom(
    database: Database, archive: Archive, script: Script, fault: str
) -> None:
    archive.finding = script
    assert await turn(database)
    assert fault in (await pull(database))["fault"]
    assert await turn(database)
    assert not await turn(database), "two minutes after the second failure"
    assert await turn(database)
    archive.finding = counts(_1=1)
    await rows(database, "update config.pull set asked_at = now() - interval '1 hour'")
    assert await turn(database)
    found = await pull(database)
    assert (found["failures"], found["fault"], found["pulled"]) == (0, "", 1)


async def test_a_station_that_is_busy_has_not_failed(
    database: Database, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulls, "SLOT_SECONDS", 0.1)
    await rows(database, "update config.station set associations = 1")
    lease = "insert into runtime.lease (name, holder, lease_until) values ('association/PACS/1', 'x', 'infinity')"
    await rows(database, lease)
    assert await turn(database)
    found = await pull(database)
    assert (found["failures"], "no outgoing association is free" in found["fault"]) == (0, True)
    await rows(database, "delete from runtime.lease")
    archive.finding = counts(_1=1)
    assert await turn(database)
    assert await asked_for(database) == ["1.2.1"]


async def test_only_the_modalities_and_days_that_are_wanted(database: Database, archive: Archive) -> None:
    """Whatever the station makes of the keys."""
    await rows(database, "update config.station set pull_modalities = '{NM,PT}'")
    archive.finding = matching(
        study("1.2.1", ModalitiesInStudy="NM", StudyDate="20991231"),
        study("1.2.2", ModalitiesInStudy=["CT", "PT"]),  # type: ignore[arg-type]
        study("1.2.3", ModalitiesInStudy="MR"),
        study("1.2.4", StudyDate="20000101"),
        study("1.2.5"),
        study(""),
    )
    assert await turn(database)
    assert [str(each.identifier.ModalitiesInStudy) for each in archive.of("STUDY")] == ["NM", "PT"]
    assert await asked_for(database) == ["1.2.1", "1.2.2", "1.2.5"]
    for off in ("pull_minutes = 0", "enabled = false", "query_retrieve = false"):
        await rows(database, "update config.station set pull_minutes = 1, enabled = true, query_retrieve = true")
        await rows(database, f"update config.station set {off}")  # noqa: S608 - the test's own words
        assert not await turn(database)

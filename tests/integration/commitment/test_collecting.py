"""From deliveries to requests: quiet time, jobs under way, sizes, replicas, what can be asked of nobody."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from schemas.messages import Envelope, InstanceDelivered
from services.commitment.collecting import Collector
from services.commitment.settings import CommitmentSettings
from services.commitment.stations import Stations
from services.runtime.db import Database
from tests.integration.commitment.asking_bench import STUDY, Archive, Desk, commitment, instances
from tests.waiting import until_async


@pytest.fixture
def desk(database_url: str) -> Desk:
    """Writes what others write, reads what commitment did."""
    return Desk(database_url)


async def test_messages_and_reconcilers_of_three_replicas_collect_each_delivery_once(desk: Desk) -> None:
    desk.server("ARCHIVE1", 104)
    job = desk.job(ended=False)
    desk.deliver(60, job=job)
    rows = desk.rows("select id, sop_instance_uid from routing.delivery")
    messages = [
        Envelope.wrap(
            InstanceDelivered(
                delivery=row["id"], job=job, destination="ARCHIVE1", sop_instance_uid=row["sop_instance_uid"],
                revision=1, study_instance_uid=STUDY, outcome="DELIVERED",
            ),
            "forwarder",
        )
        for row in rows
    ]  # fmt: skip
    databases = [Database(desk.url, application="test") for _ in range(3)]
    try:
        for database in databases:
            await database.open()
            await database.wait_available()
        settings = CommitmentSettings(batch=7, quiet_seconds=0)
        collectors = [Collector(database, Stations(database), settings) for database in databases]
        await asyncio.gather(
            *(each.delivered(messages[place : place + 20]) for place in range(0, 60, 20) for each in collectors),
            *(each.reconcile(age_seconds=0) for each in collectors),
        )
        await asyncio.gather(*(each.release() for each in collectors))
        assert desk.states() == {"COLLECTING": 1}, "its job is under way"
        desk.execute("update routing.job set finished_at = now(), state = 'COMPLETED'")
        await asyncio.gather(*(each.release() for each in collectors))
        assert desk.states() == {"QUEUED": 1}
        assert desk.commitments()[0]["total"] == 60
        assert desk.told() == ["QUEUED"]
        await asyncio.gather(*(each.delivered(messages) for each in collectors))
        assert desk.states() == {"QUEUED": 1}, "a repeated message changes nothing"
        desk.deliver(60)
        assert await collectors[0].reconcile(age_seconds=0) == 60
        assert desk.states() == {"QUEUED": 1, "COLLECTING": 1}, "what a person had sent again is another request"
    finally:
        for database in databases:
            await database.close()


async def test_the_quiet_time_is_the_servers(desk: Desk, tmp_path: Path) -> None:
    with Archive() as archive:
        desk.server("ARCHIVE1", archive.port, commit_quiet_seconds=3600)
        desk.server("ARCHIVE2", archive.port, commit_quiet_seconds=0)
        desk.deliver(age="59 min")
        desk.deliver(server="ARCHIVE2", study=f"{STUDY}.2")
        async with commitment(desk.url, tmp_path):
            await desk.until_states({"COLLECTING": 1, "WAITING FOR COMMITMENT": 1})
            desk.execute(
                "update commitment.commitment set last_delivered_at = now() - interval '1 hour' "
                "where state = 'COLLECTING'"
            )
            await desk.until_states({"WAITING FOR COMMITMENT": 2})


@pytest.mark.requirement("R74")
async def test_a_study_is_split_by_the_servers_size(desk: Desk, tmp_path: Path) -> None:
    with Archive() as archive:
        desk.server("ARCHIVE1", archive.port, commit_size=4)
        uids = desk.deliver(10)
        desk.deliver(1)  # the first one again: named once
        async with commitment(desk.url, tmp_path):
            await desk.until_states({"WAITING FOR COMMITMENT": 3})
        assert sorted(map(len, instances(archive.asked))) == [2, 4, 4]
        assert sorted(uid for named in instances(archive.asked) for uid in named) == sorted(uids)
        assert len({uid for uid, _ in archive.asked}) == len(archive.associations) == 3


async def test_who_can_be_asked_no_more_is_a_failure_that_names_the_cure(desk: Desk, tmp_path: Path) -> None:
    desk.deliver(server="GONE")
    async with commitment(desk.url, tmp_path):
        await desk.until_states({"FAILURE": 1})
    (row,) = desk.commitments()
    assert "gateway station add GONE --commit-server" in row["reason"]
    assert row["closed_at"] is not None


async def test_requests_of_people(desk: Desk, tmp_path: Path) -> None:
    with Archive(status=0x0110) as archive:
        desk.server("ARCHIVE1", archive.port)
        uids = desk.deliver(2)
        async with commitment(desk.url, tmp_path):
            await desk.until_states({"FAILURE": 1})
            old = desk.commitments()[0]["id"]
            desk.execute("update commitment.item set state = 'COMMITTED' where sop_instance_uid = %s", uids[0])
            archive.status = 0
            retry = desk.request("retry-commitment", old)
            await desk.until_states({"FAILURE": 1, "WAITING FOR COMMITMENT": 1})
            assert instances(archive.asked)[-1] == uids[1:], "only what is not committed"
            new = desk.commitments()[-1]
            assert desk.result(retry) == {"commitment": str(new["id"]), "instances": 1}
            assert (new["repeats"], new["requested_by"]) == (old, "operator")
            for kind, number, words in (
                ("retry-commitment", old, f"asked again as {new['id']}"),
                ("retry-commitment", new["id"], "is WAITING FOR COMMITMENT: only those that are FAILURE"),
                ("retry-commitment", uuid4(), "does not exist"),
                ("retry-commitment", "x", "is no commitment id"),
                ("cancel-commitment", old, "is FAILURE and closed"),
            ):
                request = desk.request(kind, number)
                await until_async(lambda request=request: desk.result(request))  # type: ignore[misc]
                assert words in (desk.result(request) or {})["error"]
            other = desk.request("send", new["id"])
            cancel = desk.request("cancel-commitment", new["id"])
            await desk.until_states({"FAILURE": 2})
            await until_async(lambda: desk.result(cancel))
            assert desk.result(other) is None, "other services' requests are let be"


async def test_what_failed_is_asked_and_sent_again_by_itself_where_that_is_wanted(desk: Desk, tmp_path: Path) -> None:
    with Archive(status=0x0110) as archive:
        desk.server("ARCHIVE1", archive.port)
        uids = desk.deliver(2)
        async with commitment(desk.url, tmp_path, request_again=1, send_again=True):
            await until_async(lambda: desk.states().get("FAILURE"))
            await desk.until_states({"FAILURE": 1, "QUEUED": 1})
            desk.execute(
                "update commitment.item set state = 'FAILED', failure_reason = 274 "
                "where sop_instance_uid = %s and round = 1",
                uids[0],
            )
            desk.execute("update commitment.commitment set next_attempt_at = now() where state = 'QUEUED'")
            await desk.until_states({"FAILURE": 2})
            await until_async(lambda: desk.rows("select 1 from commitment.item where send_again"))
    assert desk.states() == {"FAILURE": 2}, "once, as the setting says"

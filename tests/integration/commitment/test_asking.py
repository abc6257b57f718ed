"""Asking a server: what is committed before anything is sent, every answer, every way to get none."""

import itertools
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.dicom import commands, status
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.runtime.errors import UsageError
from tests.integration.commitment.asking_bench import CT, STUDY, Archive, Desk, commitment, instances
from tests.stations.messages import COMMITMENT
from tests.stations.receiver import StationReceiver
from tests.waiting import until_async

XELERIS = profile_of("xeleris", DicomSettings())
DAY = timedelta(hours=24)
REFUSALS = [0x0110, 0x0112, 0x0115, 0x0117, 0x0118, 0x0119, 0x0123, 0x0210, 0x0212, 0x0122, 0xA700, 0xB000, 0x0001]


@pytest.fixture
def desk(database_url: str) -> Desk:
    """Writes what others write, reads what commitment did."""
    return Desk(database_url)


async def test_the_archive_is_asked_for_the_names_it_was_sent(desk: Desk, tmp_path: Path) -> None:
    """A rule gave the instances new UIDs; what is archived is told of the instances that are stored."""
    with Archive() as archive:
        desk.server("ARCHIVE1", archive.port)
        uids = desk.deliver(2)
        desk.execute("update routing.delivery set sent_sop_instance_uid = '2.25.' || right(sop_instance_uid, 1)")
        async with commitment(desk.url, tmp_path):
            await desk.until_states({"WAITING FOR COMMITMENT": 1})
        assert [named for _, named in archive.asked] == [((CT, "2.25.0"), (CT, "2.25.1"))]
    items = desk.rows("select sop_instance_uid, named_uid from commitment.item order by 1")
    assert [(each["sop_instance_uid"], each["named_uid"]) for each in items] == [
        (uids[0], "2.25.0"), (uids[1], "2.25.1"),
    ]  # fmt: skip


@pytest.mark.requirement("R71", "R72", "R74", "R80", "R134")
async def test_everything_is_committed_before_anything_is_sent(desk: Desk, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []

    def look(transaction_uid: str) -> None:
        seen.extend(
            desk.rows(
                "select c.state, c.deadline - a.started_at as within, a.outcome, "
                "(select count(*) from commitment.item where commitment = c.id) as items "
                "from commitment.attempt a join commitment.commitment c on c.id = a.commitment "
                "where transaction_uid = %s",
                transaction_uid,
            )
        )

    with Archive() as archive:
        archive.meanwhile = look
        desk.server("ARCHIVE1", archive.port)
        uids = desk.deliver(3)
        desk.deliver(1, server=None, first=10)
        desk.deliver(1, state="FAILED", first=20)
        async with commitment(desk.url, tmp_path):
            await desk.until_states({"WAITING FOR COMMITMENT": 1})
        assert seen == [{"state": "ASKING", "within": DAY, "outcome": "ASKING", "items": 3}]
        assert [named for _, named in archive.asked] == [tuple((CT, uid) for uid in uids)]
        assert len(archive.associations) == 1
        assert archive.associations[0].released
    (row,) = desk.commitments()
    assert row["deadline"] - row["accepted_at"] == DAY
    (attempt,) = desk.attempts()
    assert (attempt["outcome"], attempt["status"]) == ("ACCEPTED", 0)
    assert desk.told() == ["QUEUED", "WAITING FOR COMMITMENT"]


@pytest.mark.requirement("R73", "R76", "R77", "R112")
async def test_every_other_status_is_a_failure_by_its_name(desk: Desk, tmp_path: Path) -> None:
    with Archive() as archive:
        desk.server("ARCHIVE1", archive.port)
        statuses = iter(REFUSALS)

        def next_status(_: str) -> None:
            archive.status = next(statuses)

        archive.meanwhile = next_status
        for place in range(len(REFUSALS)):
            desk.deliver(study=f"{STUDY}.{place}")
        async with commitment(desk.url, tmp_path):
            await desk.until_states({"FAILURE": len(REFUSALS)})
        assert len(archive.associations) == len(REFUSALS), "one association for each request"
    rows = {row["status"]: row for row in desk.commitments()}
    assert sorted(rows) == sorted(REFUSALS)
    for code, row in rows.items():
        assert f"{code:04X} {status.name(code, commands.N_ACTION)}" in row["reason"]
        assert row["closed_at"] == row["finished_at"] is not None


async def test_what_is_not_reached_waits_and_costs_one_connection_a_back_off(desk: Desk, tmp_path: Path) -> None:
    """Until the first failure is recorded, as many are asked as associations may be open; then one, again and again."""
    associations = 4
    with Archive() as archive:
        archive.rejects = True
        desk.server("ARCHIVE1", archive.port, associations=associations)
        for place in range(20):
            desk.deliver(study=f"{STUDY}.{place}")
        async with commitment(desk.url, tmp_path):
            await until_async(lambda: any(row["attempts"] >= 2 for row in desk.commitments()))
            rows = desk.commitments()
            assert {row["state"] for row in rows} <= {"QUEUED", "ASKING"}
            assert sum(row["attempts"] for row in rows) <= archive.connections + associations
            assert sum(row["attempts"] > 0 for row in rows) <= associations, "the same one is tried, not each in turn"
            assert all(row["deadline"] is None for row in rows if row["state"] == "QUEUED")
            archive.rejects = False
            await desk.until_states({"WAITING FOR COMMITMENT": 20})
    assert {row["outcome"] for row in desk.attempts()} == {"UNREACHED", "ACCEPTED"}


async def test_who_accepts_no_context_is_not_asked(desk: Desk, tmp_path: Path) -> None:
    with StationReceiver("ARCHIVE1") as archive:
        desk.server("ARCHIVE1", archive.port)
        desk.deliver()
        async with commitment(desk.url, tmp_path):
            await until_async(lambda: [row["outcome"] for row in desk.attempts()][:1] == ["UNREACHED"])
        assert set(archive.proposed) == {COMMITMENT}
    assert "no presentation context for Storage Commitment" in desk.commitments()[0]["reason"]


async def test_given_up_after_the_retry_hours(desk: Desk, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    desk.server("ARCHIVE1", port, commit_retry_hours=2)
    desk.deliver()
    async with commitment(desk.url, tmp_path):
        await until_async(lambda: desk.attempts() and desk.attempts()[0]["outcome"] == "UNREACHED")
        assert desk.states() == {"QUEUED": 1}
        desk.execute("update commitment.commitment set waiting_since = now() - interval '2 hours'")
        await desk.until_states({"FAILURE": 1})
    (row,) = desk.commitments()
    assert row["reason"].startswith("given up after 2 hours: not asked: ARCHIVE1 at 127.0.0.1")
    assert row["closed_at"] is not None


async def test_a_lost_answer_is_asked_again_under_a_new_uid(desk: Desk, tmp_path: Path) -> None:
    with Archive() as archive:
        archive.drops = {0, 1, 2}
        desk.server("ARCHIVE1", archive.port)
        desk.deliver(2)
        async with commitment(desk.url, tmp_path, answer_seconds=0.5, most_unanswered=4):
            await desk.until_states({"WAITING FOR COMMITMENT": 1})
        uids = [uid for uid, _ in archive.asked]
        assert len(set(uids)) == 4
        assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in uids)
    rows = desk.attempts()
    assert [row["outcome"] for row in rows] == ["UNANSWERED"] * 3 + ["ACCEPTED"]
    between = [later["started_at"] - earlier["finished_at"] for earlier, later in itertools.pairwise(rows)]
    assert min(between) >= timedelta(seconds=0.5)
    assert desk.told() == ["QUEUED", "UNANSWERED", "UNANSWERED", "UNANSWERED", "WAITING FOR COMMITMENT"]


async def test_what_was_never_sent_does_not_move_the_deadline_of_a_lost_answer(desk: Desk, tmp_path: Path) -> None:
    def leave(_: str) -> None:
        archive.rejects = True

    with Archive() as archive:
        archive.drops, archive.meanwhile = {0}, leave
        desk.server("ARCHIVE1", archive.port, commit_limit_seconds=4)
        desk.deliver()
        async with commitment(desk.url, tmp_path, answer_seconds=0.2, most_unanswered=4):
            await desk.until_states({"FAILURE": 1})
    first, *later = desk.attempts()
    assert {row["outcome"] for row in later} == {"UNREACHED"}
    (row,) = desk.commitments()
    assert timedelta(seconds=4) <= row["finished_at"] - first["started_at"] < timedelta(seconds=6)
    assert row["reason"].startswith("no report within 00:00:04 of the request, whose answer was lost")


async def test_after_too_many_lost_answers_only_the_report_is_waited_for(desk: Desk, tmp_path: Path) -> None:
    with Archive() as archive:
        archive.drops = set(range(10))
        desk.server("ARCHIVE1", archive.port, commit_limit_seconds=3)
        desk.deliver()
        async with commitment(desk.url, tmp_path, answer_seconds=0.1, most_unanswered=2):
            await until_async(lambda: desk.commitments() and desk.commitments()[0]["unanswered"] == 2)
            assert desk.commitments()[0]["next_attempt"] is None
            await desk.until_states({"FAILURE": 1})
        assert len(archive.asked) == 2
    (row,) = desk.commitments()
    assert row["reason"].startswith("no report within 00:00:03 of the request, whose answer was lost")
    assert row["closed_at"] - row["deadline"] < timedelta(seconds=5)


async def test_a_slow_server_holds_its_own_share_only(desk: Desk, tmp_path: Path) -> None:
    with Archive(status=None) as slow, Archive() as quick:
        desk.server("SLOW", slow.port, associations=8)
        desk.server("QUICK", quick.port)
        for place in range(8):
            desk.deliver(destination="SLOW", server="SLOW", study=f"{STUDY}.1.{place}")
            desk.deliver(destination="QUICK", server="QUICK", study=f"{STUDY}.2.{place}")
        async with commitment(desk.url, tmp_path, associations=4):
            await until_async(lambda: desk.states().get("WAITING FOR COMMITMENT") == 8)
            assert len(slow.asked) == 2
            slow.status = 0
            await desk.until_states({"WAITING FOR COMMITMENT": 16})


@pytest.mark.requirement("R33", "R75", "R81")
async def test_xeleris_proposes_all_and_waits_until_a_person_cancels(desk: Desk, tmp_path: Path) -> None:
    with Archive(status=None) as archive:
        desk.server("ARCHIVE1", archive.port, action_seconds=1)
        desk.deliver()
        async with commitment(desk.url, tmp_path, profile="xeleris", lease_seconds=1.5):
            await until_async(archive.arrived.is_set)
            number = desk.commitments()[0]["id"]
            await until_async(lambda: desk.rows(
                "select 1 from commitment.commitment c join commitment.attempt a on a.commitment = c.id "
                "where lease_until > a.started_at + interval '3 seconds'"
            ))  # fmt: skip
            assert desk.states() == {"ASKING": 1}, "neither its own limit nor its lease ended it"
            request = desk.request("cancel-commitment", number)
            await desk.until_states({"FAILURE": 1})
            await until_async(lambda: desk.attempts()[0]["outcome"] == "UNANSWERED", limit=6)
        assert len(archive.associations[0].proposed.contexts) == len(XELERIS.every_proposal)
    (row,) = desk.commitments()
    assert row["reason"] == "cancelled by operator"
    assert desk.result(request) == {"commitment": str(number)}
    assert desk.told() == ["QUEUED", "FAILURE"]


async def test_a_process_that_ends_leaves_what_it_asked_unanswered(desk: Desk, tmp_path: Path) -> None:
    with Archive(status=None) as archive:
        desk.server("ARCHIVE1", archive.port)
        desk.deliver()
        async with commitment(desk.url, tmp_path, drain_seconds=5):
            await until_async(archive.arrived.is_set)
        assert desk.states() == {"UNANSWERED": 1}


async def test_a_worker_that_died_leaves_it_unanswered(desk: Desk, tmp_path: Path) -> None:
    desk.server("ARCHIVE1", 104, enabled=False)
    desk.execute(
        "insert into commitment.commitment (id, study_instance_uid, destination, server, state, lease_holder, "
        "lease_until, deadline) values ('00000000-0000-0000-0000-000000000001', '1.2', 'ARCHIVE1', 'ARCHIVE1', "
        "'ASKING', 'gone', now() - interval '1 minute', now() + interval '1 hour')"
    )
    desk.execute(
        "insert into commitment.attempt (transaction_uid, commitment) "
        "values ('2.25.1', '00000000-0000-0000-0000-000000000001')"
    )
    async with commitment(desk.url, tmp_path, lease_seconds=0.5):
        await desk.until_states({"UNANSWERED": 1})
    assert [row["outcome"] for row in desk.attempts()] == ["UNANSWERED"]


@pytest.mark.large
async def test_twenty_thousand_references_in_one_request(desk: Desk, tmp_path: Path) -> None:
    with Archive() as archive:
        desk.server("ARCHIVE1", archive.port)
        uids = desk.deliver(20_000)
        async with commitment(desk.url, tmp_path, batch=1000):
            await desk.until_states({"WAITING FOR COMMITMENT": 1}, limit=60)
        assert [sorted(named) for named in instances(archive.asked)] == [sorted(uids)]


@pytest.mark.requirement("R112")
@pytest.mark.parametrize("setting", [{"request_again": 1}, {"send_again": True}])
async def test_xeleris_does_nothing_by_itself_after_a_failure(
    desk: Desk, tmp_path: Path, setting: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match=r"GATEWAY_COMMITMENT_(REQUEST|SEND)_AGAIN=.*R112.*leave it unset"):
        async with commitment(desk.url, tmp_path, profile="xeleris", **setting):
            pass

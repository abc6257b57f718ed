"""Retrieve jobs whatever happens to who carries them out: taken over, handed over, never carried out twice at once."""

import threading
from uuid import UUID

import pytest

from services.forwarder import retrieval_ledger as rows
from tests.integration.forwarder.bench import Forwarder, Ledger, forwarder
from tests.recorded import Recorder, add_station
from tests.stations.archive import Archive, Asked
from tests.waiting import until_async


async def asked_for(running: Forwarder, ledger: Ledger, *uids: str, source: str = "SOURCE1") -> UUID:
    """Make a retrieve job; its id."""
    wish = {"from": source, "to": "GATEWAY", "to_us": True, "level": "STUDY", "study": "", "series": "", "uids": uids}
    request = ledger.request("retrieve", wish)
    await running.requests.carry_out(request)
    return UUID(ledger.result(request)["job"])


async def state(ledger: Ledger, job: UUID, expected: str, limit: float = 15) -> dict[str, object]:
    """The job, once it is in a state."""
    await until_async(
        lambda: [row["state"] for row in ledger.jobs() if row["id"] == job] == [expected], limit=limit,
        what=f"{expected} instead of {ledger.jobs()}",
    )  # fmt: skip
    return next(row for row in ledger.jobs() if row["id"] == job)


def add_source(recorder: Recorder, archive: Archive, **more: object) -> None:
    add_station(recorder.database_url, "SOURCE1", archive.port, **{"query_retrieve": True, **more})


async def test_what_a_dead_worker_asked_is_asked_again(recorder: Recorder, ledger: Ledger) -> None:
    with Archive() as archive:
        add_source(recorder, archive)
        async with forwarder(recorder, sending=False) as running:
            job = await asked_for(running, ledger, "1.2.3", "1.2.4")
            async with running.database.transaction() as connection:
                claimed = await rows.claim(connection, "a worker that died", 60, [])
                assert claimed is not None
                moves = await rows.open_moves(connection, job, "a worker that died")
                await rows.begin_move(connection, job, "a worker that died", moves[0])
        async with forwarder(recorder) as running:
            await running.retrievals.attend()
            assert archive.asked == []  # its lease holds
            ledger.execute("update routing.retrieval set lease_until = now() - interval '1 second'")
        async with forwarder(recorder, lease_seconds=5) as running:
            shown = await state(ledger, job, "COMPLETED")
    assert [asked.identifier.StudyInstanceUID for asked in archive.asked] == ["1.2.3", "1.2.4"]
    assert (shown["kind"], shown["source"], shown["reason"]) == ("retrieve", "SOURCE1", "")
    assert ledger.rows("select takeovers, lease_until from routing.retrieval") == [
        {"takeovers": 1, "lease_until": None}
    ]


async def test_a_job_that_ends_its_workers_fails_and_can_be_retried(recorder: Recorder, ledger: Ledger) -> None:
    with Archive() as archive:
        add_source(recorder, archive)
        async with forwarder(recorder) as running:
            ledger.execute("alter table routing.retrieval alter takeovers set default 3")
            job = await asked_for(running, ledger, "1.2.3")
            shown = await state(ledger, job, "FAILED")
            assert "3 workers ended" in str(shown["reason"])
            await running.requests.carry_out(ledger.request("retry", {"job": str(job)}))
            await state(ledger, job, "COMPLETED")
        assert len(archive.asked) == 1


async def test_what_failed_is_asked_again_while_the_rest_is_retrieved(recorder: Recorder, ledger: Ledger) -> None:
    """The job stays ACTIVE; of one that is COMPLETED the answer tells how to fetch it again."""
    done, failed = threading.Event(), []

    def script(asked: Asked) -> int | None:
        if asked.identifier.StudyInstanceUID == "1.2.3" and not failed:
            failed.append(1)
            return 0xC000
        asked.pending(1, 0, 0, 0)
        done.wait(10)
        return 0

    with Archive() as archive:
        archive.moving = script
        add_source(recorder, archive)
        async with forwarder(recorder) as running:
            job = await asked_for(running, ledger, "1.2.3", "1.2.4")
            await until_async(lambda: len(archive.asked) == 2)
            again = ledger.request("retry", {"job": str(job)})
            await running.requests.carry_out(again)
            assert (ledger.result(again)["requests"], ledger.jobs()[0]["state"]) == (1, "ACTIVE")
            done.set()
            await state(ledger, job, "COMPLETED")
            assert [asked.identifier.StudyInstanceUID for asked in archive.asked] == ["1.2.3", "1.2.4", "1.2.3"]
            vain = ledger.request("retry", {"job": str(job)})
            await running.requests.carry_out(vain)
    assert "'gateway retrieve UID --from SOURCE1 --to GATEWAY' fetches it again" in ledger.result(vain)["error"]


async def test_two_forwarders_and_a_stop_carry_each_job_out_once(recorder: Recorder, ledger: Ledger) -> None:
    """What one of them was at when it stopped is handed over at once, not after its lease."""
    begun: list[str] = []
    hold = {"1.2.0"}

    def script(asked: Asked) -> int | None:
        uid = str(asked.identifier.StudyInstanceUID)
        begun.append(uid)
        if uid in hold:
            hold.discard(uid)
            asked.pending(1, 0, 0, 0)
            asked.association.socket.recv(1)  # until it is aborted
            return None
        return 0

    with Archive() as archive:
        archive.moving = script
        add_source(recorder, archive, associations=2)
        async with forwarder(recorder) as stopped:
            jobs = [await asked_for(stopped, ledger, "1.2.0")]
            await until_async(lambda: begun == ["1.2.0"])
        assert [row["state"] for row in ledger.jobs()] == ["ACTIVE"]
        async with forwarder(recorder) as one, forwarder(recorder):
            jobs += [await asked_for(one, ledger, f"1.2.{number}") for number in range(1, 8)]
            for job in jobs:
                await state(ledger, job, "COMPLETED")
    assert sorted(begun) == sorted(["1.2.0", *(f"1.2.{number}" for number in range(8))])
    assert all(row["takeovers"] == 0 for row in ledger.rows("select takeovers from routing.retrieval"))


@pytest.mark.parametrize("columns", [{"enabled": False}, {"query_retrieve": False}], ids=["disabled", "no source"])
async def test_what_may_not_be_asked_any_more_fails_visibly(
    recorder: Recorder, ledger: Ledger, columns: dict[str, bool]
) -> None:
    with Archive() as archive:
        add_source(recorder, archive)
        async with forwarder(recorder, sending=False) as running:
            job = await asked_for(running, ledger, "1.2.3")
        add_source(recorder, archive, **columns)
        async with forwarder(recorder):
            shown = await state(ledger, job, "FAILED")
    assert "disabled or no query source" in str(shown["reason"])
    assert archive.connections == 0


async def test_a_source_that_is_away_or_refuses_the_class_fails_with_the_reason(
    recorder: Recorder, ledger: Ledger
) -> None:
    with Archive() as gone:
        pass
    add_source(recorder, gone)
    async with forwarder(recorder) as running:
        shown = await state(ledger, await asked_for(running, ledger, "1.2.3", "1.2.4"), "FAILED")
        assert "2 of 2" in str(shown["reason"])
        assert "refused" in str(shown["reason"])
        with Archive(lacks=("1.2.840.10008.5.1.4.1.2.2.2",)) as archive:
            add_source(recorder, archive)
            await running.configuration.refresh()
            shown = await state(ledger, await asked_for(running, ledger, "1.2.3"), "FAILED")
            assert "not the SOP class" in str(shown["reason"])


async def test_a_lost_answer_fails_its_study_and_the_others_go_on(recorder: Recorder, ledger: Ledger) -> None:
    with Archive() as archive:
        archive.moving = lambda asked: None if asked.identifier.StudyInstanceUID == "1.2.3" else 0
        add_source(recorder, archive)
        async with forwarder(recorder) as running:
            job = await asked_for(running, ledger, "1.2.3", "1.2.4")
            shown = await state(ledger, job, "FAILED")
    assert "1 of 2: the answer was lost" in str(shown["reason"])
    assert [row["state"] for row in ledger.rows("select state from routing.retrieval_move order by position")] == [
        "FAILED", "COMPLETED",
    ]  # fmt: skip


async def test_cancelled_before_it_began(recorder: Recorder, ledger: Ledger) -> None:
    with Archive() as archive:
        add_source(recorder, archive)
        async with forwarder(recorder, sending=False) as running:
            job = await asked_for(running, ledger, "1.2.3")
            await running.requests.carry_out(ledger.request("cancel", {"job": str(job)}))
            shown = await state(ledger, job, "CANCELED")
            await running.retrievals.attend()
        assert (shown["reason"], archive.connections) == ("cancelled by operator", 0)
    assert ledger.rows("select state from routing.retrieval_move") == [{"state": "CANCELED"}]

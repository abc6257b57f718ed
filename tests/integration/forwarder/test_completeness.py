"""When a series or study is complete, and what becomes of what comes later (Show 6): by the jobs that are made."""

from datetime import UTC, datetime, timedelta

from tests.factories import ct
from tests.integration.forwarder.bench import Forwarder, Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations.receiver import StationReceiver
from tests.waiting import until_async

HOUR = {"level": "study", "quiet": "1h", "send": [{"to": "ARCHIVE1"}]}


async def complete(running: Forwarder, ledger: Ledger, job: object) -> dict[str, object]:
    """What the forwarder answers a person who says that it is complete."""
    request = ledger.request("complete", {"job": str(job)})
    await running.requests.carry_out(request)
    return ledger.result(request)


async def test_a_person_says_that_a_study_is_complete(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, [HOUR])
        async with forwarder(recorder) as running:
            recorder.watermark(datetime.now(UTC))
            await running.evaluate(recorder.record(ct(1, study=1), ct(2, study=1)))
            (job,) = ledger.jobs()
            assert (job["released_at"], job["completed_by"]) == (None, "")
            assert await complete(running, ledger, job["id"]) == {"job": str(job["id"]), "deliveries": 2}
            await until_async(lambda: [job["state"] for job in ledger.jobs()] == ["COMPLETED"])
            again = await complete(running, ledger, job["id"])
            assert "is COMPLETED and collects nothing" in str(again["error"])
            await running.evaluate(recorder.record(ct(3, study=1)))
            assert [(job["completed_by"], job["total"]) for job in ledger.jobs()] == [("by operator", 2), ("", 1)]
            ledger.execute("update routing.job set last_received_at = now() - interval '2 hours'")
            recorder.watermark(datetime.now(UTC) - timedelta(seconds=1))
            await until_async(lambda: len(archive.uids) == 3)
    assert [job["completed_by"] for job in ledger.jobs()] == ["by operator", "quiet time"]

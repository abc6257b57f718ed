"""How a station is sent to: cancels, interruptions, echoes to a resting one, retries, pace, associations."""

import asyncio
import time
from typing import Any
from uuid import UUID

import pytest

from tests.factories import ct, small_instances
from tests.integration.forwarder.bench import Ledger, forwarder
from tests.integration.forwarder.test_profiles import xeleris
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations import AbortAfterData, Accept, Answer, Cut, Freeze, Refuse, Slow, StationReceiver
from tests.waiting import until_async

TO_ARCHIVE = [{"send": [{"to": "ARCHIVE1"}]}]


def prepare(recorder: Recorder, archive: StationReceiver, **columns: object) -> None:
    add_station(recorder.database_url, "ARCHIVE1", archive.port, **{"associations": 1} | columns)
    add_rule_set(recorder.database_url, 1, TO_ARCHIVE)


@pytest.mark.parametrize("profile", ["gateway", "xeleris"])
async def test_what_a_cut_line_interrupted_goes_over_the_next_association(
    recorder: Recorder, ledger: Ledger, profile: str
) -> None:
    """R40: each association carries three and is lost in the middle of the fourth; nothing goes twice."""
    chosen: dict[str, Any] = {"profile": xeleris()} if profile == "xeleris" else {}
    with StationReceiver("ARCHIVE1", Cut(after=3)) as archive:
        prepare(recorder, archive)
        recorded = recorder.record(*[ct(number, study=1, pixel_bytes=300_000) for number in range(1, 11)])
        async with forwarder(recorder, **chosen) as running:
            await running.evaluate(recorded)
            await ledger.until_states({"DELIVERED": 10}, limit=30)
            await until_async(lambda: [job["state"] for job in ledger.jobs()] == ["COMPLETED"])
        assert sorted(archive.uids) == sorted(each.sop_instance_uid for each in recorded)
        assert len(archive.associations) >= 4
    tried = [row for row in ledger.deliveries() if row["attempts"] > 1]
    assert tried, "the interrupted ones were tried again"
    assert ledger.failures() == 0, "a station that answered is not left alone"


def cancel(ledger: Ledger, job: UUID, by: str) -> UUID:
    """A person's request for it: of the job, or of all that waits and is sent of it, as the desk and filters ask."""
    if by == "job":
        return ledger.request("cancel", {"job": str(job)})
    waiting = "state in ('PENDING', 'SENDING', 'UNKNOWN')"
    rows = ledger.rows(f"select received_at, id from routing.delivery where job = %s and {waiting}", job)  # noqa: S608
    named = [(row["received_at"].isoformat(), row["id"]) for row in rows]
    return ledger.request("cancel-deliveries", {"deliveries": named})


@pytest.mark.parametrize("by", ["job", "deliveries"])
async def test_a_cancel_ends_what_is_sent_within_a_second(recorder: Recorder, ledger: Ledger, by: str) -> None:
    """In the middle of an association: what is under way ends, nothing more of the job is sent, the others are. The
    job says how many."""
    with StationReceiver("ARCHIVE1", Slow(0.3)) as archive:
        prepare(recorder, archive)
        doomed = [ct(number, study=1) for number in range(1, 13)]
        other = ct(100, study=2)
        async with forwarder(recorder, poll_seconds=60, cancel_seconds=5) as running:
            await running.evaluate(recorder.record(*doomed, other))
            job = next(job for job in ledger.jobs() if job["study_instance_uid"] == doomed[0].study_instance_uid)
            await ledger.until_states({"SENDING": 12, "DELIVERED": 1})
            await until_async(lambda: len(archive.uids) >= 2)
            before, asked = len(archive.uids), time.monotonic()
            await running.requests.carry_out(cancel(ledger, job["id"], by))
            await until_async(lambda: "CANCELED" in ledger.states())
            assert time.monotonic() - asked < 1
            await until_async(lambda: other.sop_instance_uid in archive.uids)
            await until_async(lambda: "SENDING" not in ledger.states())
        assert len(archive.associations) == 1
        sent = len(archive.uids) - 1
    assert sent <= before + 1 / 0.3 + 1  # what was there, what a second takes, what was under way
    assert ledger.states() == {"DELIVERED": sent + 1, "CANCELED": 12 - sent}
    assert {(job["state"], job["reason"]) for job in ledger.jobs()} == {
        ("CANCELED", f"{12 - sent} of 12 cancelled by operator"), ("COMPLETED", ""),
    }  # fmt: skip
    assert {row["reason"] for row in ledger.deliveries()} == {"cancelled by operator", ""}


@pytest.mark.parametrize("by", ["job", "deliveries"])
async def test_a_cancel_aborts_what_does_not_end(recorder: Recorder, ledger: Ledger, by: str) -> None:
    with StationReceiver("ARCHIVE1", Freeze()) as archive:
        prepare(recorder, archive)
        async with forwarder(recorder, poll_seconds=60) as running:
            await running.evaluate(recorder.record(ct(1, study=1), ct(2, study=1)))
            await until_async(archive.frozen.is_set)
            asked = time.monotonic()
            job = ledger.jobs()[0]["id"]
            await running.requests.carry_out(cancel(ledger, job, by))
            assert ledger.jobs()[0]["state"] == "CANCELED", "whatever its station does"
            await ledger.until_states({"CANCELED": 2})
            assert time.monotonic() - asked < 1
            archive.behave(Accept())
            await running.requests.carry_out(ledger.request("retry", {"job": str(job)}))
            await ledger.until_states({"DELIVERED": 2})


async def test_a_station_that_answers_echoes_and_fails_instances_is_left_alone_longer_each_time(
    recorder: Recorder, ledger: Ledger
) -> None:
    """One instance is tried after each answered C-ECHO, and no answer to a C-ECHO forgets the failures."""
    with StationReceiver("ARCHIVE1", AbortAfterData()) as archive:
        prepare(recorder, archive)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(*small_instances(20, seed=1)))
            for failures in range(1, 5):
                await until_async(lambda least=failures: ledger.failures() >= least)
                await ledger.try_now()
            await until_async(lambda: archive.echoes >= 4)
            assert len(archive.uids) <= ledger.failures() + 1
            archive.behave(Accept())
            await ledger.try_now()
            await ledger.until_states({"DELIVERED": 20}, limit=60)  # a fifth failure meanwhile doubles the wait again
        assert ledger.failures() == 0
        assert ledger.rows("select circuit, open_since from routing.destination") == [
            {"circuit": "CLOSED", "open_since": None}
        ]


async def test_profile_xeleris_tries_an_instance_and_sends_no_echo_of_its_own(
    recorder: Recorder, ledger: Ledger
) -> None:
    """R49: people start C-ECHOs."""
    with StationReceiver("ARCHIVE1", Refuse()) as archive:
        prepare(recorder, archive)
        async with forwarder(recorder, profile=xeleris()) as running:
            await running.evaluate(recorder.record(ct(1), ct(2)))
            await until_async(lambda: any(row["attempts"] > 1 for row in ledger.deliveries()))
            archive.behave(Accept())
            await ledger.try_now()
            await ledger.until_states({"DELIVERED": 2})
        assert archive.echoes == 0


async def test_a_station_says_what_is_tried_again_and_how_often(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1", Answer(0x0122)) as archive:
        prepare(recorder, archive, retry_statuses=["0122"], retry_attempts=2)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(ct(1)))
            await until_async(lambda: ledger.rows("select 1 from routing.attempt"))
            again = "update routing.delivery set next_attempt_at = now() where state = 'PENDING'"
            await asyncio.to_thread(ledger.execute, again)
            await ledger.until_states({"FAILED": 1})
            assert ledger.deliveries()[0]["reason"].startswith("given up after 2 attempts: status 0122")
            archive.behave(Answer(0xA700))
            await running.evaluate(recorder.record(ct(2)))
            await ledger.until_states({"FAILED": 2})
    assert [row["attempts"] for row in ledger.deliveries()] == [2, 1]


async def test_what_is_not_tried_again_when_unreachable_fails_at_once(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1", Refuse()) as archive:
        prepare(recorder, archive, retry_errors=["broken-off"])
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(*small_instances(40, seed=1)))
            await ledger.until_states({"FAILED": 40})
            reasons = {row["reason"].split(":")[0] for row in ledger.deliveries()}
            assert reasons == {"not tried again when unreachable"}
            await until_async(lambda: {job["state"] for job in ledger.jobs()} == {"FAILED"})
            archive.behave(Accept())
            await ledger.try_now()
            await running.evaluate(recorder.record(ct(50)))
            await ledger.until_states({"FAILED": 40, "DELIVERED": 1})


async def test_the_pace_of_a_station_holds_over_two_processes(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1") as archive:
        prepare(recorder, archive, associations=2, instances_per_second=20)
        recorded = recorder.record(*small_instances(24, seed=1))
        async with forwarder(recorder) as running, forwarder(recorder):
            await running.evaluate(recorded)
            await ledger.until_states({"DELIVERED": 24})
        times = sorted(archive.received_at(each.sop_instance_uid) for each in recorded)
    assert times[-1] - times[0] >= 0.95
    assert all(sum(start <= at < start + 0.5 for at in times) <= 10 + 5 for start in times)


async def test_a_station_says_how_associations_are_used(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1") as archive:
        prepare(recorder, archive, association_instances=3, idle_seconds=0)
        async with forwarder(recorder, idle_seconds=60) as running:
            await running.evaluate(recorder.record(*small_instances(7, seed=1)))
            await ledger.until_states({"DELIVERED": 7})
            await until_async(lambda: len(archive.associations) == 3)
        assert sorted(sum(each.requests.values()) for each in archive.associations) == [1, 3, 3]

"""Jobs: what they gather, when they go (P7), what becomes of older revisions and of repeats (P5)."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from schemas.rules import RuleDocument
from services.dicom.rules import CompiledRules, compile_rules
from services.forwarder.delivery import GONE
from tests.factories import ct, mr, small_instances
from tests.integration.forwarder.bench import Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations.receiver import Accept, Answer, Refuse, Slow, StationReceiver
from tests.waiting import until_async

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
SOON = timedelta(seconds=1)


def study_rule(level: str = "study") -> list[dict[str, object]]:
    return [{"level": level, "quiet": "30s", "send": [{"to": "ARCHIVE1"}]}]


async def test_a_study_goes_when_its_quiet_time_lies_below_the_watermark(recorder: Recorder, ledger: Ledger) -> None:
    now = datetime.now(UTC)
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, study_rule())
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(ct(1, study=1), received_at=now - timedelta(seconds=100)))
            await running.evaluate(recorder.record(mr(2, study=1), received_at=now - timedelta(seconds=60)))
            assert [job["state"] for job in ledger.jobs()] == ["QUEUED"]
            for through in (LONG_AGO, now - timedelta(seconds=61), now - timedelta(seconds=30) - SOON):
                recorder.watermark(through)
                await running.clocks.release()
                assert ledger.states() == {"PENDING": 2}
                assert not archive.uids
            recorder.watermark(now - timedelta(seconds=30))
            await ledger.until_states({"DELIVERED": 2})
            assert [(job["state"], job["total"]) for job in ledger.jobs()] == [("COMPLETED", 2)]
            await running.evaluate(recorder.record(ct(3, study=1), received_at=now))
            assert sorted(job["state"] for job in ledger.jobs()) == ["COMPLETED", "QUEUED"]
            recorder.watermark(now + timedelta(seconds=30))
            await ledger.until_states({"DELIVERED": 3})
    assert [(job["state"], job["total"]) for job in ledger.jobs()] == [("COMPLETED", 2), ("COMPLETED", 1)]


async def test_what_is_collected_wakes_nobody_before_its_release(recorder: Recorder, ledger: Ledger) -> None:
    add_station(recorder.database_url, "ARCHIVE1", 104)
    add_rule_set(recorder.database_url, 1, study_rule())
    async with forwarder(recorder, sending=False) as running:
        with psycopg.connect(recorder.database_url, autocommit=True) as connection:
            connection.execute("listen routing_work")
            await running.evaluate(recorder.record(ct(1, study=1), received_at=LONG_AGO))
            assert list(connection.notifies(timeout=0.1)) == []
            recorder.watermark(datetime.now(UTC))
            await running.clocks.release()
            assert [each.payload for each in connection.notifies(timeout=5, stop_after=1)] == ["ARCHIVE1"]


async def test_a_study_waits_for_what_is_recorded_and_not_evaluated(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, study_rule())
        async with forwarder(recorder) as running:
            first = recorder.record(ct(1, study=1), received_at=LONG_AGO + timedelta(days=300))
            late = recorder.record(ct(2, study=1), received_at=LONG_AGO + timedelta(days=300))
            recorder.watermark(datetime.now(UTC))
            await running.evaluate(first)
            await running.clocks.release()
            assert ledger.states() == {"PENDING": 1}
            await running.evaluate(late)
            await ledger.until_states({"DELIVERED": 2})
    assert [job["total"] for job in ledger.jobs()] == [2]


async def test_a_restart_does_not_move_the_quiet_time(recorder: Recorder, ledger: Ledger) -> None:
    now = datetime.now(UTC)
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, study_rule())
        async with forwarder(recorder, sending=False) as running:
            await running.evaluate(recorder.record(ct(1), received_at=now - timedelta(seconds=60)))
        recorder.watermark(now)
        async with forwarder(recorder):
            await ledger.until_states({"DELIVERED": 1})


async def test_level_series_makes_a_job_of_each_series(recorder: Recorder, ledger: Ledger) -> None:
    add_station(recorder.database_url, "ARCHIVE1", 104)
    add_rule_set(recorder.database_url, 1, study_rule("series"))
    async with forwarder(recorder, sending=False) as running:
        recorded = recorder.record(*small_instances(20, seed=1, one_study=True))
        await running.evaluate(recorded)
    series = ledger.rows("select distinct series_instance_uid from storage.receipt")
    assert {job["group_uid"] for job in ledger.jobs()} == {row["series_instance_uid"] for row in series}


async def test_one_job_for_a_burst_of_a_study(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "ARCHIVE1"}]}])
        async with forwarder(recorder) as running:
            for number in range(1, 4):
                await running.evaluate(recorder.record(ct(number, study=1)))
                await ledger.until_states({"DELIVERED": number})
            await until_async(lambda: [job["state"] for job in ledger.jobs()] == ["COMPLETED"])
            ledger.execute("update routing.job set finished_at = now() - interval '2 minutes'")
            await running.evaluate(recorder.record(ct(4, study=1)))
            await ledger.until_states({"DELIVERED": 4})
    assert [job["total"] for job in ledger.jobs()] == [3, 1]


async def test_two_rules_one_destination_one_delivery(recorder: Recorder, ledger: Ledger) -> None:
    add_station(recorder.database_url, "ARCHIVE1", 104)
    rules = [{"name": "first", "send": [{"to": "ARCHIVE1"}]}, {"name": "second", "send": [{"to": "ARCHIVE1"}]}]
    add_rule_set(recorder.database_url, 1, rules)
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1)))
    assert [job["rule"] for job in ledger.jobs()] == ["first"]
    assert ledger.states() == {"PENDING": 1}
    matched = ledger.rows("select matched from routing.evaluation")[0]["matched"]
    assert [match["rule"] for match in matched] == ["first", "second"]


async def test_stop_and_conditions_and_the_rule_set_of_the_receipt(recorder: Recorder, ledger: Ledger) -> None:
    for title in ("A", "B", "C"):
        add_station(recorder.database_url, title, 104)
    when = {"all": [{"tag": "Modality", "op": "equals", "value": "CT"}]}
    rules = [{"when": when, "send": [{"to": "A"}], "stop": True}, {"send": [{"to": "B"}]}]
    add_rule_set(recorder.database_url, 1, rules)
    add_rule_set(recorder.database_url, 2, [{"send": [{"to": "C"}]}])
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1), mr(2)))
    found = {(row["sop_instance_uid"], row["destination"]) for row in ledger.deliveries()}
    assert found == {(ct(1).sop_instance_uid, "A"), (mr(2).sop_instance_uid, "B")}


async def test_elements_beyond_the_facts_are_read_from_the_object(recorder: Recorder, ledger: Ledger) -> None:
    add_station(recorder.database_url, "A", 104)
    long = "x" * 2000 + "needle"
    when = {"all": [{"tag": "AdditionalPatientHistory", "op": "contains", "value": "needle"}]}
    add_rule_set(recorder.database_url, 1, [{"when": when, "send": [{"to": "A"}]}])
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1, AdditionalPatientHistory=long), ct(2)))
    assert [row["sop_instance_uid"] for row in ledger.deliveries()] == [ct(1).sop_instance_uid]


async def test_without_a_live_rule_set_nothing_matches_and_a_note_says_so(recorder: Recorder, ledger: Ledger) -> None:
    recorder.rule_set = 0
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1)))
    assert ledger.rows("select matched, note from routing.evaluation") == [
        {"matched": [], "note": "no rule set was live at receipt"}
    ]


@pytest.mark.parametrize("disposition", ["KEPT", "HELD"])
async def test_what_storage_keeps_back_is_not_routed(recorder: Recorder, ledger: Ledger, disposition: str) -> None:
    add_station(recorder.database_url, "A", 104)
    add_rule_set(recorder.database_url, 1, [{"send": [{"to": "A"}]}])
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1), disposition=disposition))
    assert ledger.rows("select note from routing.evaluation") == [{"note": f"{disposition}: not routed"}]
    assert not ledger.deliveries()


async def test_a_receipt_whose_rule_set_is_missing_stays_unevaluated(recorder: Recorder, ledger: Ledger) -> None:
    add_station(recorder.database_url, "A", 104)
    recorder.rule_set = 7
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1)))
        assert not ledger.rows("select 1 from routing.evaluation")
        add_rule_set(recorder.database_url, 7, [{"send": [{"to": "A"}]}])
        assert await running.handlers.reconcile(age_seconds=0) == 1
    assert ledger.states() == {"PENDING": 1}


async def test_a_newer_revision_supersedes_the_waiting_older_one(recorder: Recorder, ledger: Ledger) -> None:
    older, newer = ct(1), ct(1, PatientComments="changed")
    with StationReceiver("ARCHIVE1", Refuse()) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "ARCHIVE1"}]}])
        async with forwarder(recorder) as running:
            first = recorder.record(older)
            second = recorder.record(newer, disposition="REVISION", revision=2)
            await running.evaluate(second)  # messages may come in any order
            await running.evaluate(first)
            assert [row["revision"] for row in ledger.deliveries() if row["state"] == "SUPERSEDED"] == [1]
            archive.behave(Accept())
            await ledger.try_now()
            await ledger.until_states({"SUPERSEDED": 1, "DELIVERED": 1})
        assert archive.data_set(newer.sop_instance_uid) == newer.data_set
        assert len(archive.uids) == 1
    assert {job["state"] for job in ledger.jobs()} == {"COMPLETED"}


async def test_the_newer_revision_waits_for_the_older_one_under_way(recorder: Recorder, ledger: Ledger) -> None:
    older, newer = ct(1), ct(1, PatientComments="changed")
    with StationReceiver("ARCHIVE1", Slow(1.0)) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, associations=4)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "ARCHIVE1"}]}])
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(older))
            await ledger.until_states({"SENDING": 1})
            await running.evaluate(recorder.record(newer, disposition="REVISION", revision=2))
            await until_async(lambda: archive.uids)
            assert ledger.states() == {"SENDING": 1, "PENDING": 1}
            await ledger.until_states({"DELIVERED": 2})
        assert archive.data_set(newer.sop_instance_uid) == newer.data_set


async def test_the_same_instance_again_wakes_what_failed_and_waits(recorder: Recorder, ledger: Ledger) -> None:
    with (
        StationReceiver("FAILS", Answer(0xC000)) as fails,
        StationReceiver("WAITS", Answer(0xA700)) as waits,
        StationReceiver("TAKES") as takes,
    ):
        for station in (fails, waits, takes):
            add_station(recorder.database_url, station.title, station.port)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": t} for t in ("FAILS", "WAITS", "TAKES")]}])
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(ct(1)))
            await ledger.until_states({"FAILED": 1}, "FAILS")
            await ledger.until_states({"DELIVERED": 1}, "TAKES")
            await until_async(lambda: ledger.deliveries("WAITS")[0]["attempts"] > 0)
            for station in (fails, waits):
                station.behave(Accept())
            ledger.execute(
                "update routing.delivery set next_attempt_at = now() + interval '1 hour' where state = 'PENDING'"
            )
            duplicate = recorder.record(ct(1), disposition="DUPLICATE")
            await running.evaluate(duplicate)
            await running.evaluate(duplicate)
            await ledger.until_states({"DELIVERED": 3}, limit=30)
        assert len(takes.uids) == 1
    await until_async(lambda: {job["state"] for job in ledger.jobs()} == {"COMPLETED"})


@pytest.mark.parametrize(
    ("status", "job", "expected"),
    [
        (0xC000, "FAILED", "PENDING"),
        (None, "FAILED", "PENDING"),
        (0xB000, "FAILED", "FAILED"),
        (0xB007, "FAILED", "FAILED"),
        (0x0107, "FAILED", "FAILED"),
        (0xC000, "CANCELED", "FAILED"),
    ],
)
async def test_the_same_instance_again_wakes_neither_warnings_nor_what_a_person_cancelled(
    recorder: Recorder, ledger: Ledger, status: int | None, job: str, expected: str
) -> None:
    """Profile xeleris counts a warning as failed (R47): the station has it."""
    add_station(recorder.database_url, "ARCHIVE1", 104)
    add_rule_set(recorder.database_url, 1, [{"send": [{"to": "ARCHIVE1"}]}])
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1)))
        ledger.execute("update routing.delivery set state = 'FAILED', finished_at = now(), status = %s", status)
        ledger.execute("update routing.job set state = %s, finished_at = now()", job)
        await running.evaluate(recorder.record(ct(1), disposition="DUPLICATE"))
    assert ledger.states() == {expected: 1}
    assert [each["state"] for each in ledger.jobs()] == [job if expected == "FAILED" else "QUEUED"]


@pytest.mark.parametrize(
    ("reason", "withdrawn", "state"),
    [("status A700", None, "PENDING"), (GONE, None, "FAILED"), ("status A700", "cancelled", "FAILED")],
)
async def test_the_same_instance_again_wakes_nothing_that_was_given_up(
    recorder: Recorder, ledger: Ledger, reason: str, withdrawn: str | None, state: str
) -> None:
    """What was deleted and came back has deliveries of its own; what was told to end while it was sent is cancelled."""
    add_station(recorder.database_url, "ARCHIVE1", 104)
    add_rule_set(recorder.database_url, 1, [{"send": [{"to": "ARCHIVE1"}]}])
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1)))
        failed = "update routing.delivery set state = 'FAILED', finished_at = now(), reason = %s, withdrawn = %s"
        ledger.execute(failed, reason, withdrawn)
        await running.evaluate(recorder.record(ct(1), disposition="DUPLICATE"))
    assert ledger.states() == {state: 1}


@pytest.mark.parametrize("waits", ["PENDING", "UNKNOWN"])
async def test_what_waited_when_it_was_deleted_is_not_sent_beside_what_came_anew(
    recorder: Recorder, ledger: Ledger, waits: str
) -> None:
    """Whoever had it deleted gave that up; held or not, it would be sent twice."""
    add_station(recorder.database_url, "ARCHIVE1", 104)
    add_rule_set(recorder.database_url, 1, [{"send": [{"to": "ARCHIVE1"}]}])
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1), ct(2)))
        ledger.execute("update routing.delivery set state = %s", waits)
        ledger.execute("delete from storage.identity where sop_instance_uid = %s", ct(1).sop_instance_uid)
        await running.evaluate(recorder.record(ct(1)))
    former, other, anew = ledger.deliveries()
    assert (former["state"], former["reason"]) == ("FAILED", GONE)
    assert (other["state"], anew["state"]) == (waits, "PENDING")
    assert former["sop_instance_uid"] == anew["sop_instance_uid"]


async def test_a_duplicate_does_not_hurry_a_collecting_job(recorder: Recorder, ledger: Ledger) -> None:
    add_station(recorder.database_url, "ARCHIVE1", 104)
    add_rule_set(recorder.database_url, 1, study_rule())
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1)))
        await running.evaluate(recorder.record(ct(1), disposition="DUPLICATE"))
    assert [row["waits_for_ever"] for row in ledger.deliveries()] == [True]


async def test_stat_goes_before_normal_before_low(recorder: Recorder, ledger: Ledger) -> None:
    rules: list[dict[str, object]] = [
        {"when": {"all": [{"tag": "SeriesDescription", "op": "equals", "value": name}]}, "priority": name,
         "send": [{"to": "ARCHIVE1"}]}
        for name in ("low", "normal", "high", "stat")
    ]  # fmt: skip
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, associations=1)
        add_rule_set(recorder.database_url, 1, rules)
        names = ["low", "normal", "high", "stat"]
        instances = [ct(number, SeriesDescription=name) for number, name in enumerate(names, 1)]
        async with forwarder(recorder, sending=False) as running:
            await running.evaluate(recorder.record(*instances))
        async with forwarder(recorder):
            await ledger.until_states({"DELIVERED": 4})
        assert archive.uids == [instance.sop_instance_uid for instance in reversed(instances)]


async def test_a_rule_set_is_compiled_once(recorder: Recorder, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    add_station(recorder.database_url, "A", 104)
    add_rule_set(recorder.database_url, 1, [{"send": [{"to": "A"}]}])
    compiled: list[int] = []

    def counting(document: RuleDocument) -> CompiledRules:
        compiled.append(len(document.rules))
        return compile_rules(document)

    monkeypatch.setattr("services.forwarder.configuration.compile_rules", counting)
    async with forwarder(recorder, sending=False) as running:
        for number in range(3):
            await running.evaluate(recorder.record(ct(number), mr(10 + number)))
        assert compiled == [1]
        add_rule_set(recorder.database_url, 2, [])
        recorder.rule_set = 2
        await running.evaluate(recorder.record(ct(20)))
    assert compiled == [1, 0]
    assert ledger.states() == {"PENDING": 6}


async def test_a_changed_rule_set_is_in_force_with_the_next_receipt(recorder: Recorder, ledger: Ledger) -> None:
    for title in ("A", "B"):
        add_station(recorder.database_url, title, 104)
    add_rule_set(recorder.database_url, 1, [{"send": [{"to": "A"}]}])
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1)))
        add_rule_set(recorder.database_url, 2, [{"send": [{"to": "B"}]}])
        recorder.rule_set = 2
        await running.evaluate(recorder.record(ct(2)))
    assert {(row["sop_instance_uid"], row["destination"]) for row in ledger.deliveries()} == {
        (ct(1).sop_instance_uid, "A"),
        (ct(2).sop_instance_uid, "B"),
    }

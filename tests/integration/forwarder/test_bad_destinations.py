"""P6: one bad destination harms nobody else; each failure ends as the ledger's states say."""

import time
from dataclasses import replace
from statistics import median

import pytest

from tests.factories import Instance, ct, mr, small_instances
from tests.integration.forwarder.bench import Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations.receiver import (
    AbortAfterData,
    Accept,
    Answer,
    Freeze,
    Refuse,
    RejectAssociations,
    Slow,
    StationReceiver,
)
from tests.waiting import until_async

TO_ARCHIVE = [{"send": [{"to": "ARCHIVE1"}]}]


async def test_the_healthy_destination_is_not_delayed(recorder: Recorder, ledger: Ledger) -> None:
    titles = ("HEALTHY", "REFUSING", "BUSY", "SLOW")
    behaviours = (Accept(), Refuse(), Answer(0xA700, seconds=4), Slow(0.5))
    receivers = [StationReceiver(title, behaviour) for title, behaviour in zip(titles, behaviours, strict=True)]
    with receivers[0] as healthy, receivers[1] as refusing, receivers[2] as busy, receivers[3] as slow:
        for receiver in receivers:
            add_station(recorder.database_url, receiver.title, receiver.port)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": title} for title in titles]}])
        delays = []
        async with forwarder(recorder) as running:
            for instance in small_instances(30, seed=1):
                await running.evaluate(recorder.record(instance))
                recorded_at = time.monotonic()
                await until_async(lambda uid=instance.sop_instance_uid: uid in healthy.uids)
                delays.append(healthy.received_at(instance.sop_instance_uid) - recorded_at)
            assert median(delays) < 1
            assert max(delays) < 5
            assert ledger.states("REFUSING") == {"PENDING": 30}
            assert ledger.rows("select circuit from routing.destination where title = 'REFUSING'") == [
                {"circuit": "OPEN"}
            ]
            await ledger.until_states({"DELIVERED": 30}, "BUSY", limit=40)
            await ledger.until_states({"DELIVERED": 30}, "SLOW", limit=40)
            refusing.behave(Accept())
            await ledger.try_now()
            await ledger.until_states({"DELIVERED": 30}, "REFUSING", limit=20)
            assert ledger.rows(
                "select ended_at > began_at as ended from routing.outage where destination = 'REFUSING'"
            ) == [{"ended": True}]
    assert all(len(set(receiver.uids)) == len(receiver.uids) == 30 for receiver in (healthy, refusing, busy, slow))


async def test_a_refused_connection_costs_only_the_claimed_ones_an_attempt(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1", Refuse()) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, associations=1)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(*small_instances(50, seed=1)))
            await until_async(ledger.failures)
            await ledger.try_now()
            await until_async(lambda: ledger.failures() > 1)  # a C-ECHO failed
            attempted = [row for row in ledger.deliveries() if row["attempts"]]
            assert len(attempted) <= 16
            assert all(row["attempts"] == 1 and "onnection refused" in row["reason"] for row in attempted)
            archive.behave(Accept())
            await ledger.try_now()
            await ledger.until_states({"DELIVERED": 50})
        assert archive.echoes == 1


async def test_a_lost_answer_is_unknown_and_sent_again(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1", AbortAfterData()) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(*small_instances(5, seed=1)))
            await until_async(lambda: ledger.rows("select 1 from routing.attempt where outcome = 'UNKNOWN'"))
            assert "UNKNOWN" in ledger.states()
            archive.behave(Accept())
            await ledger.until_states({"DELIVERED": 5}, limit=30)
    unknown = ledger.rows("select distinct delivery from routing.attempt where outcome = 'UNKNOWN'")
    for row in unknown:
        outcomes = [attempt["outcome"] for attempt in ledger.attempts(row["delivery"])]
        assert outcomes[-1] == "DELIVERED"


async def test_a_station_may_have_unknown_deliveries_held(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1", AbortAfterData()) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, unknown_policy="hold")
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(ct(1)))
            await ledger.until_states({"UNKNOWN": 1})
            archive.behave(Accept())
            await running.evaluate(recorder.record(ct(2)))
            await ledger.until_states({"UNKNOWN": 1, "DELIVERED": 1})
            assert ledger.deliveries()[0]["waits_for_ever"]
            assert [job["state"] for job in ledger.jobs()] == ["ACTIVE", "COMPLETED"]


async def test_a_frozen_receiver_gives_its_thread_back(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1", Freeze()) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, store_seconds=1)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(ct(1)))
            await until_async(lambda: ledger.rows("select 1 from routing.attempt where outcome = 'UNKNOWN'"))
            archive.behave(Accept())
            await ledger.until_states({"DELIVERED": 1}, limit=20)


@pytest.mark.parametrize(("codes", "slowly"), [((1, 1, 7), True), ((2, 3, 1), False)], ids=["permanent", "transient"])
async def test_rejected_associations(
    recorder: Recorder, ledger: Ledger, codes: tuple[int, int, int], slowly: bool
) -> None:
    with StationReceiver("ARCHIVE1", RejectAssociations(*codes)) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder, slow_retry_seconds=300) as running:
            await running.evaluate(recorder.record(ct(1)))
            await until_async(lambda: ledger.rows("select 1 from routing.attempt"))
            found = ledger.rows(
                "select retry_at > last_failure_at + interval '100 seconds' as slowly, last_failure "
                "from routing.destination"
            )[0]
            assert found["slowly"] is slowly
            assert "({},{},{})".format(*codes) in found["last_failure"]
            assert ledger.states() == {"PENDING": 1}
            archive.behave(Accept())
            await ledger.try_now()
            await ledger.until_states({"DELIVERED": 1})
            assert ledger.rows("select circuit from routing.destination") == [{"circuit": "CLOSED"}]


@pytest.mark.parametrize(
    ("status", "state"),
    [(0xB000, "WARNED"), (0x0111, "DELIVERED"), (0xA900, "FAILED"), (0xC000, "FAILED"), (0x0122, "FAILED")],
)
async def test_final_answers(recorder: Recorder, ledger: Ledger, status: int, state: str) -> None:
    with StationReceiver("ARCHIVE1", Answer(status)) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, commit_server=True)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(ct(1)))
            await ledger.until_states({state: 1})
            await until_async(lambda: ledger.jobs()[0]["finished_at"])
    row, job = ledger.deliveries()[0], ledger.jobs()[0]
    assert row["status"] == status
    assert f"{status:04X}" in row["reason"]
    assert job["state"] == ("FAILED" if state == "FAILED" else "COMPLETED")
    assert ("1 of 1 failed" in job["reason"]) == (state == "FAILED")
    assert len(ledger.rows("select 1 from runtime.outbox")) == (state != "FAILED"), "who is to commit it"


async def test_a_refusal_closes_the_circuit_and_is_no_success(recorder: Recorder, ledger: Ledger) -> None:
    last = "select circuit, last_success_at, last_failure, last_failure_at from routing.destination"
    with StationReceiver("ARCHIVE1", RejectAssociations(2, 3, 1)) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(ct(1)))
            await until_async(lambda: ledger.rows("select 1 from routing.attempt"))
            archive.behave(Answer(0xC123))
            await ledger.try_now()
            await ledger.until_states({"FAILED": 1})
            (refused,) = ledger.rows(last)
            assert (refused["circuit"], refused["last_success_at"]) == ("CLOSED", None)
            assert "C123" in refused["last_failure"]
            archive.behave(Accept())
            await running.evaluate(recorder.record(ct(2)))
            await ledger.until_states({"FAILED": 1, "DELIVERED": 1})
            (taken,) = ledger.rows(last)
            assert taken["last_success_at"] > taken["last_failure_at"] == refused["last_failure_at"]


def foreign(seed: int) -> Instance:
    """An instance of a private SOP class, which the receiver does not accept."""
    return replace(ct(seed), sop_class_uid="1.2.826.0.1.3680043.9.7433.1.99")


async def test_a_class_that_is_not_accepted_fails_alone(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1") as archive:
        archive.refused_classes = {ct(1).sop_class_uid}
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(foreign(1), mr(2), foreign(3), mr(4)))
            await ledger.until_states({"DELIVERED": 2, "FAILED": 2})
    for row in ledger.deliveries():
        if row["state"] == "FAILED":
            assert "not accepted" in row["reason"]
            assert row["attempts"] == 1


async def test_objects_that_are_missing_or_damaged_fail_alone(
    recorder: Recorder, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.forwarder.retry.UNUSABLE_SECONDS", 1.0)
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        recorded = recorder.record(*[ct(number, pixel_bytes=1 << 20) for number in range(1, 7)])
        recorder.objects.delete(recorded[0].object_key)
        for number, change in ((1, lambda data: data[:-7]), (2, lambda data: data[:-1] + bytes([data[-1] ^ 1]))):
            data = recorder.objects.get_bytes(recorded[number].object_key)
            recorder.objects.put_bytes(recorded[number].object_key, change(data))
        async with forwarder(recorder) as running:
            await running.evaluate(recorded)
            await ledger.until_states({"DELIVERED": 3, "FAILED": 3})
        assert sorted(archive.uids) == sorted(each.sop_instance_uid for each in recorded[3:])
    reasons = [row["reason"] for row in ledger.deliveries() if row["state"] == "FAILED"]
    assert all("object" in reason for reason in reasons)
    told = ledger.rows(
        "select distinct body::json -> 'body' ->> 'object_key' as key from runtime.outbox "
        "where routing_key = 'instance.unusable.v1'"
    )
    assert {row["key"] for row in told} == {each.object_key for each in recorded[:3]}


async def test_a_destination_without_station_fails_visibly(recorder: Recorder, ledger: Ledger) -> None:
    add_station(recorder.database_url, "DISABLED", 104, enabled=False)
    add_rule_set(recorder.database_url, 1, [{"send": [{"to": "NOBODY"}, {"to": "DISABLED"}]}])
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1)))
    assert ledger.states() == {"FAILED": 2}
    assert {job["state"] for job in ledger.jobs()} == {"FAILED"}
    reasons = {row["destination"]: row["reason"] for row in ledger.deliveries()}
    assert "not defined" in reasons["NOBODY"]
    assert "disabled" in reasons["DISABLED"]


async def test_after_the_retry_hours_a_delivery_has_failed(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1", Refuse()) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, retry_hours=1)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(ct(1)))
            await until_async(lambda: ledger.rows("select 1 from routing.attempt"))
            ledger.execute("update routing.delivery set waiting_since = now() - interval '61 minutes'")
            await running.clocks.give_up()
            await ledger.until_states({"FAILED": 1})
    assert ledger.deliveries()[0]["reason"].startswith("given up after 1 hour: ")
    assert ledger.jobs()[0]["state"] == "FAILED"


async def test_what_is_kept_no_more_fails_at_once_and_leaves_the_probe_to_the_next(
    recorder: Recorder, ledger: Ledger
) -> None:
    """Neither what was deleted nor an object that is away is the station's fault."""
    with StationReceiver("ARCHIVE1", Refuse()) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            recorded = recorder.record(*(ct(number) for number in range(5)))
            await running.evaluate(recorded)
            await until_async(ledger.failures)
            for each, state in zip(recorded, ("DELETED", "DELETING"), strict=False):
                ledger.execute(
                    "update storage.identity set state = %s where sop_instance_uid = %s", state, each.sop_instance_uid
                )
            recorder.objects.delete(recorded[2].object_key)
            archive.behave(Accept())
            await ledger.try_now()
            await ledger.until_states({"FAILED": 2, "PENDING": 1, "DELIVERED": 2})
            found = {
                row["sop_instance_uid"]: row["reason"] for row in ledger.deliveries() if row["state"] != "DELIVERED"
            }
            assert {"deleted or erased" in found[each.sop_instance_uid] for each in recorded[:2]} == {True}
            assert found[recorded[2].sop_instance_uid].startswith("object: ")
            assert ledger.rows("select circuit, consecutive_failures as failures from routing.destination") == [
                {"circuit": "CLOSED", "failures": 0}
            ]

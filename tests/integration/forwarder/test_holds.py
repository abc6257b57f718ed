"""Holds: what waits, what goes on, and that what waited neither ages nor is lost; by what a station receives."""

from collections import Counter

import pytest

from services.admin import explanations, holds, jobs
from services.admin.when import NEVER, When
from services.forwarder import ledger as deliveries
from tests.factories import ct, small_instances
from tests.integration.forwarder.bench import Forwarder, Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations.receiver import Refuse, Slow, StationReceiver
from tests.waiting import until_async

FIRST, SECOND = ct(1).sop_instance_uid, ct(2).sop_instance_uid
RULES: list[dict[str, object]] = [
    {
        "name": name,
        "when": {"all": [{"fact": "calling_aet", "op": "equals", "value": source}]},
        "send": [{"to": "A"}, {"to": "B"}],
    }
    for name, source in (("first", "SCANNER1"), ("second", "SCANNER2"))
]
EACH = {(uid, title) for uid in (FIRST, SECOND) for title in ("A", "B")}


def configure(recorder: Recorder, *stations: StationReceiver) -> None:
    for station in stations:
        add_station(recorder.database_url, station.title, station.port)
    for title in ("SCANNER1", "SCANNER2"):
        add_station(recorder.database_url, title, 104, store=False)
    add_rule_set(recorder.database_url, 1, RULES)


def kept(ledger: Ledger) -> set[tuple[str, str]]:
    """Instance and destination of what waits for a hold."""
    rows = ledger.rows("select sop_instance_uid, destination from routing.delivery where hold is not null")
    return {(row["sop_instance_uid"], row["destination"]) for row in rows}


async def receive_both(running: Forwarder, recorder: Recorder) -> None:
    await running.evaluate(recorder.record(ct(1), calling_aet="SCANNER1"))
    await running.evaluate(recorder.record(ct(2), calling_aet="SCANNER2"))


@pytest.mark.parametrize(
    ("kind", "name", "held"),
    [
        ("station", "A", {(FIRST, "A"), (SECOND, "A")}),
        ("rule", "first", {(FIRST, "A"), (FIRST, "B")}),
        ("source", "SCANNER2", {(SECOND, "A"), (SECOND, "B")}),
    ],
)
async def test_what_is_held_waits_and_the_rest_goes(
    recorder: Recorder, ledger: Ledger, kind: holds.Kind, name: str, held: set[tuple[str, str]]
) -> None:
    """For longer than the station's retry hours; then each instance goes once, as if nothing had been."""
    with StationReceiver("A") as a, StationReceiver("B") as b:
        configure(recorder, a, b)
        async with forwarder(recorder) as running:
            await holds.hold(running.database, "operator", kind, name, "maintenance")
            await receive_both(running, recorder)
            await until_async(lambda: kept(ledger) == held)
            await until_async(lambda: {(uid, each.title) for each in (a, b) for uid in each.uids} == EACH - held)
            ledger.execute(
                "update routing.delivery set waiting_since = waiting_since - interval '100 hours', "
                "held_since = held_since - interval '100 hours' where hold is not null"
            )
            await running.clocks.give_up()
            told = f"{kind} {name} is held since"
            for uid in (FIRST, SECOND):
                found = await explanations.where(running.database, uid)
                shown = {(uid, each["destination"]) for each in found["deliveries"] if each["reason"].startswith(told)}
                assert shown == {each for each in held if each[0] == uid}
            listed = await jobs.list_jobs(running.database, jobs.Filter(), 10)
            assert [job["state"] for job in listed if job["reason"].startswith(told)] == ["QUEUED", "QUEUED"]
            await ledger.until_states({"DELIVERED": 2, "PENDING": 2})
            await holds.resume(running.database, "operator", kind, name)
            await ledger.until_states({"DELIVERED": 4})
        assert Counter((uid, each.title) for each in (a, b) for uid in each.uids) == Counter(EACH)
    assert [len(ledger.attempts(row["id"])) for row in ledger.deliveries()] == [1, 1, 1, 1]
    aged = "select 1 from routing.delivery where waiting_since < now() - interval '10 minutes' or hold is not null"
    assert ledger.rows(aged) == []


async def test_a_hold_ends_by_the_clock_of_the_database(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("A") as a, StationReceiver("B") as b:
        configure(recorder, a, b)
        async with forwarder(recorder) as running:
            await holds.hold(running.database, "operator", "station", "A", "until the morning", When(3600, None))
            await receive_both(running, recorder)
            await until_async(lambda: len(kept(ledger)) == 2)
            ledger.execute("update config.hold set until = now()")  # its time has come; nothing is notified
            await ledger.until_states({"DELIVERED": 4}, limit=4)


async def test_an_association_under_way_ends_after_its_instance(recorder: Recorder, ledger: Ledger) -> None:
    """In every process, though each has 16 deliveries claimed; none is lost or sent twice for that."""
    with StationReceiver("A", Slow(0.2)) as a:
        add_station(recorder.database_url, "A", a.port, associations=2)
        add_rule_set(recorder.database_url, 1, [{"name": "all", "send": [{"to": "A"}]}])
        recorded = recorder.record(*small_instances(40, seed=1))
        async with forwarder(recorder) as one, forwarder(recorder) as other:
            await one.evaluate(recorded)
            await until_async(lambda: a.open >= 2 and len(a.uids) >= 2)
            await holds.hold(other.database, "operator", "rule", "all", "the wrong study")
            await until_async(lambda: a.open == 0, limit=3)
            received = len(a.uids)
            assert received < 16
            await until_async(lambda: len(kept(ledger)) == 40 - received)
            a.behave(Slow(0))
            await holds.resume(other.database, "operator", "rule", "all")
            await ledger.until_states({"DELIVERED": 40})
        assert max(Counter(a.uids).values()) == 1


async def test_what_two_holds_keep_waits_for_both(recorder: Recorder, ledger: Ledger) -> None:
    """Also where the second began first, and where the deliveries were waiting and failing before."""
    with StationReceiver("A", Refuse()) as a, StationReceiver("B") as b:
        configure(recorder, a, b)
        async with forwarder(recorder) as running:
            await receive_both(running, recorder)
            await until_async(lambda: ledger.states("B") == {"DELIVERED": 2} and ledger.attempts_made("A") > 0)
            await holds.hold(running.database, "operator", "rule", "first", "one")
            await holds.hold(running.database, "operator", "station", "A", "other")
            await until_async(lambda: kept(ledger) == {(FIRST, "A"), (SECOND, "A")})
            since = "select held_since from routing.delivery where sop_instance_uid = %s and destination = 'A'"
            before = ledger.rows(since, FIRST)
            a.behave(Slow(0))
            await holds.resume(running.database, "operator", "station", "A")
            await until_async(lambda: kept(ledger) == {(FIRST, "A")})
            assert ledger.rows(since, FIRST) == before
            await holds.hold(running.database, "operator", "rule", "first", "for another reason", NEVER)
            await until_async(
                lambda: ledger.rows(
                    "select 1 from routing.delivery d join config.hold_view h on h.id = d.hold and h.in_force"
                )
            )
            ledger.execute("update routing.destination set retry_at = now()")
            await ledger.until_states({"DELIVERED": 1, "PENDING": 1}, "A")
            assert a.uids == [SECOND]
            await holds.resume(running.database, "operator", "rule", "first")
            await ledger.until_states({"DELIVERED": 2}, "A")


async def test_a_backlog_that_is_held_keeps_no_other_waiting(recorder: Recorder, ledger: Ledger) -> None:
    """What a held rule has waiting stands before all others in the order, and is passed over from the first claim."""
    with StationReceiver("A") as a, StationReceiver("B") as b:
        configure(recorder, a, b)
        async with forwarder(recorder, sending=False) as running:
            await running.evaluate(recorder.record(*small_instances(120, seed=2), calling_aet="SCANNER1"))
            await holds.hold(running.database, "operator", "rule", "first", "too much")
            await running.evaluate(recorder.record(ct(2), calling_aet="SCANNER2"))
            async with running.database.transaction() as connection:
                claimed = await deliveries.claim(connection, "A", 16, "a worker", 60)
        assert [delivery.sop_instance_uid for delivery in claimed] == [SECOND]
        async with forwarder(recorder):
            await until_async(lambda: len(kept(ledger)) == 240)
            assert set(a.uids) | set(b.uids) <= {SECOND}


async def test_what_a_person_sends_waits_for_the_station_only(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("A") as a, StationReceiver("B") as b:
        configure(recorder, a, b)
        async with forwarder(recorder) as running:
            await holds.hold(running.database, "operator", "source", "SCANNER1", "phantom scans")
            await holds.hold(running.database, "operator", "station", "B", "down")
            await running.evaluate(recorder.record(ct(1), calling_aet="SCANNER1"))
            for title in ("A", "B"):
                ledger.request("send", {"uids": [FIRST], "to": title})
            await running.requests.reconcile()
            await until_async(lambda: a.uids == [FIRST])
            await until_async(lambda: len(ledger.rows("select 1 from routing.delivery where hold is not null")) == 3)
            assert (a.uids, b.uids) == ([FIRST], [])

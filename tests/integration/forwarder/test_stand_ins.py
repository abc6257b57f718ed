"""Stations that stand in for one that does not answer, and groups that share what is sent to one of them."""

from typing import Any

import pytest

from services.forwarder import balance
from tests.factories import ct, small_instances
from tests.integration.forwarder.bench import Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations import Accept, Refuse, StationReceiver
from tests.waiting import until_async

TO_ARCHIVE = [{"send": [{"to": "ARCHIVE1"}]}]
PLACES = "select destination, instead_of, state, count(*) as n from routing.delivery group by 1, 2, 3 order by 1, 2, 3"


def places(ledger: Ledger) -> list[tuple[object, ...]]:
    """Where how many deliveries are, and instead of whom."""
    return [tuple(row.values()) for row in ledger.rows(PLACES)]


def stations(recorder: Recorder, archive: StationReceiver, other: StationReceiver) -> None:
    add_station(recorder.database_url, "ARCHIVE1", archive.port, failover="OTHER", failover_seconds=0)
    add_station(recorder.database_url, "OTHER", other.port)


async def test_what_waits_for_a_dead_station_goes_to_its_failover_station_until_it_answers(
    recorder: Recorder, ledger: Ledger
) -> None:
    with StationReceiver("ARCHIVE1", Refuse()) as archive, StationReceiver("OTHER") as other:
        stations(recorder, archive, other)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(*small_instances(5, seed=1)))
            await until_async(lambda: ledger.failures() > 0)
            await running.failover.attend()
            await until_async(lambda: places(ledger) == [("OTHER", "ARCHIVE1", "DELIVERED", 5)])
            assert len(set(other.uids)) == len(other.uids) == 5
            archive.behave(Accept())
            await ledger.try_now()
            await until_async(lambda: ledger.rows("select 1 from routing.destination where circuit = 'HALF-OPEN'"))
            await running.evaluate(recorder.record(ct(50)))
            await until_async(lambda: archive.uids == [ct(50).sop_instance_uid])
            await until_async(lambda: {job["state"] for job in ledger.jobs()} == {"COMPLETED"})
        assert {job["destination"] for job in ledger.jobs()} == {"ARCHIVE1"}
    given = [row for row in ledger.deliveries("OTHER") if row["destination"] == "OTHER"]
    attempts = [attempt for row in given for attempt in ledger.attempts(row["id"])]
    told = {attempt["reason"] for attempt in attempts if attempt["outcome"] == "GIVEN OVER"}
    assert told == {"goes to OTHER: ARCHIVE1 does not answer"}


async def test_what_waits_in_both_places_goes_to_the_station_that_is_back_first(
    recorder: Recorder, ledger: Ledger
) -> None:
    with StationReceiver("ARCHIVE1", Refuse()) as archive, StationReceiver("OTHER", Refuse()) as other:
        stations(recorder, archive, other)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(*small_instances(5, seed=1)))
            await until_async(lambda: ledger.failures() > 0)
            await running.failover.attend()
            assert places(ledger)[0][:2] == ("OTHER", "ARCHIVE1")
            await until_async(lambda: ledger.failures("OTHER") > 0)
            archive.behave(Accept())
            await ledger.try_now("ARCHIVE1")
            await until_async(lambda: ledger.rows("select 1 from routing.destination where circuit = 'HALF-OPEN'"))
            await running.failover.attend()  # one tries
            await until_async(lambda: len(archive.uids) == 1)
            await until_async(lambda: ledger.failures() == 0)
            await running.failover.attend()
            await until_async(lambda: places(ledger) == [("ARCHIVE1", None, "DELIVERED", 5)])
        assert sorted(archive.uids) == sorted(set(archive.uids))
        assert other.uids == []


async def test_what_the_failover_station_is_sent_anyway_is_not_sent_there_twice(
    recorder: Recorder, ledger: Ledger
) -> None:
    with StationReceiver("ARCHIVE1", Refuse()) as archive, StationReceiver("OTHER") as other:
        stations(recorder, archive, other)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "ARCHIVE1"}, {"to": "OTHER"}]}])
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(*small_instances(3, seed=1)))
            await until_async(lambda: ledger.failures() > 0)
            await running.failover.attend()
            await ledger.until_states({"DELIVERED": 3}, "OTHER")
            assert ledger.states("ARCHIVE1") == {"PENDING": 3}
        assert len(other.uids) == 3


CELLS: list[tuple[str, str, dict[str, Any], dict[str, Any], str]] = [
    # it came from, rule, its target, OTHER, where it waits while ARCHIVE1 is down
    ("SCANNER1", "any source", {}, {}, "OTHER"),
    ("OTHER", "any source", {}, {}, "ARCHIVE1"),
    ("OTHER", "back", {}, {}, "OTHER"),
    ("SCANNER1", "any source", {"commit": True}, {}, "ARCHIVE1"),
    ("SCANNER1", "any source", {"commit": True}, {"commit_server": True}, "OTHER"),
    ("SCANNER1", "any source", {"commit": False}, {}, "OTHER"),
    ("SCANNER1", "any source", {}, {"enabled": False}, "ARCHIVE1"),
    ("SCANNER1", "any source", {}, {"store": False}, "ARCHIVE1"),
]


@pytest.mark.parametrize(
    ("sharing", "source", "rule", "target", "other", "expected"),
    [(sharing, *cell) for sharing in (False, True) for cell in CELLS if not (sharing and "store" in cell[3])],
)
async def test_cells_of_who_stands_in_for_what(
    recorder: Recorder, ledger: Ledger, sharing: bool, source: str, rule: str, target: dict[str, Any],
    other: dict[str, Any], expected: str,
) -> None:  # fmt: skip
    """A failover station, and a member of a group: neither gets what came from it or what it could not commit."""
    how: dict[str, Any] = {"balance_with": ["OTHER"]} if sharing else {"failover": "OTHER", "failover_seconds": 0}
    add_station(recorder.database_url, "OTHER", 104, **other)
    add_station(recorder.database_url, "ARCHIVE1", 104, commit_server=True, **how)
    rules = [{"send": [{"to": "ARCHIVE1", **target}], **({"back": True} if rule == "back" else {})}]
    add_rule_set(recorder.database_url, 1, rules)
    studies = [study for study in range(99) if goes_to("OTHER", study)][:3]
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(*(ct(each, study=each) for each in studies), calling_aet=source))
        if not sharing:
            ledger.execute(DOWN)
            await running.failover.attend()
    instead = None if sharing or expected == "ARCHIVE1" else "ARCHIVE1"
    assert places(ledger) == [(expected, instead, "PENDING", 3)]


DOWN = "insert into routing.destination (title, circuit, open_since) values ('ARCHIVE1', 'OPEN', now())"


async def test_a_member_that_sent_it_leaves_it_to_the_others(recorder: Recorder, ledger: Ledger) -> None:
    add_station(recorder.database_url, "OTHER", 104)
    add_station(recorder.database_url, "ARCHIVE1", 104, balance_with=["OTHER"])
    add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(*(ct(each, study=each) for each in range(6)), calling_aet="ARCHIVE1"))
    assert places(ledger) == [("OTHER", None, "PENDING", 6)]


async def test_what_was_given_over_is_taken_back_from_whom_may_not_have_it_and_never_sent_twice(
    recorder: Recorder, ledger: Ledger
) -> None:
    """Routed again meanwhile, by rules that name either; one that cannot be taken back keeps no other station's."""
    for title in ("ARCHIVE1", "ARCHIVE2"):
        add_station(recorder.database_url, title, 104, failover="OTHER", failover_seconds=0)
    add_station(recorder.database_url, "OTHER", 104)
    add_rule_set(recorder.database_url, 1, [{"send": [{"to": "ARCHIVE1"}]}])
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1)))
        ledger.execute(DOWN)
        await running.failover.attend()
        assert places(ledger) == [("OTHER", "ARCHIVE1", "PENDING", 1)]
        request = ledger.request("route", {"uids": [ct(1).sop_instance_uid]})
        await running.requests.carry_out(request)
        assert ledger.result(request)["deliveries"] == 0, "it is on its way"
        twin = "insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, object_key, data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, state) select received_at, sop_instance_uid, revision, 'ARCHIVE1', job, study_instance_uid, object_key, data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, 'PENDING' from routing.delivery"  # noqa: E501 - as a gateway of before left it
        ledger.execute(twin)
        add_rule_set(recorder.database_url, 2, [{"send": [{"to": "ARCHIVE2"}]}])
        recorder.rule_set = 2
        await running.evaluate(recorder.record(ct(2)))
        ledger.execute(DOWN.replace("ARCHIVE1", "ARCHIVE2"))
        ledger.execute("update routing.destination set circuit = 'CLOSED', open_since = null where title = 'ARCHIVE1'")
        await running.failover.attend()
        assert places(ledger) == [
            ("ARCHIVE1", None, "PENDING", 1), ("OTHER", "ARCHIVE1", "PENDING", 1), ("OTHER", "ARCHIVE2", "PENDING", 1),
        ]  # fmt: skip
        add_station(recorder.database_url, "OTHER", 104, enabled=False)
        await running.configuration.refresh()
        await running.failover.attend()
        assert ("ARCHIVE2", None, "PENDING", 1) in places(ledger)


async def test_a_group_shares_studies_and_keeps_each_together(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1") as archive, StationReceiver("OTHER") as other:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, balance_with=["OTHER"])
        add_station(recorder.database_url, "OTHER", other.port)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "ARCHIVE1"}]}, {"send": [{"to": "OTHER"}]}])
        instances = [ct(number, study=number % 12) for number in range(24)]
        add_rule_set(recorder.database_url, 2, TO_ARCHIVE)
        second = Recorder(recorder.database_url, recorder.folder, rule_set=2)
        async with forwarder(recorder) as running:
            await running.evaluate(second.record(*instances))
            await ledger.until_states({"DELIVERED": 24})
        members = {"ARCHIVE1": archive, "OTHER": other}
        for instance in instances:
            expected = balance.member(instance.study_instance_uid, ["ARCHIVE1", "OTHER"])
            assert [title for title, got in members.items() if instance.sop_instance_uid in got.uids] == [expected]
        assert min(len(archive.uids), len(other.uids)) >= 2
        matched = ledger.rows("select matched -> 0 as m from routing.evaluation")
        assert {str(row["m"].get("shared")) for row in matched} == {"None", "{'ARCHIVE1': 'OTHER'}"}
        assert {tuple(row["m"]["to"]) for row in matched} == {("ARCHIVE1",)}
        async with forwarder(recorder, sending=False) as running:  # routed again, the same is told
            await running.requests.carry_out(
                ledger.request("route", {"uids": [each.sop_instance_uid for each in instances]})
            )
        again = ledger.rows("select matched -> 0 as m, note from routing.evaluation")
        assert {row["note"] for row in again} == {"routed again by operator"}
        assert sorted(map(str, (row["m"] for row in again))) == sorted(map(str, (row["m"] for row in matched)))
        async with forwarder(recorder) as running:  # a rule for each: one delivery for each instance and station
            both = ct(100, study=next(n for n in range(99) if goes_to("OTHER", n)))
            await running.evaluate(recorder.record(both))
            await ledger.until_states({"DELIVERED": 25})
        assert other.uids.count(both.sop_instance_uid) == 1


def goes_to(title: str, study: int) -> bool:
    return balance.member(ct(1, study=study).study_instance_uid, ["ARCHIVE1", "OTHER"]) == title

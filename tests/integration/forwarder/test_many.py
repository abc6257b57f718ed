"""Many deliveries at once, as a filter found them; and what no rule matched, routed again."""

import pytest

from services.admin import deliveries, studies
from services.admin.deliveries import Action, Filter
from services.admin.sql import SQL
from services.admin.when import NEVER, When
from services.forwarder.planning import CAME_FROM_THERE
from tests.factories import ct, small_instances
from tests.integration.forwarder.bench import Forwarder, Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations.receiver import Accept, Answer, StationReceiver

BY_MODALITY: list[dict[str, object]] = [
    {
        "name": "cts",
        "when": {"all": [{"tag": "Modality", "op": "equals", "value": "CT"}]},
        "send": [{"to": "A"}, {"to": "B"}],
    },
    {"name": "mrs", "when": {"all": [{"tag": "Modality", "op": "equals", "value": "MR"}]}, "send": [{"to": "A"}]},
]


async def do(
    running: Forwarder, ledger: Ledger, action: Action, wanted: Filter, **body: str
) -> tuple[int, dict[str, object]]:
    """Choose by the filter and carry the request out twice, as a repeated message would; how many were chosen."""
    chosen = await deliveries.choose(running.database, action, wanted)
    request = ledger.request(f"{action}-deliveries", {"deliveries": chosen.deliveries, **body})
    await running.requests.carry_out(request)
    await running.requests.carry_out(request)
    return len(chosen.deliveries), ledger.result(request)


@pytest.fixture
async def refused(recorder: Recorder, ledger: Ledger):  # type: ignore[no-untyped-def]
    """20 CTs of which A and B refused each, in 20 studies; A and B accept from now on."""
    with (
        StationReceiver("A", Answer(0xC001)) as a,
        StationReceiver("B", Answer(0xA900)) as b,
        StationReceiver("C") as c,
    ):
        for station in (a, b, c):
            add_station(recorder.database_url, station.title, station.port)
        add_rule_set(recorder.database_url, 1, BY_MODALITY)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(*(ct(number) for number in range(20))))
            await ledger.until_states({"FAILED": 40})
            for station in (a, b):
                station.behave(Accept())
            yield running, a, b, c


async def test_what_a_filter_finds_is_retried_cancelled_and_rerouted(
    refused: tuple[Forwarder, StationReceiver, StationReceiver, StationReceiver], ledger: Ledger
) -> None:
    """Only that, each request once; jobs tell it."""
    running, a, b, c = refused
    reasons = Filter(destination="A", rule="cts", reason="STATUS C001", since=When(3600, None))
    assert await do(running, ledger, "retry", reasons) == (20, {"deliveries": 20})
    await ledger.until_states({"DELIVERED": 20}, "A")
    assert ledger.states("B") == {"FAILED": 20}
    assert (len(a.uids), b.uids) == (20, [])
    assert (await do(running, ledger, "retry", reasons))[0] == 0

    assert await do(running, ledger, "reroute", Filter(destination="B", state="FAILED"), to="C") == (
        20, {"deliveries": 20, "sent": 20},
    )  # fmt: skip
    await ledger.until_states({"DELIVERED": 20}, "C")
    assert ledger.states("B") == {"CANCELED": 20}
    assert (sorted(c.uids), b.uids) == (sorted(a.uids), [])
    assert {row["reason"] for row in ledger.deliveries("B")} == {"rerouted to C by operator"}
    assert {(job["state"], job["destination"]) for job in ledger.jobs()} == {
        ("COMPLETED", "A"), ("CANCELED", "B"), ("COMPLETED", "C"),
    }  # fmt: skip

    assert (await do(running, ledger, "retry", Filter(destination="B", state="CANCELED")))[1] == {"deliveries": 20}
    await ledger.until_states({"DELIVERED": 20}, "B")
    assert {job["state"] for job in ledger.jobs()} == {"COMPLETED"}


def moved(ledger: Ledger, destination: str) -> list[list[object]]:
    """The keys of all deliveries to a station, as requests name them."""
    rows = ledger.rows("select received_at::text as at, id from routing.delivery where destination = %s", destination)
    return [[row["at"], row["id"]] for row in rows]


async def test_what_two_people_reroute_goes_to_one_station_and_not_back_to_where_it_came_from(
    recorder: Recorder, ledger: Ledger
) -> None:
    """The second is told that nothing is left; what was cancelled before goes. A stand-in asks where it came from."""
    for title in ("A", "C", "D"):
        add_station(recorder.database_url, title, 104)
    add_rule_set(recorder.database_url, 1, [{"name": "all", "send": [{"to": "A"}]}])
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(*(ct(number, study=1) for number in range(3))))
        chosen = (await deliveries.choose(running.database, "reroute", Filter(destination="A"))).deliveries
        first, second = (
            ledger.request("reroute-deliveries", {"deliveries": chosen, "to": title}) for title in ("C", "D")
        )
        await running.requests.carry_out(first)
        await running.requests.carry_out(second)
        assert [ledger.result(each)["deliveries"] for each in (first, second)] == [3, 0]
        assert {row["destination"] for row in ledger.deliveries()} == {"A", "C"}
        assert {row["reason"] for row in ledger.deliveries("A")} == {"rerouted to C by operator"}
        ledger.execute("update routing.delivery set state = 'SENDING' where destination = 'C' and id % 3 = 0")
        there = ledger.request("reroute-deliveries", {"deliveries": moved(ledger, "C"), "to": "C"})
        await running.requests.carry_out(there)
        assert ledger.result(there)["refused"] == ["3 of the chosen deliveries go to C already"]
        away = ledger.request("reroute-deliveries", {"deliveries": moved(ledger, "C"), "to": "D"})
        await running.requests.carry_out(away)
        left = "1 delivery is being sent and let be: see what becomes of it, and reroute what fails"
        assert (ledger.result(away)["refused"], ledger.result(away)["deliveries"]) == ([left], 2)
        again = Filter(destination="A", state="CANCELED")
        assert (await do(running, ledger, "reroute", again, to="D"))[1]["deliveries"] == 3
    assert ledger.rows("select distinct source from routing.delivery") == [{"source": "SCANNER1"}]


async def test_a_job_says_what_of_it_was_cancelled_and_rerouted(recorder: Recorder, ledger: Ledger) -> None:
    """R41 to R43: only a job of which all was sent is COMPLETED, and what failed is not forgotten for what was not."""
    with StationReceiver("A") as a, StationReceiver("C") as c:
        for station in (a, c):
            add_station(recorder.database_url, station.title, station.port)
        add_rule_set(recorder.database_url, 1, [{"name": "all", "send": [{"to": "A"}]}])
        async with forwarder(recorder, sending=False) as running:
            await running.evaluate(recorder.record(*(ct(number, study=1) for number in range(10))))

            def become(state: str, first: int, last: int) -> None:
                ledger.execute(
                    "update routing.delivery set state = %s, finished_at = now(), reason = case %s when 'FAILED' then "
                    "'status C001' else '' end where id in (select id from routing.delivery order by id "
                    "limit %s offset %s)",
                    state, state, last - first, first,
                )  # fmt: skip

            def told() -> tuple[str, str]:
                (job,) = [job for job in ledger.jobs() if job["destination"] == "A"]
                return job["state"], job["reason"]

            become("DELIVERED", 0, 4)
            become("FAILED", 4, 6)
            assert (await do(running, ledger, "reroute", Filter(state="FAILED"), to="C"))[1]["deliveries"] == 2
            assert told()[0] == "QUEUED", "the rest goes on"
            become("FAILED", 6, 7)
            assert (await do(running, ledger, "cancel", Filter(destination="A")))[1] == {"deliveries": 3}
            rest = "2 of 10 rerouted to C by operator"
            assert told() == ("CANCELED", f"3 of 10 cancelled by operator; {rest}; 1 of 10 failed: status C001")
            again = Filter(destination="A", state="CANCELED", reason="cancelled")
            assert (await do(running, ledger, "retry", again))[1] == {"deliveries": 3}
            assert told()[0] == "QUEUED"
            become("DELIVERED", 7, 10)
            assert (await do(running, ledger, "reroute", Filter(destination="A", state="FAILED"), to="C"))[0] == 1
            assert told() == ("CANCELED", "3 of 10 rerouted to C by operator")


async def test_what_waits_is_cancelled_and_nothing_more_is_collected_into_it(
    recorder: Recorder, ledger: Ledger
) -> None:
    add_station(recorder.database_url, "A", 104)
    add_rule_set(recorder.database_url, 1, [{"name": "whole", "level": "study", "quiet": "1h", "send": [{"to": "A"}]}])
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1, study=1), ct(2, study=1), ct(3, study=2)))
        study = Filter(study=ct(1, study=1).study_instance_uid)
        assert await do(running, ledger, "cancel", study) == (2, {"deliveries": 2})
        assert ledger.states() == {"CANCELED": 2, "PENDING": 1}
        await running.evaluate(recorder.record(ct(4, study=1)))
        assert sorted(job["state"] for job in ledger.jobs()) == ["CANCELED", "QUEUED", "QUEUED"]
        ledger.execute("update config.station set enabled = false")
        ledger.execute("update config.generation set number = number + 1")
        found, result = await do(running, ledger, "retry", Filter(destination="A", state="CANCELED"))
        assert (found, result["deliveries"]) == (2, 0)
        assert "is disabled" in str(result["refused"])


async def test_what_no_rule_matched_is_listed_until_it_is_routed(recorder: Recorder, ledger: Ledger) -> None:
    """By the rules that are live then; what was sent before is not sent again."""
    with StationReceiver("A") as a, StationReceiver("B") as b:
        for station in (a, b):
            add_station(recorder.database_url, station.title, station.port)
        add_rule_set(recorder.database_url, 1, BY_MODALITY[:1])
        async with forwarder(recorder) as running:
            first = [
                instance for instance in small_instances(12, seed=4) if instance.sop_class_uid != ct(1).sop_class_uid
            ]
            await running.evaluate(recorder.record(*first, calling_aet="MR1"))
            await running.evaluate(recorder.record(ct(1), calling_aet="CT1"))
            held = ct(1, PatientComments="changed")
            await running.evaluate(recorder.record(held, disposition="HELD", revision=2, calling_aet="CT1"))
            await ledger.until_states({"DELIVERED": 2})
            rows = await studies.unmatched(running.database, NEVER, 100)
            assert sum(row["instances"] for row in rows if row["source"] == "MR1") == len(first)
            assert {(row["source"], row["why"]) for row in rows} == {
                ("MR1", "no rule matched"), ("CT1", "HELD: not routed"),
            }  # fmt: skip
            assert (
                await studies.unmatched(
                    running.database, When(None, rows[0]["last_received_at"].replace(year=2100)), 100
                )
                == []
            )

            add_rule_set(recorder.database_url, 2, [{"name": "all", "send": [{"to": "A"}]}])
            request = ledger.request(
                "route", {"uids": [each.sop_instance_uid for each in first] + [ct(1).sop_instance_uid]}
            )
            await running.requests.carry_out(request)
            await running.requests.carry_out(request)
            assert ledger.result(request) == {
                "instances": len(first) + 1, "deliveries": len(first) + 1, "unmatched": 0, "rule_set": 2,
            }  # fmt: skip
            await ledger.until_states({"DELIVERED": len(first) + 3})
            assert await studies.unmatched(running.database, NEVER, 100) == []
            again = ledger.request("route", {"uids": [ct(1).study_instance_uid]})
            await running.requests.carry_out(again)
            assert ledger.result(again)["deliveries"] == 0
        assert len(a.uids) == len(first) + 2
    (row,) = ledger.rows("select matched, note, rule_set from routing.evaluation where revision = 2")
    assert (row["rule_set"], row["matched"][0]["rule"], row["note"]) == (2, "all", "routed again by operator")


async def test_what_was_sent_and_deleted_is_listed_when_it_comes_anew_and_no_rule_matches(
    recorder: Recorder, ledger: Ledger
) -> None:
    add_station(recorder.database_url, "A", 104)
    add_rule_set(recorder.database_url, 1, [{"name": "all", "send": [{"to": "A"}]}])
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1)))
        ledger.execute("update routing.delivery set state = 'DELIVERED', finished_at = now()")
        assert await studies.unmatched(running.database, NEVER, 100) == []
        ledger.execute("delete from storage.identity")
        add_rule_set(recorder.database_url, 2, BY_MODALITY[1:])
        recorder.rule_set = 2
        await running.evaluate(recorder.record(ct(1)))
        (row,) = await studies.unmatched(running.database, NEVER, 100)
        assert (row["study_instance_uid"], row["instances"]) == (ct(1).study_instance_uid, 1)
        assert ledger.rows(SQL.count_unmatched) == [{"studies": 1}]
        assert await studies.discard_unmatched(running.database, "user:anna", row["study_instance_uid"], "a test") == 1
        assert await studies.unmatched(running.database, NEVER, 100) == []


async def test_what_would_only_go_back_to_where_it_came_from_is_listed(recorder: Recorder, ledger: Ledger) -> None:
    """A rule matched it, and nothing was sent all the same."""
    for title in ("A", "B"):
        add_station(recorder.database_url, title, 104)
    add_rule_set(recorder.database_url, 1, [{"send": [{"to": "A"}]}])
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1), calling_aet="A"))
        await running.evaluate(recorder.record(ct(2), calling_aet="CT1"))
        (row,) = await studies.unmatched(running.database, NEVER, 100)
        assert (row["study_instance_uid"], row["why"]) == (ct(1).study_instance_uid, CAME_FROM_THERE)
        assert ledger.rows(SQL.count_unmatched) == [{"studies": 1}]
        await running.requests.carry_out(ledger.request("send", {"uids": [ct(1).sop_instance_uid], "to": "B"}))
        assert await studies.unmatched(running.database, NEVER, 100) == []

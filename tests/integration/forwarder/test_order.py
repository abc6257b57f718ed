"""What goes first of what waits: by what a station receives, and that a long line costs a claim nothing."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import psycopg
import pytest

from services.admin import holds, jobs, precedence
from services.admin.errors import NotFound, Refused
from services.admin.requests import Requested
from services.forwarder import ledger as deliveries
from services.forwarder.planning import PRIORITIES
from tests.factories import ct
from tests.integration.forwarder.bench import Forwarder, Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations import Accept, Refuse, StationReceiver
from tests.waiting import until_async

LONG_LINE = """
insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, object_key,
    data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, priority, next_attempt_at)
select now() - make_interval(secs => n / 10.0), '2.25.' || n, 1, 'ARCHIVE1', gen_random_uuid(), '2.25.0', 'key', 0, 1,
       '', '1.2.3', '1.2.4', n %% 3, now() - make_interval(secs => n)
from generate_series(1, %s) as n
"""
PATIENT = """
with patient as (insert into index.patient (patient_id) values ('P-17') returning id)
insert into index.study (study_instance_uid, patient) select %s, id from patient
"""
PAGES = 1500  # of 8 kB that a claim of 16 may touch: its rows with all their indexes, and no walk over the line


async def test_the_order_after_an_outage(recorder: Recorder, ledger: Ledger) -> None:
    """By priority, then as the station wants it, and a hold meanwhile changes nothing."""
    sent = [ct(number, study=number) for number in range(1, 7)]
    oldest = [each.sop_instance_uid for each in sent]
    with StationReceiver("OLD", Refuse()) as old, StationReceiver("NEW", Refuse()) as new:
        add_station(recorder.database_url, "OLD", old.port, associations=1)
        add_station(recorder.database_url, "NEW", new.port, associations=1, order="newest")
        rules: list[dict[str, object]] = [{"send": [{"to": "OLD"}, {"to": "NEW"}]}]
        add_rule_set(recorder.database_url, 1, rules)
        async with forwarder(recorder) as running:
            for instance in sent:
                await running.evaluate(recorder.record(instance))
            ledger.execute("update routing.delivery set priority = 2 where sop_instance_uid = %s", oldest[2])
            await until_async(lambda: ledger.failures("OLD") > 0 and ledger.failures("NEW") > 0)
            for title in ("OLD", "NEW"):
                await holds.hold(running.database, "operator", "station", title, "maintenance")
            await until_async(lambda: len(ledger.rows("select 1 from routing.delivery where hold is not null")) == 12)
            old.behave(Accept())
            new.behave(Accept())
            for title in ("OLD", "NEW"):
                await holds.resume(running.database, "operator", "station", title)
            await ledger.try_now()
            await ledger.until_states({"DELIVERED": 12})
    urgent = oldest.pop(2)
    assert old.uids == [urgent, *oldest]
    assert new.uids == [urgent, *reversed(oldest)]


@pytest.mark.parametrize("newest", [False, True])
async def test_a_claim_of_a_long_line_walks_over_nothing(recorder: Recorder, ledger: Ledger, newest: bool) -> None:
    ledger.execute(LONG_LINE, 20_000)
    parameters = {
        "destination": "ARCHIVE1", "most": 16, "newest": newest, "holder": "h", "lease": 60, "unsendable": [],
        "unsendable_reason": "",
        "gone_reason": "",
    }  # fmt: skip
    with psycopg.connect(recorder.database_url) as connection:
        connection.execute("analyze routing.delivery")
        plan: Any = connection.execute(
            "explain (analyze, buffers, format json) " + deliveries.QUERIES.claim, parameters
        ).fetchone()
    root = plan[0][0]["Plan"]
    assert root["Actual Rows"] == 16
    assert root["Shared Hit Blocks"] + root["Shared Read Blocks"] < PAGES


async def answered(running: Forwarder, asking: Coroutine[Any, Any, Requested]) -> dict[str, Any]:
    """What becomes of a person's request, carried out by a running forwarder."""
    task = asyncio.create_task(asking)

    async def done() -> bool:
        await running.requests.reconcile()
        return task.done()

    await until_async(done)
    return (await task).result or {}


async def test_what_a_person_puts_first_goes_first(recorder: Recorder, ledger: Ledger) -> None:
    """A job with what joins it later, then all jobs of a patient; the others go in their order."""
    sent = {number: ct(number, study=number) for number in range(1, 7)}
    late = ct(40, study=4)
    with StationReceiver("A", Refuse()) as station:
        add_station(recorder.database_url, "A", station.port, associations=1)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "A"}]}])
        async with forwarder(recorder) as running:
            for instance in sent.values():
                await running.evaluate(recorder.record(instance))
            await until_async(lambda: ledger.failures("A") > 0)
            ledger.execute(
                "update routing.delivery set priority = 3 where sop_instance_uid = %s", sent[5].sop_instance_uid
            )
            numbers = {job["study_instance_uid"]: job["id"] for job in ledger.jobs()}
            job = numbers[sent[4].study_instance_uid]
            put = await answered(running, precedence.put_first(running.database, "operator", [job]))
            assert put == {"jobs": 1, "deliveries": 1}
            await running.evaluate(recorder.record(late))
            ledger.execute(PATIENT, sent[6].study_instance_uid)
            put = await answered(running, precedence.put_patient_first(running.database, "operator", "P-17"))
            assert put == {"jobs": 1, "deliveries": 1}
            listed = await jobs.list_jobs(running.database, jobs.Filter(), 10)
            assert {each["id"] for each in listed if each["reason"].startswith("goes first")} == {
                job,
                numbers[sent[6].study_instance_uid],
            }
            assert (await jobs.show(running.database, job, 10))["first_at"]
            station.behave(Accept())
            await ledger.try_now()
            await ledger.until_states({"DELIVERED": 7})
            for asking, error in (
                (precedence.put_first(running.database, "operator", [job]), Refused),
                (precedence.put_patient_first(running.database, "operator", "P-17"), NotFound),
            ):
                with pytest.raises(error, match="waits"):
                    await answered(running, asking)
    expected = [sent[4], sent[6], late, sent[5], sent[1], sent[2], sent[3]]
    assert station.uids == [each.sop_instance_uid for each in expected]
    assert "P-17" not in str(ledger.rows("select body from config.request") + ledger.rows("select * from audit.entry"))


WAITING = """
with made as (
    insert into routing.job (id, kind, destination, study_instance_uid, priority)
    values (gen_random_uuid(), 'send', %(to)s, '2.25.0', %(priority)s) returning id
)
insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, object_key,
    data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, priority, next_attempt_at, waiting_since)
select now(), %(uid)s, 1, %(to)s, id, '2.25.0', 'key', 0, 1, '', '1.2.3', '1.2.4', %(priority)s,
       now() - make_interval(secs => %(due)s), now() - make_interval(secs => %(waited)s)
from made
"""
AGES = [  # class, due and waiting for so many seconds of aging, at which station, its priority then
    ("low", 0.9, 0.9, "A", "low"),
    ("low", 1.1, 1.1, "A", "normal"),
    ("low", 2.1, 2.1, "A", "high"),
    ("normal", 1.1, 1.1, "A", "high"),
    ("high", 5, 5, "A", "high"),
    ("stat", 5, 5, "A", "stat"),
    ("low", 1.1, 0.5, "A", "low"),  # a hold kept it meanwhile
    ("low", 0.1, 5, "A", "low"),  # the station was tried again and again, and stood before nobody
    ("low", 5, 5, "AWAY", "low"),
    ("normal", 5, 5, "BACK", "normal"),  # it answers again since half that time
    ("low", 5, 5, "HELD", "low"),
]


async def test_what_waits_long_rises_by_a_class_and_never_above_high(recorder: Recorder, ledger: Ledger) -> None:
    """The same however many processes do it at once; a job keeps its own class."""
    for title in ("A", "AWAY", "BACK", "HELD"):
        add_station(recorder.database_url, title, 104)
    ledger.execute(
        "insert into routing.destination (title, circuit, answering_since) "
        "values ('AWAY', 'OPEN', null), ('BACK', 'CLOSED', now() - interval '50 seconds')"
    )
    for number, (name, due, waited, to, _) in enumerate(AGES):
        row = {
            "priority": PRIORITIES[name],
            "due": due * 100,
            "waited": waited * 100,
            "to": to,
            "uid": f"2.25.{number}",
        }
        with psycopg.connect(recorder.database_url) as connection:
            connection.execute(WAITING.encode(), row)
    async with (
        forwarder(recorder, sending=False, aging_seconds=100) as running,
        forwarder(recorder, sending=False, aging_seconds=100) as other,
        forwarder(recorder, sending=False, aging_seconds=0) as never,
    ):
        await holds.hold(running.database, "operator", "station", "HELD", "maintenance")
        for each in (running, other):
            await each.configuration.refresh()
        await never.clocks.age()
        assert (
            ledger.rows(
                "select 1 from routing.delivery d join routing.job j on j.id = d.job where d.priority <> j.priority"
            )
            == []
        )
        for _ in range(3):
            await asyncio.gather(running.clocks.age(), other.clocks.age())
    rows = ledger.rows(
        "select d.priority, j.priority as own from routing.delivery d join routing.job j on j.id = d.job order by d.id"
    )
    names = {number: name for name, number in PRIORITIES.items()}
    assert [names[row["priority"]] for row in rows] == [age[-1] for age in AGES]
    assert [names[row["own"]] for row in rows] == [age[0] for age in AGES]

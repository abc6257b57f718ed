"""What people ask for: send, retry, cancel; each carried out once."""

import asyncio
from uuid import uuid4

import pytest

from services.admin import bulk, deliveries, jobs
from services.admin.errors import Refused
from services.admin.requests import Requested
from tests.factories import ct
from tests.integration.forwarder.bench import Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations.receiver import Accept, Answer, Refuse, StationReceiver
from tests.waiting import until_async

TO_ARCHIVE = [{"send": [{"to": "ARCHIVE1"}]}]


@pytest.mark.parametrize("level", ["study_instance_uid", "series_instance_uid", "sop_instance_uid"])
async def test_send_sends_again_what_was_delivered(recorder: Recorder, ledger: Ledger, level: str) -> None:
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        instance = ct(1)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(instance))
            await ledger.until_states({"DELIVERED": 1})
            _index(ledger)
            request = ledger.request("send", {"uids": [getattr(instance, level)], "to": "ARCHIVE1"})
            await asyncio.gather(running.requests.carry_out(request), running.requests.carry_out(request))
            assert await running.requests.reconcile() == 0
            await ledger.until_states({"DELIVERED": 2})
        assert archive.uids == [instance.sop_instance_uid] * 2
    result = ledger.result(request)
    assert (result["instances"], result["missing"]) == (1, [])
    job = next(job for job in ledger.jobs() if str(job["id"]) == result["job"])
    assert (job["state"], job["request"]) == ("COMPLETED", request)


def _index(ledger: Ledger) -> None:
    """What the index holds of the one recorded instance."""
    ledger.execute("insert into index.patient (patient_id) values ('P1')")
    ledger.execute(
        "insert into index.study (study_instance_uid, patient) select study_instance_uid, 1 from storage.identity"
    )
    ledger.execute(
        "insert into index.series (study_instance_uid, series_instance_uid) "
        "select study_instance_uid, series_instance_uid from storage.identity"
    )


async def test_send_sends_the_latest_revision(recorder: Recorder, ledger: Ledger) -> None:
    add_station(recorder.database_url, "ARCHIVE1", 104)
    recorder.record(ct(1))
    recorder.record(ct(1, PatientComments="changed"), disposition="REVISION", revision=2)
    async with forwarder(recorder, sending=False) as running:
        request = ledger.request("send", {"uids": [ct(1).sop_instance_uid, "1.2.3.404"], "to": "ARCHIVE1"})
        await running.requests.carry_out(request)
    assert [row["revision"] for row in ledger.deliveries()] == [2]
    assert ledger.result(request)["missing"] == ["1.2.3.404"]


async def test_retry_puts_a_failed_job_back(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1", Answer(0xC000)) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(ct(1)))
            await until_async(lambda: [job["state"] for job in ledger.jobs()] == ["FAILED"])
            archive.behave(Accept())
            request = ledger.request("retry", {"job": str(ledger.jobs()[0]["id"])})
            await running.requests.reconcile()
            await ledger.until_states({"DELIVERED": 1})
            await until_async(lambda: [job["state"] for job in ledger.jobs()] == ["COMPLETED"])
            again = ledger.request("retry", {"job": str(ledger.jobs()[0]["id"])})
            await running.requests.carry_out(again)
    assert ledger.result(request)["deliveries"] == 1
    assert ledger.jobs()[0]["reason"] == ""
    assert "is COMPLETED" in ledger.result(again)["error"]
    assert "gateway send UID --to ARCHIVE1" in ledger.result(again)["error"]


@pytest.mark.parametrize("circuit", ["OPEN", "HALF-OPEN"])
async def test_retry_tries_a_resting_destination_at_once(recorder: Recorder, ledger: Ledger, circuit: str) -> None:
    """Also while another probe is thought to be under way; and until the station answers, that is what it waits for."""
    with StationReceiver("ARCHIVE1", Refuse()) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(ct(1)))
            await until_async(lambda: ledger.rows("select 1 from routing.attempt"))
            later = "update routing.destination set retry_at = now() + interval '1 hour', circuit = %s"
            await asyncio.to_thread(ledger.execute, later, "OPEN")
            job = ledger.jobs()[0]["id"]
            ledger.request("retry", {"job": str(job)})
            await running.requests.reconcile()
            told = await jobs.show(running.database, job, 10)
            reasons = {told["reason"], told["deliveries"][0]["reason"]}
            assert all("refused" in reason for reason in reasons), reasons
            archive.behave(Accept())
            await asyncio.to_thread(ledger.execute, later, circuit)
            ledger.request("retry", {"job": str(job)})
            await running.requests.reconcile()
            await ledger.until_states({"DELIVERED": 1})


async def test_what_was_deleted_is_neither_tried_again_nor_sent_elsewhere(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1", Answer(0xC000)) as archive:
        for title in ("ARCHIVE1", "ARCHIVE2"):
            add_station(recorder.database_url, title, archive.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            gone, kept = recorder.record(ct(1, study=1), ct(2, study=1))
            await running.evaluate([gone, kept])
            await ledger.until_states({"FAILED": 2})
            delete = "update storage.identity set state = 'DELETED' where sop_instance_uid = %s"
            ledger.execute(delete, gone.sop_instance_uid)
            job = ledger.jobs()[0]["id"]
            assert (await jobs.show(running.database, job, 10))["sendable"]
            archive.behave(Accept())
            some = ledger.request("retry", {"job": str(job)})
            await running.requests.reconcile()
            assert ledger.result(some)["deliveries"] == 1
            assert "1 instance was deleted or erased" in ledger.result(some)["refused"][0]
            await ledger.until_states({"FAILED": 1, "DELIVERED": 1})
            assert not (await jobs.show(running.database, job, 10))["sendable"]
            chosen = (await deliveries.choose(running.database, "retry", deliveries.Filter(), job)).deliveries
            none = ledger.request("retry", {"job": str(job)})
            many = ledger.request("retry-deliveries", {"deliveries": chosen})
            other = ledger.request("reroute-deliveries", {"deliveries": chosen, "to": "ARCHIVE2"})
            await running.requests.reconcile()
            assert "gateway retrieve STUDY --from STATION" in ledger.result(none)["error"]
            for request in (many, other):
                assert (len(chosen), ledger.result(request)["deliveries"]) == (1, 0)
                assert "deleted or erased" in ledger.result(request)["refused"][0]
            assert ledger.states() == {"FAILED": 1, "DELIVERED": 1}
            with pytest.raises(Refused, match="deleted or erased"):
                bulk.refuse_nothing_done([Requested(many, ledger.result(many))])


async def test_cancel_takes_what_waits(recorder: Recorder, ledger: Ledger) -> None:
    add_station(recorder.database_url, "ARCHIVE1", 104)
    add_rule_set(recorder.database_url, 1, [{"level": "study", "quiet": "30s", "send": [{"to": "ARCHIVE1"}]}])
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1, study=1), ct(2, study=1)))
        job = ledger.jobs()[0]["id"]
        request = ledger.request("cancel", {"job": str(job)})
        await running.requests.carry_out(request)
        assert ledger.states() == {"CANCELED": 2}
        found = ledger.jobs()[0]
        assert (found["state"], found["reason"]) == ("CANCELED", "cancelled by operator")
        assert ledger.result(request) == {"job": str(job), "deliveries": 2}
        await running.evaluate(recorder.record(ct(3, study=1)))
        assert sorted(job["state"] for job in ledger.jobs()) == ["CANCELED", "QUEUED"]
        retry = ledger.request("retry", {"job": str(job)})
        await running.requests.carry_out(retry)
        assert ledger.states() == {"PENDING": 3}


async def test_cancel_while_sending_lets_the_one_under_way_end(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1", Answer(0xA700)) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(ct(1)))
            await until_async(lambda: ledger.rows("select 1 from routing.attempt"))
            await running.requests.carry_out(ledger.request("cancel", {"job": str(ledger.jobs()[0]["id"])}))
            await ledger.until_states({"CANCELED": 1})
    assert ledger.jobs()[0]["state"] == "CANCELED"


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("send", {"uids": ["1.2.3"], "to": "ARCHIVE1"}, "1.2.3: no stored"),
        ("send", {"uids": ["1.2.3"], "to": "NOBODY"}, "NOBODY is not defined"),
        (
            "send",
            {"uids": ["1.2.3"], "to": "SOURCE"},
            "SOURCE may not be sent to; 'gateway station set SOURCE --store'",
        ),
        ("retry", {"job": str(uuid4())}, "does not exist"),
        ("cancel", {"job": "nonsense"}, "no job id"),
    ],
)
async def test_what_cannot_be_done_is_answered_with_the_cure(
    recorder: Recorder, ledger: Ledger, kind: str, body: dict[str, object], words: str
) -> None:
    add_station(recorder.database_url, "ARCHIVE1", 104)
    add_station(recorder.database_url, "SOURCE", 104, store=False)
    async with forwarder(recorder, sending=False) as running:
        request = ledger.request(kind, body)
        await running.requests.carry_out(request)
    assert words in ledger.result(request)["error"]
    assert not ledger.jobs()

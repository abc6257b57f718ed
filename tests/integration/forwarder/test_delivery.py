"""From a recorded instance to the destination, and back into the ledger."""

import hashlib

from services.dicom.acceptor import Outcome
from tests.factories import ct, small_instances
from tests.integration.forwarder.bench import Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations.receiver import StationReceiver
from tests.waiting import until_async

ALL_TO_ARCHIVE = [{"name": "all", "send": [{"to": "ARCHIVE1"}]}]


async def test_every_instance_arrives_bit_for_bit_once(recorder: Recorder, ledger: Ledger) -> None:
    instances = small_instances(40, seed=1)
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, ALL_TO_ARCHIVE)
        recorded = recorder.record(*instances)
        async with forwarder(recorder) as running:
            await running.evaluate(recorded)
            await running.evaluate(recorded)
            await ledger.until_states({"DELIVERED": 40})
        for instance in instances:
            assert archive.data_set(instance.sop_instance_uid) == instance.data_set
    assert sorted(archive.uids) == sorted(instance.sop_instance_uid for instance in instances)
    for row in ledger.deliveries():
        assert [attempt["outcome"] for attempt in ledger.attempts(row["id"])] == ["DELIVERED"]
    jobs = ledger.jobs()
    assert {job["state"] for job in jobs} == {"COMPLETED"}
    assert len(jobs) == len({instance.study_instance_uid for instance in instances})
    assert sum(job["total"] for job in jobs) == sum(job["done"] for job in jobs) == 40
    evaluation = ledger.rows("select matched, note from routing.evaluation")
    assert len(evaluation) == 40
    assert evaluation[0]["matched"][0]["rule"] == "all"
    assert not ledger.rows("select 1 from runtime.outbox"), "nobody is to be asked for a commitment"
    assert hashlib.sha256(archive.data_set(recorded[0].sop_instance_uid)).hexdigest() == recorded[0].sha256
    assert not ledger.rows("select 1 from runtime.lease")


async def test_instances_share_an_association_while_there_are_more(recorder: Recorder, ledger: Ledger) -> None:
    """One association for a burst, and the same for what comes within the idle time; then it is released."""
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, associations=1)
        add_rule_set(recorder.database_url, 1, ALL_TO_ARCHIVE)
        burst = [ct(number, study=1) for number in range(20)]
        async with forwarder(recorder, sending=False) as running:
            await running.evaluate(recorder.record(*burst))
        async with forwarder(recorder, idle_seconds=8) as running:
            await ledger.until_states({"DELIVERED": 20})
            assert archive.associations == [], "it is kept for a moment"
            await running.evaluate(recorder.record(ct(21)))
            await ledger.until_states({"DELIVERED": 21})
        await until_async(lambda: archive.associations)
        (only,) = archive.associations
        assert sum(only.requests.values()) == 21
        assert only.outcome is Outcome.RELEASED

"""From a recorded instance to the destination, and back into the ledger."""

import hashlib

from tests.factories import small_instances
from tests.integration.forwarder.bench import Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations.receiver import StationReceiver

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
    events = ledger.rows("select routing_key, body from runtime.outbox")
    assert len(events) == 40
    assert {event["routing_key"] for event in events} == {"instance.delivered.v1"}
    assert hashlib.sha256(archive.data_set(recorded[0].sop_instance_uid)).hexdigest() == recorded[0].sha256
    assert not ledger.rows("select 1 from runtime.lease")

"""What is sent is read where storage says it is at that time: a duplicate's object may have taken over."""

from datetime import UTC, datetime

from services.runtime.objects import new_object_key
from tests.factories import ct
from tests.integration.forwarder.bench import Ledger, forwarder
from tests.recorded import Recorded, Recorder, add_rule_set, add_station
from tests.stations.receiver import StationReceiver
from tests.waiting import until_async


def move(recorder: Recorder, ledger: Ledger, recorded: Recorded) -> None:
    """Another object holds the content, at another offset; the first one is gone."""
    key = new_object_key(datetime.now(UTC))
    with recorder.objects.open(recorded.object_key) as first:
        recorder.objects.put_bytes(key, b"\0" * 17 + first.read())
    ledger.execute("update storage.identity set object_key = %s, data_set_offset = data_set_offset + 17", key)
    recorder.objects.delete(recorded.object_key)


async def test_a_delivery_planned_before_the_object_moved_finds_it(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, [{"name": "all", "send": [{"to": "ARCHIVE1"}]}])
        [recorded] = recorder.record(ct(1))
        async with forwarder(recorder, sending=False) as running:
            await running.evaluate([recorded])
        move(recorder, ledger, recorded)
        assert ledger.rows("select object_key from routing.delivery") == [{"object_key": recorded.object_key}]
        async with forwarder(recorder):
            await ledger.until_states({"DELIVERED": 1})
        assert archive.data_set(recorded.sop_instance_uid) == ct(1).data_set


async def test_content_sent_again_mends_what_failed_for_a_damaged_object(recorder: Recorder, ledger: Ledger) -> None:
    """The duplicate wakes the delivery before storage has found the damage and given it the second object."""
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, [{"name": "all", "send": [{"to": "ARCHIVE1"}]}])
        [recorded] = recorder.record(ct(1))
        whole = recorder.objects.get_bytes(recorded.object_key)
        async with forwarder(recorder, sending=False) as running:
            await running.evaluate([recorded])
            ledger.execute("update routing.delivery set state = 'FAILED', finished_at = now()")
        recorder.objects.delete(recorded.object_key)
        recorder.objects.put_bytes(recorded.object_key, whole[:-1] + bytes([whole[-1] ^ 1]))
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(ct(1), disposition="DUPLICATE"))
            await until_async(lambda: ledger.deliveries()[0]["attempts"] > 0)
            assert "SHA-256" in ledger.deliveries()[0]["reason"]
            key = new_object_key(datetime.now(UTC))
            recorder.objects.put_bytes(key, whole)
            ledger.execute("update storage.identity set object_key = %s", key)
            await ledger.until_states({"DELIVERED": 1})
        assert archive.data_set(recorded.sop_instance_uid) == ct(1).data_set

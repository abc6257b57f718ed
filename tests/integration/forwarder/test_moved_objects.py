"""What is sent is read where storage says it is at that time: a duplicate's object may have taken over."""

from datetime import UTC, datetime

from services.runtime.objects import new_object_key
from tests.factories import ct
from tests.integration.forwarder.bench import Ledger, forwarder
from tests.recorded import Recorded, Recorder, add_rule_set, add_station
from tests.stations.receiver import StationReceiver


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

"""Deliveries a second from ledger to receiver, 10 kB objects, everything on this machine."""

import time

import pytest

from tests.factories import ct
from tests.integration.forwarder.bench import Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations.receiver import StationReceiver

COUNT = 1000


@pytest.mark.bench("deliveries")
@pytest.mark.timeout(300)
async def test_deliveries_a_second(recorder: Recorder, ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, associations=2)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "ARCHIVE1"}]}])
        recorded = recorder.record(*[ct(number, pixel_bytes=8192, study=number // 100) for number in range(COUNT)])
        async with forwarder(recorder, sending=False) as running:
            started = time.monotonic()
            for at in range(0, COUNT, 100):
                await running.evaluate(recorded[at : at + 100])
            evaluated = COUNT / (time.monotonic() - started)
        async with forwarder(recorder):
            started = time.monotonic()
            await ledger.until_states({"DELIVERED": COUNT}, limit=200)
            rate = COUNT / (time.monotonic() - started)
        with capsys.disabled():
            print(f"\nevaluated {evaluated:.0f}/s, delivered {rate:.0f}/s")  # noqa: T201 - the figure is the result
        assert len(archive.uids) == COUNT
    assert rate > 50

"""B3-40: clocks that jump while instances flow; what decides is PostgreSQL's time."""

import threading
from pathlib import Path

import pytest

from tests.factories import small_instances
from tests.faults.aftermath import Aftermath
from tests.faults.ledger import Ledger
from tests.faults.traffic import Beside, Traffic
from tests.integration.ingest.test_clock import LIBRARY
from tests.running_gateway import FreshServers, running_gateway
from tests.stations import StationReceiver

RULES = """
version: 1
rules:
  - {name: studies, when: {all: []}, level: study, quiet: 2s, send: [{to: ARCHIVE1}]}
"""
JUMPING = ("storage", "index", "forwarder", "commitment")
OFFSETS = ("+600", "-600", "+86400", "+0")


@pytest.mark.all_faults
@pytest.mark.timeout(300)
def test_a_clock_that_jumped_changes_nothing(tmp_path: Path, fresh_servers: FreshServers) -> None:
    """Ten minutes ahead, ten behind, a day ahead, right again: nobody ends, nothing is late, lost or doubled."""
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    faked = {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",  # the file is read once a second
        "NO_FAKE_STAT": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    ledger, pause = Ledger(), threading.Event()
    with (
        fresh_servers() as shared,
        running_gateway(tmp_path / "home", shared=shared) as gateway,
        StationReceiver(title="ARCHIVE1") as archive,
    ):
        gateway.add_station("SCANNER1")
        gateway.add_station("ARCHIVE1", archive.port, "--store")
        gateway.apply_rules(RULES)
        for name in JUMPING:
            gateway.stop(name)
            gateway.launch(name, environment=faked)
        gateway.wait_ready(JUMPING)
        traffic = Traffic(gateway.dicom_port, ledger)
        traffic.send(small_instances(30, seed=1))
        ledger.check(gateway, archive)
        aftermath = Aftermath(gateway)

        def jump() -> None:
            for offset in OFFSETS:
                clock.write_text(f"{offset}\n")
                pause.wait(6)

        instances = small_instances(600, seed=2)
        with Beside(jump) as jumps:
            while jumps.running and instances:
                traffic.send([instances.pop() for _ in range(5)])
                pause.wait(0.2)
            jumps.join(60)
        assert set(traffic.statuses) == {0}
        ledger.check(gateway, archive, limit=120)
        aftermath.check()

"""The most memory that any process of the gateway needs, over all workloads, a 500 MB object included."""

from pathlib import Path
from typing import Final

import pytest

from tests.bench.conftest import Measured
from tests.bench.dcmtk import Storescp
from tests.bench.end_to_end import ForwardingGateway, delivery
from tests.bench.figures import Figure
from tests.bench.gateway_under_test import GatewayUnderTest
from tests.bench.processes import share_megabytes
from tests.bench.workloads import W5, WORKLOADS

LIMIT_MEGABYTES: Final = 150.0


@pytest.mark.bench("memory", show=True)
@pytest.mark.timeout(1200)
def test_peak_memory(on_disk: Path, tmp_path: Path, measured: Measured) -> None:
    found = []
    with (
        Storescp(on_disk / "sink", options=["+B"]) as sink,
        GatewayUnderTest(on_disk / "gateway", ingest_processes=2) as gateway,
    ):
        system = ForwardingGateway(gateway, sink)
        found += [Figure(f"{name}, ready", peak, "MB") for name, peak in gateway.memory().items()]
        for workload in WORKLOADS.values():
            senders = len(workload.parts) if workload is W5 else min(4, workload.count)
            delivery(system, workload, tmp_path, senders)
            found += [Figure(f"{name}, {workload.name}", peak, "MB") for name, peak in gateway.memory().items()]
        at_most, shares = gateway.memory(), gateway.memory(share_megabytes)
    found += [Figure(f"{name}, its share at the end", share, "MB") for name, share in shares.items()]
    found += [Figure(f"{name}, at most", peak, "MB", limit=LIMIT_MEGABYTES) for name, peak in at_most.items()]
    measured(*found)

"""Processor time of the whole way of an instance, by process: received, recorded, indexed, routed, delivered."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.bench.conftest import Measured
from tests.bench.dcmtk import Storescp
from tests.bench.end_to_end import ForwardingGateway, delivery
from tests.bench.figures import Figure, median
from tests.bench.gateway_under_test import GatewayUnderTest
from tests.bench.processes import since, spent
from tests.bench.rounds import ROUNDS, WARMING
from tests.bench.workloads import W1, W2, Workload

INGEST_SECONDS: Final = 2.5
ALL_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 10.0
LIMITS: Final[Mapping[str, float]] = {"ingest": INGEST_SECONDS, "all": ALL_SECONDS}


@pytest.mark.bench("processor-time", show=True)
@pytest.mark.timeout(1200)
def test_for_1000_instances(on_disk: Path, tmp_path: Path, measured: Measured) -> None:
    found = []
    with (
        Storescp(on_disk / "sink", options=["+B"]) as sink,
        GatewayUnderTest(on_disk / "gateway", ingest_processes=2) as gateway,
    ):
        system = ForwardingGateway(gateway, sink)
        found += idle(gateway)
        for workload, limits in ((W1, LIMITS), (W2, {})):
            delivery(system, workload.first(WARMING), tmp_path)
            found += of(system, workload, limits, tmp_path)
    measured(*found)


def of(system: ForwardingGateway, workload: Workload, limits: Mapping[str, float], folder: Path) -> list[Figure]:
    """Seconds by process and of all for 1,000 instances of a workload."""
    rounds = [delivery(system, workload, folder) for _ in range(ROUNDS)]
    made = []
    for name in (*rounds[0].processor, "all"):
        each = [
            (sum(one.processor.values()) if name == "all" else one.processor[name]) * 1000 / one.count for one in rounds
        ]
        made.append(median(f"{workload.name}, for 1,000: {name}", each, "s", limit=limits.get(name)))
    return made


def idle(gateway: GatewayUnderTest) -> list[Figure]:
    """What it takes when nothing comes."""
    before = spent(gateway.groups)
    time.sleep(IDLE_SECONDS)
    took = since(before, spent(gateway.groups))
    return [Figure(f"idle: {name}", seconds / IDLE_SECONDS, "processors") for name, seconds in took.items()]

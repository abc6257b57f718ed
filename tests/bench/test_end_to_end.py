"""Receive, record, index, route and deliver to a DCMTK storescp, against Orthanc that forwards each instance by a
script, and against Orthanc that receives and then forwards all in one job. All of them get all of a workload: the more
jobs of its script wait, the slower Orthanc gets.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.bench import orthanc, raw_sending
from tests.bench.conftest import Measured
from tests.bench.dcmtk import Storescp
from tests.bench.end_to_end import Forwarding, ForwardingGateway, ForwardingOrthanc, delivery, wait_arrived
from tests.bench.figures import Figure
from tests.bench.gateway_under_test import GatewayUnderTest
from tests.bench.orthanc import Orthanc
from tests.bench.rounds import WARMING, figures, interleaved, percentiles, ratio
from tests.bench.workloads import W1, W2, Workload

pytestmark = [pytest.mark.bench("end-to-end", show=True), pytest.mark.timeout(2400)]

GATEWAY, SCRIPT, BATCHED = "gateway", "Orthanc, each by a script", "Orthanc, one job"
HALF_LOAD_MILLISECONDS: Final = 300.0
AT_HALF_LOAD: Final = 500

Systems = dict[str, Forwarding]


@pytest.fixture(scope="module")
def systems(module_on_disk: Path) -> Iterator[Systems]:
    """All that are compared, each with a destination of its own."""
    with ExitStack() as stack:
        sinks = [
            stack.enter_context(Storescp(module_on_disk / f"sink-{number}", options=["+B"])) for number in range(3)
        ]
        ours = stack.enter_context(GatewayUnderTest(module_on_disk / "gateway", ingest_processes=2))
        found: Systems = {GATEWAY: ForwardingGateway(ours, sinks[0])}
        if not orthanc.absent():
            for name, sink, batched in ((SCRIPT, sinks[1], False), (BATCHED, sinks[2], True)):
                place = module_on_disk / f"orthanc-{'batched' if batched else 'script'}"
                server = stack.enter_context(Orthanc(place, sink=sink.port, forwarding=not batched))
                found[name] = ForwardingOrthanc(server, sink, batched)
        yield found


def compared(systems: Systems, workload: Workload, folder: Path, least: dict[str, float]) -> tuple[list[Figure], float]:
    """Rates and ratios; the gateway's median rate."""
    taking_part = {name: each for name, each in systems.items() if name == GATEWAY or name in least}
    for system in taking_part.values():
        delivery(system, workload.first(WARMING), folder)
    measured = interleaved(
        {
            name: lambda name=name, system=system: delivery(system, workload, folder)  # type: ignore[misc]
            for name, system in taking_part.items()
        }
    )
    told = f"{workload.name} end to end"
    ratios = [
        ratio(told, measured[GATEWAY], measured[name], name, least=least[name]) for name in measured if name != GATEWAY
    ]
    made = figures(measured, told)
    return [*made, *ratios], made[0].value


def test_large_objects(systems: Systems, tmp_path: Path, measured: Measured) -> None:
    found, rate = compared(systems, W1, tmp_path, {SCRIPT: 4.0, BATCHED: 0.8})
    latencies = at_half_load(systems[GATEWAY], rate / 2, tmp_path)
    half = percentiles("W1 at half load: receipt to delivery", latencies, {50: HALF_LOAD_MILLISECONDS})
    measured(*found, Figure("W1 at half load", rate / 2, "instances/s"), *half, left_out=orthanc.absent())


def test_small_objects(systems: Systems, tmp_path: Path, measured: Measured) -> None:
    found, _ = compared(systems, W2, tmp_path, {SCRIPT: 8.0})
    measured(*found, left_out=orthanc.absent())


def at_half_load(system: Forwarding, rate: float, folder: Path) -> list[float]:
    """Milliseconds from receipt to delivery at a steady rate."""
    assert isinstance(system, ForwardingGateway)
    files = W1.first(min(AT_HALF_LOAD, W1.count)).write(folder)
    raw_sending.send(files, system.port, system.title, associations=2, rate=rate)
    wait_arrived(system.sink, len(files))
    system.settled(len(files))
    system.sink.finished(len(files))
    shutil.rmtree(files[0].parent)
    return system.gateway.delivery_milliseconds(len(files))

"""One, two and four processes of ingest and of the forwarder: how rate and processor time grow with them."""

from pathlib import Path
from typing import Final

import pytest

from tests.bench.conftest import Measured
from tests.bench.dcmtk import Storescp
from tests.bench.end_to_end import ForwardingGateway, delivery
from tests.bench.figures import median
from tests.bench.gateway_under_test import GatewayUnderTest
from tests.bench.rounds import WARMING, Round
from tests.bench.workloads import W1, W2

PROCESSES: Final = (1, 2, 4)
ROUNDS: Final = 3
SENDERS: Final = 8


@pytest.mark.bench("scale")
@pytest.mark.timeout(3600)
def test_with_more_processes(on_disk: Path, tmp_path: Path, measured: Measured) -> None:
    found: dict[tuple[int, str], list[Round]] = {}
    for number in range(ROUNDS):
        for processes in PROCESSES:
            place = on_disk / f"{number}-{processes}"
            with (
                Storescp(place / "sink", options=["+B"]) as sink,
                GatewayUnderTest(place / "gateway", ingest_processes=processes, forwarders=processes) as gateway,
            ):
                system = ForwardingGateway(gateway, sink)
                delivery(system, W1.first(WARMING), tmp_path)
                for workload in (W1, W2):
                    told = found.setdefault((processes, workload.name), [])
                    told.append(delivery(system, workload, tmp_path, SENDERS))
    figures = []
    for (processes, workload_name), rounds in found.items():
        cell = f"{workload_name}, {processes} of each"
        received = [each.count / each.more["received_seconds"] for each in rounds]
        figures.append(median(f"{cell}: received", received, "instances/s"))
        figures.append(median(f"{cell}: delivered", [each.rate for each in rounds], "instances/s"))
        for name in rounds[0].processor:
            each_round = [one.processor[name] * 1000 / one.count for one in rounds]
            figures.append(median(f"{cell}, for 1,000: {name}", each_round, "s"))
    measured(*figures)

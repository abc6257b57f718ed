"""DCMTK senders as Debian ships them, without TCP_NODELAY: Nagle's algorithm meets delayed acknowledgements."""

from pathlib import Path
from typing import Final

import pytest

from tests.bench.conftest import Measured
from tests.bench.dcmtk import Sender, Storescp
from tests.bench.gateway_under_test import GatewayUnderTest
from tests.bench.rounds import WARMING, figures, interleaved, ratio, reception
from tests.bench.workloads import W2

AT_LEAST: Final = 20.0
FEW: Final = 100
"""What storescp gets of the workload: at 11 a second all of it would take three minutes a round."""


@pytest.mark.bench("senders-as-they-come", show=True)
@pytest.mark.timeout(1200)
def test_without_tcp_nodelay(on_disk: Path, tmp_path: Path, measured: Measured) -> None:
    send = Sender(no_delay=False).send
    with (
        Storescp(on_disk / "storescp", no_delay=False) as storescp,
        GatewayUnderTest(on_disk / "gateway", ingest_processes=2) as gateway,
    ):
        reception(gateway, W2.first(WARMING), send, tmp_path)
        found = interleaved(
            {
                "gateway": lambda: reception(gateway, W2, send, tmp_path),
                "storescp": lambda: reception(storescp, W2.first(FEW), send, tmp_path),
            }
        )
    cell = "W2 x1, no TCP_NODELAY"
    measured(*figures(found, cell), ratio(cell, found["gateway"], found["storescp"], "storescp", least=AT_LEAST))

"""Every cell of receiving: workloads, associations, PDU sizes, with and without TCP_NODELAY, all peers."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.bench.conftest import Measured
from tests.bench.dcmtk import Sender
from tests.bench.gateway_under_test import GatewayUnderTest
from tests.bench.peers import BIT_PRESERVING, POSTGRESQL, SQLITE, STORESCP, available, peer
from tests.bench.rounds import Receiver, figures, ratio, receptions
from tests.bench.workloads import W1, W2, W3, W4, W5, Workload

pytestmark = [pytest.mark.bench("matrix"), pytest.mark.timeout(7200)]

PEERS: Final = (STORESCP, BIT_PRESERVING, SQLITE, POSTGRESQL)
PDUS: Final = (16384, 131072)
CELLS: Final = [
    *((workload, associations) for workload in (W1, W2) for associations in (1, 4, 8, 16)),
    (W3, 1),
    (W3, 4),
    (W4, 1),
    (W5, 8),
]
FEW: Final = 50
"""Of W2, where Nagle's algorithm meets delayed acknowledgements."""


@pytest.fixture(scope="module")
def receivers(module_on_disk: Path) -> Iterator[Mapping[str, Receiver]]:
    """The gateway and every peer there is."""
    with ExitStack() as stack:
        ours = stack.enter_context(GatewayUnderTest(module_on_disk / "gateway", ingest_processes=2))
        names, _ = available(*PEERS)
        others = {name: stack.enter_context(peer(name, module_on_disk)) for name in names}
        yield {"gateway": ours, **others}


@pytest.mark.parametrize("largest_pdu", PDUS)
@pytest.mark.parametrize(("workload", "associations"), CELLS, ids=lambda value: getattr(value, "name", f"x{value}"))
def test_receiving(
    receivers: Mapping[str, Receiver],
    workload: Workload,
    associations: int,
    largest_pdu: int,
    tmp_path: Path,
    measured: Measured,
) -> None:
    sender = Sender(associations=associations, largest_pdu=largest_pdu)
    told(receivers, workload, sender, f"{workload.name} x{associations}, PDU {largest_pdu}", tmp_path, measured)


@pytest.mark.parametrize("workload", [W1.first(FEW), W2.first(FEW)], ids=["W1", "W2"])
def test_receiving_without_tcp_nodelay(
    receivers: Mapping[str, Receiver], workload: Workload, tmp_path: Path, measured: Measured
) -> None:
    told(receivers, workload, Sender(no_delay=False), f"{workload.name} x1, no TCP_NODELAY", tmp_path, measured)


def told(
    receivers: Mapping[str, Receiver],
    workload: Workload,
    sender: Sender,
    cell: str,
    folder: Path,
    measured: Measured,
) -> None:
    """Measure one cell; nothing has a budget."""
    found = receptions(receivers, workload, sender.send, folder)
    ratios = [ratio(cell, found["gateway"], found[name], name) for name in found if name != "gateway"]
    measured(*figures(found, cell), *ratios, left_out=available(*PEERS)[1])

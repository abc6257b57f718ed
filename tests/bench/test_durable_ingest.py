"""What a modality waits for: C-STORE until 0000, fsync on, beside the pipeline that records, indexes and routes.

Orthanc records and indexes before it answers; the gateway answers when the object is durable, so its backlog and the
time it takes to work it off are told, and limited, too. No rule matches: what is delivered is another bench's.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.bench import raw_sending
from tests.bench.conftest import Measured
from tests.bench.dcmtk import Sender
from tests.bench.figures import Figure, median
from tests.bench.gateway_under_test import GatewayUnderTest
from tests.bench.peers import POSTGRESQL, SQLITE, STORESCP, available, peer
from tests.bench.rounds import ROUNDS, Receiver, Round, figures, percentiles, ratio, reception, receptions
from tests.bench.workloads import W1, W2, W3, W4, Workload

pytestmark = [pytest.mark.bench("durable-ingest", show=True), pytest.mark.timeout(1800)]

GATEWAY: Final = "gateway"
DRAINED: Final = 3.0
"""How many times as long as the ingest the rest of the pipeline may take after it."""
P99_MILLISECONDS: Final = 50.0

Receivers = Mapping[str, Receiver]


@pytest.fixture(scope="module")
def peers() -> tuple[list[str], str]:
    """Which there are, and why not the others."""
    return available(STORESCP, SQLITE, POSTGRESQL)


@pytest.fixture(scope="module")
def receivers(module_on_disk: Path, peers: tuple[list[str], str]) -> Iterator[Receivers]:
    """All that are compared."""
    with ExitStack() as stack:
        ours = stack.enter_context(GatewayUnderTest(module_on_disk / "gateway", ingest_processes=2))
        others = {name: stack.enter_context(peer(name, module_on_disk)) for name in peers[0]}
        yield {GATEWAY: ours, **others}


def compared(
    receivers: Receivers, workload: Workload, associations: int, folder: Path, least: Mapping[str, float]
) -> list[Figure]:
    """Rates of the gateway and of the peers that ``least`` names, the ratios, and the gateway's backlog."""
    cell = f"{workload.name} x{associations}"
    taking_part = {name: each for name, each in receivers.items() if name == GATEWAY or name in least}
    measured = receptions(taking_part, workload, Sender(associations=associations).send, folder)
    ratios = [
        ratio(cell, measured[GATEWAY], measured[name], name, least=least[name]) for name in measured if name != GATEWAY
    ]
    return [*figures(measured, cell), *backlog(cell, measured[GATEWAY]), *ratios]


def backlog(cell: str, rounds: Sequence[Round]) -> list[Figure]:
    """What was not recorded, indexed and routed at the last answer, and how long that took."""
    times = [each.more["drain_seconds"] / each.seconds for each in rounds]
    return [
        median(f"{cell}: backlog at the last answer", [each.more["backlog"] for each in rounds], "instances"),
        median(f"{cell}: drained after", [each.more["drain_seconds"] for each in rounds], "s"),
        median(f"{cell}: drained after, by the ingest", times, "x", limit=DRAINED),
    ]


def test_one_association(
    receivers: Receivers, peers: tuple[list[str], str], tmp_path: Path, measured: Measured
) -> None:
    measured(*compared(receivers, W1, 1, tmp_path, {SQLITE: 1.9, STORESCP: 0.5}), left_out=peers[1])


def test_four_associations(
    receivers: Receivers, peers: tuple[list[str], str], tmp_path: Path, measured: Measured
) -> None:
    measured(*compared(receivers, W1, 4, tmp_path, {SQLITE: 1.5, POSTGRESQL: 3.5}), left_out=peers[1])


def test_small_objects(receivers: Receivers, peers: tuple[list[str], str], tmp_path: Path, measured: Measured) -> None:
    measured(*compared(receivers, W2, 4, tmp_path, {SQLITE: 1.0}), left_out=peers[1])


def test_images_of_many_frames(
    receivers: Receivers, peers: tuple[list[str], str], tmp_path: Path, measured: Measured
) -> None:
    measured(*compared(receivers, W3, 1, tmp_path, {SQLITE: 2.5}), left_out=peers[1])


def test_half_a_gigabyte(
    receivers: Receivers, peers: tuple[list[str], str], tmp_path: Path, measured: Measured
) -> None:
    measured(*compared(receivers, W4, 1, tmp_path, {SQLITE: 2.5}), left_out=peers[1])


def test_how_long_a_sender_waits(receivers: Receivers, tmp_path: Path, measured: Measured) -> None:
    took: list[list[float]] = []

    def send(files: Sequence[Path], port: int, called: str) -> float:
        sent = raw_sending.send(files, port, called, associations=4)
        took.append(sent.milliseconds)
        return sent.seconds

    rounds = [reception(receivers[GATEWAY], W1, send, tmp_path) for _ in range(ROUNDS)]
    every = [milliseconds for each in took for milliseconds in each]
    measured(
        median("W1 x4, sender that measures: gateway", [each.rate for each in rounds], "instances/s"),
        *percentiles("W1 x4: C-STORE", every, {99: P99_MILLISECONDS}),
        Figure("W1 x4: C-STORE, longest", max(every), "ms"),
    )

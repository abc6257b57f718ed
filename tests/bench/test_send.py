"""C-STORE as a sender, into DCMTK's storescp that receives and does not store: the gateway's Upper Layer by storescu,
one association each; and what the forwarder delivers, whose ledger writes down every instance before and after.

The start of storescu's process, measured with one file, is taken off its time: the forwarder's runs already.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.bench.conftest import Measured
from tests.bench.dcmtk import Sender, Storescp
from tests.bench.figures import median
from tests.bench.gateway_under_test import SINK, GatewayUnderTest
from tests.bench.processes import since, spent
from tests.bench.rounds import ROUNDS, Round, Send, figures, interleaved, ratio
from tests.bench.workloads import W1, W2, W3, Workload

pytestmark = [pytest.mark.bench("send", show=True), pytest.mark.timeout(1200)]

CHECKOUT: Final = Path(__file__).resolve().parents[2]
AT_LEAST: Final = 0.7
OUTGOING: Final = 2
_LIMIT_SECONDS: Final = 300.0


def by_storescu(files: Sequence[Path], port: int, called: str) -> float:
    """Seconds of storescu for all but the first file."""
    first, *others = files
    start = Sender().send([first], port, called)
    return Sender().send(others, port, called) - start


def by_upper_layer(files: Sequence[Path], port: int, called: str) -> float:
    """Seconds of the gateway's Upper Layer for all but the first file."""
    command = [sys.executable, "-m", "tests.bench.upper_layer_send", str(port), called, *map(str, files[1:])]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def sending(send: Send, sink: Storescp, workload: Workload, folder: Path) -> Round:
    """Send new instances once."""
    files = workload.write(folder)
    seconds = send(files, sink.port, sink.title)
    shutil.rmtree(files[0].parent)
    return Round(len(files) - 1, workload.megabytes, seconds, {})


@pytest.mark.parametrize("workload", [W1, W2, W3], ids=lambda workload: workload.name)
def test_upper_layer(workload: Workload, on_disk: Path, tmp_path: Path, measured: Measured) -> None:
    with Storescp(on_disk / "sink", keep=False) as sink:
        found = interleaved(
            {
                "Upper Layer": lambda: sending(by_upper_layer, sink, workload, tmp_path),
                "storescu": lambda: sending(by_storescu, sink, workload, tmp_path),
            }
        )
    cell = f"{workload.name} sent"
    rates = [figure for figure in figures(found, cell) if "processor" not in figure.name]
    measured(*rates, ratio(cell, found["Upper Layer"], found["storescu"], "storescu", least=AT_LEAST))


def test_deliveries(on_disk: Path, tmp_path: Path, measured: Measured) -> None:
    found = []
    with (
        Storescp(on_disk / "sink", keep=False) as sink,
        GatewayUnderTest(on_disk / "gateway", ingest_processes=2) as gateway,
    ):
        gateway.route_to(sink.port, OUTGOING)
        delivered = 0
        for workload in (W1, W2):
            rounds = []
            for _ in range(ROUNDS):
                delivered += workload.count
                rounds.append(held_deliveries(gateway, workload, delivered, tmp_path))
            told = f"{workload.name}, with the ledger, {OUTGOING} associations"
            found.append(median(f"{told}: delivered", [each.rate for each in rounds], "instances/s"))
            per_thousand = [each.processor_per_thousand for each in rounds]
            found.append(median(f"{told}: processor time", per_thousand, "s/1,000"))
    measured(*found)


def held_deliveries(gateway: GatewayUnderTest, workload: Workload, total: int, folder: Path) -> Round:
    """Have deliveries wait until all are planned, then let them go; the time is that from the first to the last."""
    gateway.cli("station", "hold", SINK, "--why", "bench")
    files = workload.write(folder)
    Sender(associations=4).send(files, gateway.dicom_port, gateway.title)
    gateway.finished(len(files))
    os.sync()
    before = spent(gateway.groups)
    gateway.cli("station", "resume", SINK)
    gateway.wait_delivered(total)
    processor = since(before, spent(gateway.groups))
    shutil.rmtree(files[0].parent)
    return Round(len(files), workload.megabytes, gateway.delivering_seconds(len(files)), processor)

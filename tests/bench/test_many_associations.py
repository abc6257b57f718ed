"""One, four and sixteen associations at once, from senders that cost the machine little."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.bench import raw_sending
from tests.bench.conftest import Measured
from tests.bench.figures import Figure
from tests.bench.gateway_under_test import GatewayUnderTest
from tests.bench.rounds import WARMING, Round, Send, figures, interleaved, ratio, reception
from tests.bench.workloads import W1

FOUR: Final = "x4"
AT_LEAST: Final = {1: 0.5, 16: 0.9}


@pytest.mark.bench("many-associations", show=True)
@pytest.mark.timeout(1200)
def test_one_four_and_sixteen(on_disk: Path, tmp_path: Path, measured: Measured) -> None:
    with GatewayUnderTest(on_disk / "gateway", ingest_processes=2) as gateway:
        reception(gateway, W1.first(WARMING), sending(4), tmp_path)
        found = interleaved(
            {
                f"x{number}": lambda number=number: reception(gateway, W1, sending(number), tmp_path)  # type: ignore[misc]
                for number in (1, 4, 16)
            }
        )
    measured(*figures(found, "W1"), *(by_four(found, number, least) for number, least in AT_LEAST.items()))


def sending(associations: int) -> Send:
    """A sender with so many associations."""

    def send(files: Sequence[Path], port: int, called: str) -> float:
        return raw_sending.send(files, port, called, associations=associations).seconds

    return send


def by_four(found: dict[str, list[Round]], associations: int, least: float) -> Figure:
    """The rate of so many by that of four."""
    return ratio(f"W1 x{associations}", found[f"x{associations}"], found[FOUR], "itself with four", least=least)

"""P2 to P8 together: mixed load while something is killed, frozen, cut or held up every five seconds.

``tests/run --storm=30m`` makes it last; ``--storm-seed`` brings an earlier storm again.
"""

import random
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.bench.figures import PROPERTY, Figure, text
from tests.faults.account import balance, settle
from tests.faults.plan import Fault, plan
from tests.faults.site import site
from tests.faults.storm import Storm

SHORT_SECONDS = 45.0
"""What a usual run has of it."""
SEED = 480
"""Its first seconds have faults of every kind, and a forwarder that sleeps longer than its lease."""
LONG_SECONDS = 120.0
"""From here on it is a storm of its own, with more load."""
INSTANCES_OF_A_STUDY = 6
SETTLED_SECONDS = 300.0


@pytest.mark.storm
@pytest.mark.timeout(700)
def test_a_storm_leaves_nothing_lost_stuck_or_unexplained(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Three senders, five destinations, commitments, queries; whatever happens to the services, the broker, the
    database, the destinations and the lines between them."""
    seconds, seed = chosen(request.config)
    with site(tmp_path, seed) as here:
        storm = Storm(here)
        faults = plan(seed, seconds, storm.processes, storm.lines)
        tell(seed, seconds, faults)
        with here.at_work(INSTANCES_OF_A_STUDY, every=1.5 if seconds >= LONG_SECONDS else 3.0):
            storm.rage(faults)
            threading.Event().wait(max(0.0, seconds - faults[-1].end))
        took = settle(here, SETTLED_SECONDS)
        found = balance(here)
    figures = [
        Figure("seed", seed, ""),
        Figure("duration", seconds, "s"),
        *(Figure(f"faults: {kind}", count, "") for kind, count in sorted(Counter(f.kind for f in faults).items())),
        *found,
        Figure("until nothing was under way", took, "s", SETTLED_SECONDS),
    ]
    request.node.user_properties.append((PROPERTY, text("storm", figures)))


def chosen(config: pytest.Config) -> tuple[float, int]:
    """How long it lasts, and its seed: as asked for, else any for a long one, and always the same in a usual run."""
    long: float | None = config.getoption("--storm")
    seed: int | None = config.getoption("--storm-seed")
    return long or SHORT_SECONDS, seed or (random.randrange(1, 1_000_000) if long else SEED)


def tell(seed: int, seconds: float, faults: list[Fault]) -> None:
    """What replays the storm, and what it brings; shown when the test fails."""
    print(f"seed {seed}: tests/run tests/faults/test_storm.py --storm={seconds:.0f} --storm-seed={seed}")  # noqa: T201
    print(*faults, sep="\n")  # noqa: T201

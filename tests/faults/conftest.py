"""What the fault tests have in common."""

from collections.abc import Iterator

import pytest

from tests.faults import summary
from tests.faults.ledger import OPENED


@pytest.fixture
def outage_seconds(request: pytest.FixtureRequest) -> float:
    """How long an outage lasts: 10 s in a usual run, 60 s with ``--faults=all``."""
    return 60.0 if request.config.getoption("--faults") == "all" else 10.0


@pytest.fixture(autouse=True)
def summed_up(request: pytest.FixtureRequest) -> Iterator[None]:
    """What the test's ledgers sum up to travels in its report, from another process too."""
    OPENED.clear()
    yield
    request.node.user_properties.append((summary.PROPERTY, summary.text(OPENED, _seed(request))))


def _seed(request: pytest.FixtureRequest) -> int | None:
    called = getattr(request.node, "callspec", None)
    return called.params.get("seed") if called is not None else None

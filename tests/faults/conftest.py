"""What the fault tests have in common."""

import pytest


@pytest.fixture
def outage_seconds(request: pytest.FixtureRequest) -> float:
    """How long an outage lasts: 10 s in a usual run, 60 s with ``--faults=all``."""
    return 60.0 if request.config.getoption("--faults") == "all" else 10.0

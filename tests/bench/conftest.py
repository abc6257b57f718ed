"""Measurements: ``tests/run --bench NAME`` runs one of them alone and prints what it found (see ``figures``)."""

from collections.abc import Callable

import pytest

from tests.bench.figures import PROPERTY, Figure, text

Measured = Callable[..., None]


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Takes the figures of a bench; the test fails if one passes its limit."""
    marker = request.node.get_closest_marker("bench")

    def take(*figures: Figure) -> None:
        request.node.user_properties.append((PROPERTY, text(marker.args[0], figures)))
        assert [figure for figure in figures if not figure.kept] == []

    return take

"""What a bench measured: figures with units and limits, printed as a table and as a line of JSON when the run ends."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

PROPERTY = "bench"
"""Under this name a test's report carries its figures, from another process too."""


@dataclass(frozen=True)
class Figure:
    """One measured value. ``limit``: the most it may be, where there is a budget."""

    name: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def kept(self) -> bool:
        """Whether it is within its limit."""
        return self.limit is None or self.value <= self.limit


def text(bench: str, figures: Sequence[Figure]) -> str:
    """Name, figures and limits of one bench, as they travel in a report."""
    return json.dumps({"bench": bench, "figures": [asdict(figure) for figure in figures]})


def lines(told: str) -> Iterable[str]:
    """A table for people, then the same as one line of JSON."""
    found = json.loads(told)
    figures = [Figure(**each) for each in found["figures"]]
    yield found["bench"]
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        limit = "" if figure.limit is None else f"  limit {figure.limit:,g} {figure.unit}"
        passed = "" if figure.kept else "  EXCEEDED"
        yield f"  {figure.name.ljust(width)}  {figure.value:>14,.4g} {figure.unit}{limit}{passed}"
    yield told

"""What a bench measured: figures with units and limits, printed as a table and as a line of JSON when the run ends."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from tests.bench.machine import described

PROPERTY = "bench"
"""Under this name a test's report carries its figures, from another process too."""


@dataclass(frozen=True)
class Figure:
    """One measured value. ``limit``: the most it may be, ``least``: the least, where there is a budget. ``lowest`` and
    ``highest``: the spread of what it is the median of."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    least: float | None = None
    lowest: float | None = None
    highest: float | None = None

    @property
    def kept(self) -> bool:
        """Whether it is within its budget."""
        return (self.limit is None or self.value <= self.limit) and (self.least is None or self.value >= self.least)


def median(
    name: str, values: Sequence[float], unit: str, *, limit: float | None = None, least: float | None = None
) -> Figure:
    """The median of repeated measurements, with their spread."""
    return Figure(name, statistics.median(values), unit, limit, least, min(values), max(values))


def text(bench: str, figures: Sequence[Figure], left_out: Sequence[str] = ()) -> str:
    """Name, machine and figures of one bench as they travel in a report, and what could not be measured and why."""
    return json.dumps(
        {
            "bench": bench,
            "machine": described(),
            "figures": [asdict(figure) for figure in figures],
            "left_out": list(left_out),
        }
    )


def lines(told: str) -> Iterable[str]:
    """A table for people, then the same as one line of JSON."""
    found = json.loads(told)
    figures = [Figure(**each) for each in found["figures"]]
    yield f"{found['bench']} ({', '.join(found['machine'].values())})"
    width = max((len(figure.name) for figure in figures), default=0)
    for figure in figures:
        spread = "" if figure.lowest is None else f"  {figure.lowest:,.4g} to {figure.highest:,.4g}"
        limit = "" if figure.limit is None else f"  at most {figure.limit:,g} {figure.unit}"
        least = "" if figure.least is None else f"  at least {figure.least:,g} {figure.unit}"
        passed = "" if figure.kept else "  MISSED"
        value = f"{figure.value:>14,.4g} {figure.unit}"
        yield f"  {figure.name.ljust(width)}  {value}{spread}{limit}{least}{passed}".rstrip()
    yield from (f"  not measured: {each}" for each in found["left_out"])
    yield told

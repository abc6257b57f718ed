"""Rounds: what is compared is measured in turn, several times, since the machine is not the same from one minute to the
next."""

import os
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from tests.bench.figures import Figure, median
from tests.bench.processes import since, spent
from tests.bench.workloads import Workload

ROUNDS: Final = 5
WARMING: Final = 20
"""Instances that each system gets before the first round."""

Send = Callable[[Sequence[Path], int, str], float]
"""Sends files to (port, called AE title); the seconds it took."""


class Receiver(Protocol):
    """A Storage SCP that is measured."""

    title: str

    @property
    def port(self) -> int:
        """Where it listens."""

    @property
    def groups(self) -> dict[str, list[int]]:
        """Its processes by name."""

    def finished(self, received: int) -> dict[str, float]:
        """Fails the test unless so many instances have come since it was last called; waits for what follows."""


@dataclass(frozen=True)
class Round:
    """One measurement: ``processor`` seconds by group of processes, from the first instance to the end of all work."""

    count: int
    megabytes: float
    seconds: float
    processor: Mapping[str, float]
    more: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Instances a second."""
        return self.count / self.seconds

    @property
    def processor_per_thousand(self) -> float:
        """Processor seconds of all groups for 1,000 instances."""
        return sum(self.processor.values()) * 1000 / self.count


def reception(receiver: Receiver, workload: Workload, send: Send, folder: Path) -> Round:
    """Send new instances of a workload once and see that all have come."""
    files = workload.write(folder)
    os.sync()  # what earlier rounds wrote is no matter of this one
    before = spent(receiver.groups)
    seconds = send(files, receiver.port, receiver.title)
    more = receiver.finished(len(files))
    processor = since(before, spent(receiver.groups))
    shutil.rmtree(files[0].parent)
    return Round(len(files), workload.megabytes, seconds, processor, more)


def receptions(
    receivers: Mapping[str, Receiver], workload: Workload, send: Send, folder: Path
) -> dict[str, list[Round]]:
    """Every receiver in turn, after a few instances that count for nothing."""
    few = workload.first(min(WARMING, workload.parts[0].count))
    for receiver in receivers.values():
        reception(receiver, few, send, folder)
    return interleaved(
        {
            name: lambda receiver=receiver: reception(receiver, workload, send, folder)  # type: ignore[misc]
            for name, receiver in receivers.items()
        }
    )


def interleaved(systems: Mapping[str, Callable[[], Round]], rounds: int = ROUNDS) -> dict[str, list[Round]]:
    """Measure one after the other, round by round."""
    found: dict[str, list[Round]] = {name: [] for name in systems}
    for _ in range(rounds):
        for name, measure in systems.items():
            found[name].append(measure())
    return found


def figures(measured: Mapping[str, Sequence[Round]], cell: str) -> list[Figure]:
    """Rates and processor time of each system."""
    made = []
    for name, rounds in measured.items():
        told = f"{cell}: {name}"
        made.append(median(told, [each.rate for each in rounds], "instances/s"))
        made.append(median(f"{told}, data", [each.megabytes / each.seconds for each in rounds], "MB/s"))
        per_thousand = [each.processor_per_thousand for each in rounds]
        made.append(median(f"{told}, processor time", per_thousand, "s/1,000"))
    return made


def ratio(cell: str, ours: Sequence[Round], theirs: Sequence[Round], peer: str, least: float | None = None) -> Figure:
    """Our median rate by theirs; the spread is that of the rounds."""
    each = [mine.rate / other.rate for mine, other in zip(ours, theirs, strict=True)]
    value = statistics.median(one.rate for one in ours) / statistics.median(one.rate for one in theirs)
    return Figure(f"{cell}: gateway by {peer}", value, "x", least=least, lowest=min(each), highest=max(each))


def percentiles(name: str, milliseconds: Sequence[float], limits: Mapping[int, float] | None = None) -> list[Figure]:
    """p50, p95 and p99; ``limits`` by percentile."""
    cuts = statistics.quantiles(milliseconds, n=100, method="inclusive")
    return [Figure(f"{name}: p{each}", cuts[each - 1], "ms", limit=(limits or {}).get(each)) for each in (50, 95, 99)]

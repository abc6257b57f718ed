"""How fast a station is sent to (pure).

What was claimed pushes on the time before which nothing more is claimed for the station. That time is in the ledger and
claims of one station follow one another, so the rate holds over all processes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

BURST_SECONDS = 0.25
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Pace:
    """``instances`` and ``megabytes`` (of 1,000,000 bytes) a second at most; None: any number."""

    instances: float | None = None
    megabytes: float | None = None

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return self.instances is not None or self.megabytes is not None

    def allowance(self, most: int) -> int:
        """How many to claim at once: what goes in a quarter of a second, at least one; one by one where bytes count."""
        if self.megabytes is not None:
            return min(most, 1)
        if self.instances is None:
            return most
        return min(most, max(1, int(self.instances * BURST_SECONDS)))

    def seconds(self, sizes: Iterable[int]) -> float:
        """The time that instances of so many bytes take at this pace."""
        each = 1 / self.instances if self.instances else 0.0
        a_byte = 1 / (self.megabytes * MEGABYTE) if self.megabytes else 0.0
        return sum(max(each, size * a_byte) for size in sizes)

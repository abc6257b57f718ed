"""When something is tried again (pure): exponential back-off with full jitter."""

from dataclasses import dataclass

BASE_SECONDS = 1.0
LONGEST_SECONDS = 300.0
MOST_STEPS = 200  # beyond that the longest wait holds anyway; keeps factor ** failures a number


@dataclass(frozen=True)
class Backoff:
    """At most ``first`` seconds after the first failure, ``factor`` times as long each time, at most ``most``."""

    first: float = BASE_SECONDS
    factor: float = 2.0
    most: float = LONGEST_SECONDS


USUAL = Backoff()


def ceiling_seconds(failures: int, backoff: Backoff = USUAL) -> float:
    """The longest wait after the ``failures``-th failure in a row."""
    steps = min(max(failures - 1, 0), MOST_STEPS)
    return min(backoff.most, backoff.first * backoff.factor**steps)


def delay_seconds(failures: int, fraction: float, backoff: Backoff = USUAL) -> float:
    """The wait after the ``failures``-th failure in a row; ``fraction`` in [0, 1) is random (full jitter)."""
    return ceiling_seconds(failures, backoff) * fraction

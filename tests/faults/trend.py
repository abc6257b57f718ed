"""Whether something stays flat: what it grew by in a line through many samples, whatever single ones of them say."""

from collections.abc import Sequence
from itertools import combinations
from statistics import median

Sample = tuple[float, float]
"""Seconds, and the value then."""


def slope(samples: Sequence[Sample]) -> float:
    """Change for each second: the median of the slopes between all pairs (Theil and Sen), which outliers do not move.

    0.0 where there are less than two samples (pure).
    """
    between = [(late - early) / (after - before) for (before, early), (after, late) in combinations(samples, 2)]
    return median(between) if between else 0.0


def settled(samples: Sequence[Sample], warm_up: float) -> list[Sample]:
    """Those from ``warm_up``, a share of the whole time, on (pure)."""
    if not samples:
        return []
    first, last = samples[0][0], samples[-1][0]
    return [each for each in samples if each[0] >= first + warm_up * (last - first)]


def grown(samples: Sequence[Sample]) -> float:
    """How much it grew by that slope over the time of the samples (pure)."""
    return slope(samples) * (samples[-1][0] - samples[0][0]) if samples else 0.0


def bends(samples: Sequence[Sample]) -> float:
    """How much steeper the second half is than the first; 1.0 is a straight line, or one that falls (pure)."""
    half = len(samples) // 2
    first, second = slope(samples[:half]), slope(samples[half:])
    return second / first if first > 0 else 1.0

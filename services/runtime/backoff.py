"""When something is tried again (pure): exponential back-off with full jitter."""

BASE_SECONDS = 1.0
LONGEST_SECONDS = 300.0
DOUBLINGS = 30  # beyond that the cap holds anyway; keeps 2 ** failures small


def ceiling_seconds(failures: int) -> float:
    """The longest wait after the ``failures``-th failure in a row: 1 s doubled each time, at most 5 minutes."""
    return min(LONGEST_SECONDS, BASE_SECONDS * 2.0 ** min(max(failures - 1, 0), DOUBLINGS))


def delay_seconds(failures: int, fraction: float) -> float:
    """The wait after the ``failures``-th failure in a row; ``fraction`` in [0, 1) is random (full jitter)."""
    return ceiling_seconds(failures) * fraction

"""When a delivery or a destination is tried again (pure): exponential back-off with full jitter, and giving up."""

from datetime import datetime, timedelta

BASE_SECONDS = 1.0
LONGEST_SECONDS = 300.0
UNUSABLE_SECONDS = 60.0  # storage replaces a damaged object within 5 s of the same content sent again
DOUBLINGS = 30  # beyond that the cap holds anyway; keeps 2 ** failures small


def ceiling_seconds(failures: int) -> float:
    """The longest wait after the ``failures``-th failure in a row: 1 s doubled each time, at most 5 minutes."""
    return min(LONGEST_SECONDS, BASE_SECONDS * 2.0 ** min(max(failures - 1, 0), DOUBLINGS))


def delay_seconds(failures: int, fraction: float) -> float:
    """The wait after the ``failures``-th failure in a row; ``fraction`` in [0, 1) is random (full jitter)."""
    return ceiling_seconds(failures) * fraction


def slow_delay_seconds(fraction: float, slow_seconds: float = LONGEST_SECONDS) -> float:
    """The wait after a permanent rejection: between half and all of ``slow_seconds``."""
    return slow_seconds * (0.5 + 0.5 * fraction)


def given_up(waiting_since: datetime, now: datetime, retry_hours: int) -> bool:
    """True when a delivery has waited ``retry_hours`` in vain: it ends FAILED."""
    return now - waiting_since >= timedelta(hours=retry_hours)


def unusable_for_good(waiting_since: datetime, now: datetime) -> bool:
    """True when a delivery whose object is damaged or away has waited a minute in vain for a better one."""
    return now - waiting_since >= timedelta(seconds=UNUSABLE_SECONDS)

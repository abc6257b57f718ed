"""When a delivery or a destination is given up, or tried again after a permanent rejection (pure)."""

from datetime import datetime, timedelta

from services.runtime.backoff import LONGEST_SECONDS

UNUSABLE_SECONDS = 60.0  # storage replaces a damaged object within 5 s of the same content sent again


def slow_delay_seconds(fraction: float, slow_seconds: float = LONGEST_SECONDS) -> float:
    """The wait after a permanent rejection: between half and all of ``slow_seconds``."""
    return slow_seconds * (0.5 + 0.5 * fraction)


def given_up(waiting_since: datetime, now: datetime, retry_hours: int) -> bool:
    """True when a delivery has waited ``retry_hours`` in vain: it ends FAILED."""
    return now - waiting_since >= timedelta(hours=retry_hours)


def unusable_for_good(waiting_since: datetime, now: datetime) -> bool:
    """True when a delivery whose object is damaged or away has waited a minute in vain for a better one."""
    return now - waiting_since >= timedelta(seconds=UNUSABLE_SECONDS)

"""When a delivery or a destination is given up, or tried again after a permanent rejection (pure)."""

from dataclasses import dataclass
from datetime import timedelta

from services.forwarder.classify import Failing
from services.runtime.backoff import LONGEST_SECONDS, USUAL, Backoff

UNUSABLE_SECONDS = 60.0  # storage replaces a damaged object within 5 s of the same content sent again


@dataclass(frozen=True)
class Policy:
    """What a station wants: ``hold`` deliveries whose answer was lost, for how many hours and attempts (None: any
    number) to try, after which failures that are no answer, and how long to wait in between."""

    hold: bool
    retry_hours: int
    attempts: int | None = None
    retried: frozenset[Failing] = frozenset(Failing)
    backoff: Backoff = USUAL


def slow_delay_seconds(fraction: float, slow_seconds: float = LONGEST_SECONDS) -> float:
    """The wait after a permanent rejection: between half and all of ``slow_seconds``."""
    return slow_seconds * (0.5 + 0.5 * fraction)


def why_ended(policy: Policy, waited: timedelta, attempts: int, failing: Failing | None) -> str:
    """Why a delivery is not tried again after ``attempts`` in vain, the last of which failed so; "": it is."""
    if failing is not None and failing not in policy.retried:
        return f"not tried again when {failing}"
    if policy.attempts is not None and attempts >= policy.attempts:
        return f"given up after {policy.attempts} {'attempt' if policy.attempts == 1 else 'attempts'}"
    if waited >= timedelta(hours=policy.retry_hours):
        return f"given up after {policy.retry_hours} {'hour' if policy.retry_hours == 1 else 'hours'}"
    return ""


def unusable_for_good(waited: timedelta) -> bool:
    """True when a delivery whose object is damaged or away has waited a minute in vain for a better one."""
    return waited >= timedelta(seconds=UNUSABLE_SECONDS)

"""Which of the studies that a station has are to be retrieved from it now (pure).

A count tells how many instances the station has, not which. So a study lacks something when it counts more there than
were ever here, or than were there when it was complete; where it is not counted, when nothing of it was ever here.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.runtime.backoff import Backoff, ceiling_seconds

BACKOFF: Final = Backoff(first=600, factor=2, most=86_400)
"""Waits in seconds between two retrievals of one study that does not grow."""


class Verdict(StrEnum):
    """What becomes of a study."""

    COMPLETE = "complete"
    PULL = "pull"
    UNDER_WAY = "under way"
    LATER = "later"


@dataclass(frozen=True)
class Asked:
    """What is known of a study from the times before. ``told``: what it counted when it was retrieved last;
    ``complete``: when it was complete (None: never). ``attempts`` retrievals since it grew; ``due``: the wait after the
    last is over; ``under_way``: that has not ended."""

    told: int | None = None
    complete: int | None = None
    attempts: int = 0
    due: bool = True
    under_way: bool = False


@dataclass(frozen=True)
class Judged:
    """A study with its verdict. ``attempts``: retrievals since it grew, the one to come included; ``wait``: seconds
    until the next one; ``missing``: it lacks something although it was retrieved and that has ended."""

    study: str
    count: int | None
    held: int
    verdict: Verdict
    attempts: int
    wait: float = 0.0
    missing: bool = False


def judge(study: str, count: int | None, held: int, asked: Asked) -> Judged:
    """What becomes of a study of which the station has ``count`` instances (None: it does not say) and we ``held``."""
    if not _lacks(count, held, asked):
        return Judged(study, count, held, Verdict.COMPLETE, 0)
    missing = asked.attempts > 0 and not asked.under_way
    if asked.under_way:
        return Judged(study, count, held, Verdict.UNDER_WAY, asked.attempts, missing=missing)
    grown = count is not None and asked.told is not None and count > asked.told
    if not (grown or asked.due):
        return Judged(study, count, held, Verdict.LATER, asked.attempts, missing=missing)
    attempts = 1 if grown else asked.attempts + 1
    return Judged(study, count, held, Verdict.PULL, attempts, ceiling_seconds(attempts, BACKOFF), missing and not grown)


def _lacks(count: int | None, held: int, asked: Asked) -> bool:
    if count is None:
        return held == 0 and asked.complete is None
    return count > max(held, asked.complete or 0)

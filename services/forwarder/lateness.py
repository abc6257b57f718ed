"""What becomes of an instance that comes after its series or study was complete (pure)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from schemas.rules import late_seconds

LATE = "late: "
"""How each reason begins for which an instance was not sent because it came late; lists of what was not sent look for
it."""


class Course(StrEnum):
    """What is done with an instance."""

    JOIN = "join"  # into the job that collects its group, or a new one
    ALL_AGAIN = "all again"  # so too, with all that the group was sent before
    WITHHOLD = "withhold"


@dataclass(frozen=True)
class Lateness:
    """What a rule says of late arrivals: its ``late`` and ``late_within``."""

    late: str = "new"
    within: str | None = None

    @property
    def indifferent(self) -> bool:
        """Whether an instance that comes late is treated as any other."""
        return self.late == "new" and self.within is None


AS_ANY_OTHER: Final = Lateness()


@dataclass(frozen=True)
class Decision:
    """``reason``: why it is withheld."""

    course: Course
    reason: str = ""


def decide(lateness: Lateness, received_at: datetime, released_at: datetime | None) -> Decision:
    """What becomes of an instance, given when its group was released last (None: never). What was received before that
    and evaluated after it did not come late."""
    if released_at is None or received_at <= released_at:
        return Decision(Course.JOIN)
    if lateness.late == "never":
        return Decision(Course.WITHHOLD, f"{LATE}it came when what the rule sends was complete, which says late: never")
    if lateness.within is not None and received_at - released_at > timedelta(seconds=late_seconds(lateness.within)):
        reason = f"{LATE}it came after the {lateness.within} of late_within"
        return Decision(Course.WITHHOLD, reason)
    return Decision(Course.ALL_AGAIN if lateness.late == "all" else Course.JOIN)

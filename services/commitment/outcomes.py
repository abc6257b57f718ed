"""What an N-ACTION led to (pure): the event for its commitment, in words for a person.

Only 0000 accepts; every other status is a failure (R76, R77). Whether a station that failed may have the request,
the phase of the failure tells (``services.dicom.errors``): before its end was sent it has not.
"""

from dataclasses import dataclass
from typing import Final

from services.commitment.states import Event
from services.dicom.commands import N_ACTION
from services.dicom.errors import AssociationError
from services.dicom.status import name
from services.runtime.backoff import delay_seconds

LONGEST_REASON: Final = 500
COMMENT_LIMIT: Final = 64
ATTEMPT_OUTCOMES: Final = {
    Event.ACCEPT: "ACCEPTED",
    Event.REFUSE: "REFUSED",
    Event.MISS: "UNREACHED",
    Event.LOSE_ANSWER: "UNANSWERED",
}
"""What the row of the attempt says."""


@dataclass(frozen=True)
class Outcome:
    """What happened. ``comment`` is the station's Error Comment (0000,0902): for people to see, never for the log."""

    event: Event
    reason: str = ""
    status: int | None = None
    comment: str = ""
    unreachable: bool = False
    """The station cannot be asked anything at the moment; else a failure is of this request only."""

    @property
    def answered(self) -> bool:
        """Whether the station is there: it answered the request."""
        return self.event in (Event.ACCEPT, Event.REFUSE)

    @property
    def detail(self) -> str:
        """The reason with the comment, for the row of the attempt."""
        return f"{self.reason}: {self.comment}"[:LONGEST_REASON] if self.comment else self.reason


def answered(status: int, comment: str = "") -> Outcome:
    """The station answered the N-ACTION with ``status``."""
    if status == 0:
        return Outcome(Event.ACCEPT, "", 0)
    printable = "".join(character if character.isprintable() else " " for character in comment).strip()
    reason = f"N-ACTION status {status:04X} {name(status, N_ACTION)}".strip()
    return Outcome(Event.REFUSE, reason, status, printable[:COMMENT_LIMIT])


def failed(error: AssociationError) -> Outcome:
    """The association could not be had, or ended before the answer."""
    if error.phase == "response":
        return _of(Event.LOSE_ANSWER, f"the answer to the N-ACTION was lost: {error}")
    return _of(Event.MISS, f"not asked: {error}", unreachable=error.phase != "request")


def not_understood(title: str) -> Outcome:
    """The station accepted the association without a context for storage commitment."""
    return _of(
        Event.MISS,
        f"not asked: {title} accepted no presentation context for Storage Commitment Push Model; enable it there, or "
        f"take its mark off: 'gateway station set {title} --no-commit-server'",
        unreachable=True,
    )


def not_begun(why: str) -> Outcome:
    """Nothing was sent, for a reason of ours."""
    return _of(Event.MISS, f"not asked: {why}")


def own_fault(kind: str, *, sent: bool) -> Outcome:
    """An error nobody thought of: once the association was open the station may have the request."""
    return _of(Event.LOSE_ANSWER if sent else Event.MISS, f"the gateway's own fault: {kind}")


def delay(outcome: Outcome, attempts: int, fraction: float) -> float:
    """Seconds until the station is tried again after the ``attempts``-th attempt did not reach it."""
    return delay_seconds(attempts, fraction) if outcome.event is Event.MISS else 0.0


def _of(event: Event, reason: str, *, unreachable: bool = False) -> Outcome:
    return Outcome(event, reason[:LONGEST_REASON], unreachable=unreachable)

"""States of an erasure as a table (pure). The SQL moves rows only along these edges."""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """How far an erasure is."""

    ASKED = "ASKED"  # what was received before is still being recorded
    RUNNING = "RUNNING"  # what is the patient's is known, and goes
    ERASED = "ERASED"  # looked again everywhere, and found nothing
    FAILED = "FAILED"  # something was still there after a day


class Event(StrEnum):
    """What happens to an erasure."""

    BEGIN = "begin"  # storage has recorded what was received until it was asked for
    PROVE = "prove"  # nothing is left anywhere
    GIVE_UP = "give up"  # a day has passed


TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (State.ASKED, Event.BEGIN): State.RUNNING,
    (State.ASKED, Event.GIVE_UP): State.FAILED,
    (State.RUNNING, Event.PROVE): State.ERASED,
    (State.RUNNING, Event.GIVE_UP): State.FAILED,
}


class IllegalTransition(Exception):
    """An event that cannot happen to an erasure in that state."""


def following(state: State, event: Event) -> State:
    """The state after ``event``. Raises ``IllegalTransition`` for what the table does not hold."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(f"{event} cannot happen to an erasure that is {state}") from None

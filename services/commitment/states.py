"""States of a commitment and of its instances as tables (pure). The SQL moves rows only along these edges.

What a person is shown of the states before WAITING FOR COMMITMENT are steps on the way there (R73).
"""

from collections.abc import Iterable
from enum import StrEnum


class State(StrEnum):
    """What is known of a commitment that we ask for."""

    COLLECTING = "COLLECTING"  # deliveries of the study still end, or its quiet time runs
    QUEUED = "QUEUED"  # to be asked, at once or after a setback
    ASKING = "ASKING"  # a worker has it with a lease; its N-ACTION may be on the way
    UNANSWERED = "UNANSWERED"  # the N-ACTION was sent and its answer lost: a report may come all the same
    WAITING = "WAITING FOR COMMITMENT"  # N-ACTION 0000
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"


class Event(StrEnum):
    """What happens to a commitment."""

    ADD = "add"  # another delivery of the study succeeded
    RELEASE = "release"  # its quiet time has passed and its job has ended
    CLAIM = "claim"  # a worker is about to ask
    ACCEPT = "accept"  # N-ACTION 0000
    REFUSE = "refuse"  # any other N-ACTION status (R76, R77)
    MISS = "miss"  # the station could not be reached, or the request did not arrive whole
    LOSE_ANSWER = "lose answer"  # sent, and no answer came, or the worker ended
    GIVE_UP = "give up"  # not reached within its retry hours
    COMMIT = "commit"  # a report: every instance is committed
    FAIL = "fail"  # a report: an instance is not committed
    NARROW = "narrow"  # a report: some are committed, the others still open
    EXPIRE = "expire"  # the deadline passed (R80)
    CANCEL = "cancel"  # a person gives it up
    REPAIR = "repair"  # all is committed, by a report heard after the deadline: in time, or late and believed


_OPEN = (State.QUEUED, State.ASKING, State.UNANSWERED, State.WAITING)

TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.COLLECTING, Event.ADD): State.COLLECTING,
    (State.COLLECTING, Event.RELEASE): State.QUEUED,
    (State.COLLECTING, Event.CANCEL): State.FAILURE,
    (State.QUEUED, Event.CLAIM): State.ASKING,
    (State.UNANSWERED, Event.CLAIM): State.ASKING,
    (State.ASKING, Event.ACCEPT): State.WAITING,
    (State.ASKING, Event.REFUSE): State.FAILURE,
    (State.ASKING, Event.MISS): State.QUEUED,
    (State.ASKING, Event.LOSE_ANSWER): State.UNANSWERED,
    (State.ASKING, Event.GIVE_UP): State.FAILURE,
    (State.QUEUED, Event.GIVE_UP): State.FAILURE,
    # The report may come before the answer to the N-ACTION, and for an earlier attempt while a new one is due.
    **{(state, Event.COMMIT): State.SUCCESS for state in _OPEN},
    **{(state, Event.FAIL): State.FAILURE for state in _OPEN},
    **{(state, Event.NARROW): state for state in _OPEN},
    **{(state, Event.EXPIRE): State.FAILURE for state in _OPEN},
    **{(state, Event.CANCEL): State.FAILURE for state in _OPEN},
    # The report that decided it came first; the answer changes nothing any more.
    **{
        (state, event): state
        for state in (State.SUCCESS, State.FAILURE)
        for event in (Event.ACCEPT, Event.REFUSE, Event.MISS, Event.LOSE_ANSWER)
    },
    # Instances that are in neither list stay open after a FAILURE, until the deadline.
    **{(State.FAILURE, event): State.FAILURE for event in (Event.COMMIT, Event.FAIL, Event.NARROW, Event.EXPIRE)},
    (State.FAILURE, Event.CANCEL): State.FAILURE,
    (State.FAILURE, Event.REPAIR): State.SUCCESS,
}

ENDED = frozenset({State.SUCCESS, State.FAILURE})


class IllegalTransition(Exception):
    """An event that cannot happen to a commitment in that state."""


def following(state: State, event: Event) -> State:
    """The state after ``event``. Raises ``IllegalTransition`` for what the table does not hold."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(f"{event} cannot happen to a commitment that is {state}") from None


class ItemState(StrEnum):
    """What is known of one instance of a commitment. A verdict, once given, stands (but for a repair)."""

    PENDING = "PENDING"
    COMMITTED = "COMMITTED"
    FAILED = "FAILED"


def reported(items: Iterable[ItemState]) -> Event:
    """What a report means for its commitment, by the states of all its instances afterwards.

    One that failed fails the whole, whatever the event type says and whatever is still open (R109, R136, notes A17).
    """
    states = set(items)
    if ItemState.FAILED in states:
        return Event.FAIL
    return Event.NARROW if ItemState.PENDING in states else Event.COMMIT

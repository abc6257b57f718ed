"""States of deliveries and jobs as tables (pure). The SQL of ``ledger.sql`` moves rows only along these edges."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What is known of a delivery."""

    PENDING = "PENDING"
    SENDING = "SENDING"
    DELIVERED = "DELIVERED"
    WARNED = "WARNED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    CANCELED = "CANCELED"
    SUPERSEDED = "SUPERSEDED"


class Event(StrEnum):
    """What happens to a delivery."""

    CLAIM = "claim"  # a worker takes it, with a lease, before the association opens
    DELIVER = "deliver"  # success answered
    PRESENT = "present"  # not sent: the station answered a C-FIND that it has it
    WARN = "warn"  # a warning answered: the receiver has it
    REFUSE = "refuse"  # a final refusal, of this object only
    POSTPONE = "postpone"  # a failure that may pass
    GIVE_BACK = "give back"  # claimed, but nothing of it was sent
    LOSE_ANSWER = "lose answer"  # sent, and the answer never came, or the lease ran out
    GIVE_UP = "give up"  # waited for the station's retry hours
    CANCEL = "cancel"  # a person cancels it, or its job
    RETRY = "retry"  # a person, or the same instance received again
    REROUTE = "reroute"  # a person has it sent to another station instead
    SUPERSEDE = "supersede"  # a newer revision goes to the same destination


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.PENDING, Event.CLAIM): State.SENDING,
    (State.UNKNOWN, Event.CLAIM): State.SENDING,
    (State.SENDING, Event.DELIVER): State.DELIVERED,
    (State.SENDING, Event.PRESENT): State.DELIVERED,
    (State.SENDING, Event.WARN): State.WARNED,
    (State.SENDING, Event.REFUSE): State.FAILED,
    (State.SENDING, Event.POSTPONE): State.PENDING,
    (State.SENDING, Event.GIVE_BACK): State.PENDING,
    (State.SENDING, Event.LOSE_ANSWER): State.UNKNOWN,
    (State.SENDING, Event.GIVE_UP): State.FAILED,
    # The lease ran out, and the worker's own answer comes after all: the truth is better than UNKNOWN, and than
    # CANCELED, which a person made of it meanwhile.
    (State.UNKNOWN, Event.DELIVER): State.DELIVERED,
    (State.UNKNOWN, Event.PRESENT): State.DELIVERED,
    (State.UNKNOWN, Event.WARN): State.WARNED,
    (State.CANCELED, Event.DELIVER): State.DELIVERED,
    (State.CANCELED, Event.PRESENT): State.DELIVERED,
    (State.CANCELED, Event.WARN): State.WARNED,
    (State.PENDING, Event.GIVE_UP): State.FAILED,
    (State.UNKNOWN, Event.GIVE_UP): State.FAILED,
    (State.PENDING, Event.CANCEL): State.CANCELED,
    (State.UNKNOWN, Event.CANCEL): State.CANCELED,
    # Nobody knows yet whether it arrives: its worker is told to end it, and what then waits or is unknown is CANCELED.
    (State.SENDING, Event.CANCEL): State.SENDING,
    (State.PENDING, Event.RETRY): State.PENDING,
    (State.UNKNOWN, Event.RETRY): State.UNKNOWN,
    (State.FAILED, Event.RETRY): State.PENDING,
    (State.CANCELED, Event.RETRY): State.PENDING,
    (State.PENDING, Event.REROUTE): State.CANCELED,
    (State.UNKNOWN, Event.REROUTE): State.CANCELED,
    (State.FAILED, Event.REROUTE): State.CANCELED,
    (State.CANCELED, Event.REROUTE): State.CANCELED,
    (State.PENDING, Event.SUPERSEDE): State.SUPERSEDED,
    (State.UNKNOWN, Event.SUPERSEDE): State.SUPERSEDED,
}

WAITING = frozenset({State.PENDING, State.SENDING, State.UNKNOWN})
DONE = frozenset({State.DELIVERED, State.WARNED, State.SUPERSEDED})
ENDED = frozenset(State) - WAITING


class IllegalTransition(Exception):
    """An event that cannot happen to a delivery in that state."""


def following(state: State, event: Event) -> State:
    """The state after ``event``. Raises ``IllegalTransition`` for what the table does not hold."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(f"{event} cannot happen to a delivery that is {state}") from None


def sources(event: Event) -> frozenset[State]:
    """The states ``event`` can happen in."""
    return frozenset(state for state, known in TRANSITIONS if known is event)


class JobState(StrEnum):
    """What a person sees of a job."""

    QUEUED = "QUEUED"
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


@dataclass(frozen=True)
class Tally:
    """What a job's deliveries add up to. ``started`` is True once an association was opened for it."""

    waiting: bool
    failed: int
    canceled: int
    total: int
    started: bool


def job_state(tally: Tally) -> JobState:
    """The state of a job that a person did not cancel as a whole.

    Waiting deliveries keep it open; without any it has FAILED as soon as one delivery failed (R42), and is CANCELED as
    soon as one was cancelled or rerouted: COMPLETED says that all objects were sent (R41).
    """
    if tally.waiting:
        return JobState.ACTIVE if tally.started else JobState.QUEUED
    if tally.failed:
        return JobState.FAILED
    if tally.canceled:
        return JobState.CANCELED
    return JobState.COMPLETED

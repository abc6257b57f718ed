"""From the outcome of an attempt to what the ledger records."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.forwarder.classify import Verdict, classify_unusable
from services.forwarder.delivery import Delivery, Outcome
from services.forwarder.outcomes import Policy, result, unsent
from services.forwarder.states import Event, State

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RESEND, HOLD = Policy(hold=False, retry_hours=72), Policy(hold=True, retry_hours=72)


def delivery(*, attempts: int = 0, waited_hours: float = 0, before: State = State.PENDING) -> Delivery:
    return Delivery(
        received_at=NOW,
        id=1,
        sop_instance_uid="1.2.3",
        revision=1,
        destination="ARCHIVE",
        job=UUID(int=1),
        study_instance_uid="1.2",
        object_key="objects/x",
        data_set_offset=400,
        size=10,
        sha256="0" * 64,
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        priority=1,
        attempts=attempts,
        reason="the answer was lost",
        waiting_since=NOW - timedelta(hours=waited_hours),
        claimed_at=NOW,
        state_before=before,
    )


@pytest.mark.parametrize(
    ("event", "policy", "state", "delay"),
    [
        (Event.DELIVER, RESEND, State.DELIVERED, 4.0),
        (Event.WARN, RESEND, State.WARNED, 4.0),
        (Event.REFUSE, RESEND, State.FAILED, 4.0),
        (Event.POSTPONE, RESEND, State.PENDING, 4.0),
        (Event.POSTPONE, HOLD, State.PENDING, 4.0),
        (Event.LOSE_ANSWER, RESEND, State.UNKNOWN, 4.0),
        (Event.LOSE_ANSWER, HOLD, State.UNKNOWN, None),
    ],
)
def test_each_outcome(event: Event, policy: Policy, state: State, delay: float | None) -> None:
    recorded = result(Outcome(delivery(attempts=3), Verdict(event, "why", 0xA700)), policy, 0.5, 1.0)
    assert (recorded.state, recorded.delay, recorded.tried, recorded.keep) == (state, delay, 1, False)
    assert recorded.reason == "why"


@pytest.mark.parametrize("event", [Event.POSTPONE, Event.LOSE_ANSWER])
def test_after_the_retry_hours_it_failed(event: Event) -> None:
    recorded = result(Outcome(delivery(waited_hours=72), Verdict(event, "why")), RESEND, 0.5, 1.0)
    assert recorded.state is State.FAILED
    assert recorded.reason == "given up after 72 hours: why"


def test_the_time_since_the_claim_counts() -> None:
    young = delivery(waited_hours=71.99)
    assert result(Outcome(young, Verdict(Event.POSTPONE)), RESEND, 0.5, 1.0).state is State.PENDING
    assert result(Outcome(young, Verdict(Event.POSTPONE)), RESEND, 0.5, 60.0).state is State.FAILED


@pytest.mark.parametrize(("seconds", "state"), [(0, State.PENDING), (58, State.PENDING), (60, State.FAILED)])
def test_an_unusable_object_fails_after_a_minute(seconds: float, state: State) -> None:
    """Not at once: the same content sent again may mend it."""
    unusable = classify_unusable("damaged")
    recorded = result(Outcome(delivery(waited_hours=seconds / 3600), unusable), RESEND, 0.5, 0.5)
    assert (recorded.state, recorded.reason) == (state, "object: damaged")


def test_a_held_delivery_is_not_given_up() -> None:
    recorded = result(Outcome(delivery(waited_hours=100), Verdict(Event.LOSE_ANSWER, "why")), HOLD, 0.5, 1.0)
    assert (recorded.state, recorded.delay) == (State.UNKNOWN, None)


@pytest.mark.parametrize(
    ("before", "tried", "state", "reason"),
    [
        (State.PENDING, True, State.PENDING, "connection refused"),
        (State.PENDING, False, State.PENDING, "the answer was lost"),
        (State.UNKNOWN, True, State.UNKNOWN, "connection refused"),
        (State.UNKNOWN, False, State.UNKNOWN, "the answer was lost"),
    ],
)
def test_what_was_not_sent_keeps_its_place(before: State, tried: bool, state: State, reason: str) -> None:
    recorded = unsent(delivery(before=before), "connection refused", tried=tried)
    assert (recorded.state, recorded.reason, recorded.tried, recorded.keep) == (state, reason, int(tried), True)

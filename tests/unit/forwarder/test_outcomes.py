"""From the outcome of an attempt to what the ledger records."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.forwarder.classify import Failing, Trouble, Verdict, classify_loss, classify_unusable
from services.forwarder.delivery import Delivery, Outcome
from services.forwarder.outcomes import result, unreached, unsent
from services.forwarder.retry import Policy
from services.forwarder.states import Event, State
from services.runtime.backoff import Backoff

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


@pytest.mark.parametrize("before", [State.PENDING, State.UNKNOWN])
def test_what_was_not_sent_keeps_its_place(before: State) -> None:
    kept = unsent(delivery(before=before))
    assert (kept.state, kept.reason, kept.tried, kept.keep) == (before, "the answer was lost", 0, True)


GONE, REFUSED = Trouble("connection refused"), Trouble("no", failing=Failing.REJECTED)
THREE = Policy(hold=False, retry_hours=72, attempts=3)


@pytest.mark.parametrize(
    ("before", "attempts", "trouble", "policy", "state", "reason"),
    [
        (State.PENDING, 0, GONE, RESEND, State.PENDING, "connection refused"),
        (State.UNKNOWN, 0, GONE, RESEND, State.UNKNOWN, "connection refused"),
        (State.PENDING, 1, GONE, THREE, State.PENDING, "connection refused"),
        (State.UNKNOWN, 2, GONE, THREE, State.FAILED, "given up after 3 attempts: connection refused"),
        (State.PENDING, 0, REFUSED, Policy(hold=False, retry_hours=72, retried=frozenset()), State.FAILED,
         "not tried again when rejected: no"),
    ],
)  # fmt: skip
def test_what_waited_for_an_association_in_vain(
    before: State, attempts: int, trouble: Trouble, policy: Policy, state: State, reason: str
) -> None:
    recorded = unreached(delivery(before=before, attempts=attempts), trouble, policy, 1.0)
    assert (recorded.state, recorded.reason, recorded.tried) == (state, reason, 1)
    assert recorded.keep is (state is not State.FAILED)


@pytest.mark.parametrize(
    ("attempts", "verdict", "state", "reason"),
    [
        (1, Verdict(Event.POSTPONE, "full", 0xA700), State.PENDING, "full"),
        (2, Verdict(Event.POSTPONE, "full", 0xA700), State.FAILED, "given up after 3 attempts: full"),
        (2, classify_loss("response", "gone"), State.FAILED, "given up after 3 attempts: the answer was lost: gone"),
        (2, Verdict(Event.WARN, "coerced", 0xB000), State.WARNED, "coerced"),
        (9, classify_unusable("damaged"), State.PENDING, "object: damaged"),
    ],
)
def test_the_last_attempt(attempts: int, verdict: Verdict, state: State, reason: str) -> None:
    recorded = result(Outcome(delivery(attempts=attempts), verdict), THREE, 0.5, 1.0)
    assert (recorded.state, recorded.reason) == (state, reason)


def test_the_wait_is_the_stations() -> None:
    slow = Policy(hold=False, retry_hours=72, backoff=Backoff(60, 10, 3600))
    delays = [result(Outcome(delivery(attempts=n), Verdict(Event.POSTPONE)), slow, 0.5, 1).delay for n in range(3)]
    assert delays == [30, 300, 1800]

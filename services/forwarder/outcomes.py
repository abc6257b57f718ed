"""From outcomes to what the ledger records (pure): states by the table, retry times, giving up."""

from dataclasses import dataclass
from datetime import timedelta

from services.forwarder.delivery import Delivery, Outcome, Result
from services.forwarder.retry import given_up, unusable_for_good
from services.forwarder.states import Event, State, following
from services.runtime.backoff import delay_seconds

LONGEST_REASON = 500


@dataclass(frozen=True)
class Policy:
    """What a station wants: ``hold`` deliveries whose answer was lost, and for how long to try."""

    hold: bool
    retry_hours: int


def result(outcome: Outcome, policy: Policy, fraction: float, elapsed_seconds: float) -> Result:
    """What an attempt leads to. ``elapsed_seconds`` is the time since the delivery was claimed."""
    delivery, verdict = outcome.delivery, outcome.verdict
    event, reason = verdict.event, verdict.reason
    held = event is Event.LOSE_ANSWER and policy.hold
    retried = event in (Event.POSTPONE, Event.LOSE_ANSWER) and not held
    now = delivery.claimed_at + timedelta(seconds=elapsed_seconds)
    if verdict.unusable and unusable_for_good(delivery.waiting_since, now):
        event = Event.GIVE_UP
    elif retried and given_up(delivery.waiting_since, now, policy.retry_hours):
        event, reason = Event.GIVE_UP, f"given up after {policy.retry_hours} hours: {reason}"
    return Result(
        delivery=delivery,
        state=following(State.SENDING, event),
        status=verdict.status,
        reason=reason[:LONGEST_REASON],
        tried=1,
        keep=False,
        delay=None if held else delay_seconds(delivery.attempts + 1, fraction),
        association=outcome.association,
        milliseconds=outcome.milliseconds,
        note=outcome.note,
    )


def unsent(delivery: Delivery, reason: str, *, tried: bool) -> Result:
    """A claimed delivery of which nothing was sent: it stays what it was, in its place.

    ``tried``: an association was asked for and failed, which counts as one attempt; its ``reason`` is shown.
    """
    event = Event.LOSE_ANSWER if delivery.state_before is State.UNKNOWN else Event.GIVE_BACK
    return Result(
        delivery=delivery,
        state=following(State.SENDING, event),
        status=None,
        reason=reason[:LONGEST_REASON] if tried else delivery.reason,
        tried=int(tried),
        keep=True,
        delay=0.0,
        association="",
        milliseconds=0,
    )

"""From outcomes to what the ledger records (pure): states by the table, retry times, giving up."""

from dataclasses import replace
from datetime import timedelta

from services.forwarder.classify import Trouble
from services.forwarder.delivery import Delivery, Outcome, Result
from services.forwarder.retry import Policy, unusable_for_good, why_ended
from services.forwarder.states import Event, State, following
from services.runtime.backoff import delay_seconds

LONGEST_REASON = 500


def result(outcome: Outcome, policy: Policy, fraction: float, elapsed_seconds: float) -> Result:
    """What an attempt leads to. ``elapsed_seconds`` is the time since the delivery was claimed."""
    delivery, verdict = outcome.delivery, outcome.verdict
    event, reason = verdict.event, verdict.reason
    held = event is Event.LOSE_ANSWER and policy.hold
    retried = event in (Event.POSTPONE, Event.LOSE_ANSWER) and not held
    waited = delivery.claimed_at + timedelta(seconds=elapsed_seconds) - delivery.waiting_since
    if verdict.unusable:
        event = Event.GIVE_UP if unusable_for_good(waited) else event
    elif retried and (ended := why_ended(policy, waited, delivery.attempts + 1, verdict.failing)):
        event, reason = Event.GIVE_UP, f"{ended}: {reason}"
    return Result(
        delivery=delivery,
        state=following(State.SENDING, event),
        status=verdict.status,
        reason=reason[:LONGEST_REASON],
        tried=1,
        keep=False,
        delay=None if held else delay_seconds(delivery.attempts + 1, fraction, policy.backoff),
        association=outcome.association,
        milliseconds=outcome.milliseconds,
        note=outcome.note,
        sent=outcome.sent,
        unusable=verdict.unusable,
    )


def unsent(delivery: Delivery) -> Result:
    """A claimed delivery of which nothing was sent: it stays what it was, in its place."""
    event = Event.LOSE_ANSWER if delivery.state_before is State.UNKNOWN else Event.GIVE_BACK
    return Result(
        delivery=delivery,
        state=following(State.SENDING, event),
        status=None,
        reason=delivery.reason,
        tried=0,
        keep=True,
        delay=0.0,
        association="",
        milliseconds=0,
    )


def unreached(delivery: Delivery, trouble: Trouble, policy: Policy, elapsed_seconds: float) -> Result:
    """A claimed delivery whose association failed before its turn: in its place too, but that was an attempt."""
    waited = delivery.claimed_at + timedelta(seconds=elapsed_seconds) - delivery.waiting_since
    ended = why_ended(policy, waited, delivery.attempts + 1, trouble.failing)
    kept = replace(unsent(delivery), tried=1, reason=trouble.reason[:LONGEST_REASON])
    if not ended:
        return kept
    return replace(
        kept,
        state=following(State.SENDING, Event.GIVE_UP),
        reason=f"{ended}: {trouble.reason}"[:LONGEST_REASON],
        keep=False,
    )

"""What metrics tell of an attempt that was recorded."""

from datetime import timedelta

from services.forwarder import metrics
from services.forwarder.delivery import Outcome
from services.forwarder.states import Event

TAKEN = frozenset({Event.DELIVER, Event.WARN, Event.PRESENT})


def measure(outcome: Outcome, held_seconds: float) -> None:
    """Count an attempt whose delivery was claimed ``held_seconds`` ago. What a person had sent has no time of receipt
    to be measured from: it may have been here for years."""
    delivery, event = outcome.delivery, outcome.verdict.event
    title = delivery.destination
    metrics.DELIVERIES.labels(title, event.value).inc()
    if event is not Event.PRESENT:
        metrics.SEND_SECONDS.labels(title).observe(outcome.milliseconds / 1000)
    if event not in TAKEN:
        return
    if event is not Event.PRESENT:
        changed = outcome.sent.size if outcome.sent else None
        metrics.SENT_BYTES.labels(title).inc(delivery.size if changed is None else changed)
    if delivery.rule:
        since = delivery.claimed_at - delivery.received_at + timedelta(seconds=held_seconds)
        metrics.RECEIVED_TO_DELIVERED_SECONDS.labels(title).observe(max(0.0, since.total_seconds()))

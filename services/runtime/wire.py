"""What a message looks like on the broker besides its body: headers, and why a dead message died (pure)."""

from collections.abc import Mapping
from typing import Any

from schemas.messages import Envelope
from schemas.topology import EXCHANGE, QUEUES

REASON = "x-gateway-reason"
DIED_BY = {
    "delivery_limit": "delivered too often: the consumer ended without an answer each time (delivery limit)",
    "rejected": "rejected by the consumer",
    "maxlen": "the queue was full",
    "expired": "the message expired",
}
LONGEST_REASON = 500
_ROUTED = frozenset(queue.binding for queue in QUEUES)


def message_headers(envelope: Envelope) -> dict[str, str]:
    """Headers of a message. The event id is one of them because AMQP's message_id must stay unset (aiormq)."""
    found = {"event_id": str(envelope.id), "type": envelope.type, "version": str(envelope.version)}
    if envelope.correlation:
        found["correlation"] = envelope.correlation
    if envelope.trace:
        found["traceparent"] = envelope.trace
    return found


def must_route(exchange: str, routing_key: str) -> bool:
    """Whether a message without a queue is a fault; events that none of our services consumes may have none."""
    return exchange != EXCHANGE or routing_key in _ROUTED


def text_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """The headers that are texts or numbers, ours among them; without the broker's tables."""
    return {name: str(value) for name, value in headers.items() if isinstance(value, str | int)}


def dead_reason(headers: Mapping[str, Any]) -> str:
    """Why a message died: our header, else what the broker wrote into x-death."""
    own = headers.get(REASON)
    if isinstance(own, str) and own:
        return own[:LONGEST_REASON]
    deaths = headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths else {}
    reason = str(first.get("reason", headers.get("x-first-death-reason", "unknown")))
    return DIED_BY.get(reason, f"dead lettered by the broker: {reason}")[:LONGEST_REASON]

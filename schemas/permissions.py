"""What each service may do at the broker, as RabbitMQ has it (Access Control): regular expressions of names.

Nobody declares anything. A consumer reads its own queues and copies what it rejects to the dead letters. Messages go
out by the relay of whichever service sees them first, so those that relay may send what any of them tells; what ingest
tells of stations, ingest alone, but for the reports that commitment hears on associations of its own.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.messages import AssociationEnded, CommitmentReported, CommitmentRequested, InstanceReceived, ReportSent
from schemas.messages.envelope import Message
from schemas.messages.registry import REGISTRY
from schemas.topology import DEAD_LETTER_EXCHANGE, EXCHANGE, QUEUES

DEFAULT_EXCHANGE = "amq.default"
"""By it a message goes to the queue of its routing key: dead letters that are sent again."""
PROBE = "probe"
"""Routing key of a message without content that only asks whether the broker confirms."""
BY_INGEST: tuple[type[Message], ...] = (
    InstanceReceived, AssociationEnded, CommitmentReported, CommitmentRequested, ReportSent,
)  # fmt: skip
RELAYED = tuple(model for model in REGISTRY.values() if model not in BY_INGEST)
TOLD: dict[str, tuple[type[Message], ...]] = {
    "ingest": BY_INGEST,
    "query": (),
    "storage": RELAYED,
    "index": RELAYED,
    "forwarder": RELAYED,
    "commitment": (*RELAYED, CommitmentReported),
    "admin": RELAYED,
}


@dataclass(frozen=True)
class Permissions:
    """Of names of exchanges and queues: ``configure``, ``write``, ``read``; ``routing_keys`` of what is written to the
    exchange ``gateway``."""

    configure: str
    write: str
    read: str
    routing_keys: str


def permissions_of(services: Sequence[str]) -> Permissions:
    """What a user may do who works for these services (pure)."""
    told = {model.routing_key() for service in services for model in TOLD[service]}
    queues = {name for queue in QUEUES if queue.service in services for name in (queue.name, queue.dead)}
    written = {EXCHANGE} if told else set[str]()
    written |= {DEAD_LETTER_EXCHANGE} if queues else set()
    written |= {DEFAULT_EXCHANGE} if "admin" in services else set()
    return Permissions(_any(()), _any(written), _any(queues), _any({*told, PROBE} if told else told))


def _any(names: Iterable[str]) -> str:
    """A pattern of exactly these names; of none, one that only the empty name fits."""
    return f"^({'|'.join(re.escape(name) for name in sorted(names))})$"

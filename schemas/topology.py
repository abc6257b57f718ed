"""The broker's topology as data: one topic exchange, one durable quorum queue per consumer, its dead letter queue.

The arguments declare alike on RabbitMQ 3.10 and 4.x: a positive delivery limit, no priorities, no exclusive queues.
"""

from dataclasses import dataclass

from schemas.messages import (
    AssociationEnded,
    CommitmentChanged,
    CommitmentReported,
    CommitmentRequested,
    InstanceDeleted,
    InstanceDelivered,
    InstanceReceived,
    InstanceStored,
    InstanceUnusable,
    ReportSent,
    RequestMade,
)

EXCHANGE = "gateway"
DEAD_LETTER_EXCHANGE = "gateway.dead"
DELIVERY_LIMIT = 20
EVENT_QUEUE_LENGTH = 100_000
QUEUE_BYTES = 1 << 30


@dataclass(frozen=True)
class Queue:
    """A consumer's queue. ``lossless`` refuses publishes when full; the others drop the oldest message."""

    name: str
    binding: str
    lossless: bool = False

    @property
    def service(self) -> str:
        """The service that consumes it."""
        return self.name.partition(".")[0]

    @property
    def dead(self) -> str:
        """Its dead letter queue."""
        return f"{self.name}.dead"

    def arguments(self) -> dict[str, str | int]:
        """Declaration arguments of the queue."""
        common: dict[str, str | int] = {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE,
            "x-dead-letter-routing-key": self.dead,
        }
        if self.lossless:
            return common | {
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
                "x-max-length-bytes": QUEUE_BYTES,
            }
        return common | {"x-overflow": "drop-head", "x-max-length": EVENT_QUEUE_LENGTH}

    def dead_arguments(self) -> dict[str, str | int]:
        """Declaration arguments of its dead letter queue."""
        return {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-overflow": "drop-head",
            "x-max-length-bytes": QUEUE_BYTES,
        }


STORAGE_INSTANCE_RECEIVED = Queue("storage.instance-received", InstanceReceived.routing_key(), lossless=True)
STORAGE_INSTANCE_UNUSABLE = Queue("storage.instance-unusable", InstanceUnusable.routing_key())
STORAGE_REQUEST = Queue("storage.request", RequestMade.routing_key())
INDEX_INSTANCE_STORED = Queue("index.instance-stored", InstanceStored.routing_key())
INDEX_INSTANCE_DELETED = Queue("index.instance-deleted", InstanceDeleted.routing_key())
FORWARDER_INSTANCE_STORED = Queue("forwarder.instance-stored", InstanceStored.routing_key())
FORWARDER_COMMITMENT_CHANGED = Queue("forwarder.commitment-changed", CommitmentChanged.routing_key())
FORWARDER_ASSOCIATION_ENDED = Queue("forwarder.association-ended", AssociationEnded.routing_key())
FORWARDER_REQUEST = Queue("forwarder.request", RequestMade.routing_key())
COMMITMENT_INSTANCE_DELIVERED = Queue("commitment.instance-delivered", InstanceDelivered.routing_key())
COMMITMENT_REPORTED = Queue("commitment.reported", CommitmentReported.routing_key())
COMMITMENT_REQUESTED = Queue("commitment.requested", CommitmentRequested.routing_key())
COMMITMENT_REPORT_SENT = Queue("commitment.report-sent", ReportSent.routing_key())
COMMITMENT_REQUEST = Queue("commitment.request", RequestMade.routing_key())

QUEUES: tuple[Queue, ...] = (
    STORAGE_INSTANCE_RECEIVED,
    STORAGE_INSTANCE_UNUSABLE,
    STORAGE_REQUEST,
    INDEX_INSTANCE_STORED,
    INDEX_INSTANCE_DELETED,
    FORWARDER_INSTANCE_STORED,
    FORWARDER_COMMITMENT_CHANGED,
    FORWARDER_ASSOCIATION_ENDED,
    FORWARDER_REQUEST,
    COMMITMENT_INSTANCE_DELIVERED,
    COMMITMENT_REPORTED,
    COMMITMENT_REQUESTED,
    COMMITMENT_REPORT_SENT,
    COMMITMENT_REQUEST,
)

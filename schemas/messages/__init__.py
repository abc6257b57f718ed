"""Messages that cross RabbitMQ: one envelope, one pydantic model per type and version, golden examples beside them.

Events are past tense (any number of consumers), commands imperative (one consumer). Bodies carry ids; only
``instance.received`` carries header facts, so the broker's disk holds patient data.
"""

from schemas.messages.commitment import CommitmentChanged, CommitmentReported, CommitmentRequested, ReportSent
from schemas.messages.delivery import InstanceDelivered, InstanceUnusable
from schemas.messages.envelope import Envelope, Message, MessageError
from schemas.messages.instance import AssociationEnded, InstanceDeleted, InstanceReceived, InstanceStored, Receipt
from schemas.messages.registry import REGISTRY, decode
from schemas.messages.request import RequestMade

__all__ = [
    "REGISTRY",
    "AssociationEnded",
    "CommitmentChanged",
    "CommitmentReported",
    "CommitmentRequested",
    "Envelope",
    "InstanceDeleted",
    "InstanceDelivered",
    "InstanceReceived",
    "InstanceStored",
    "InstanceUnusable",
    "Message",
    "MessageError",
    "Receipt",
    "ReportSent",
    "RequestMade",
    "decode",
]

"""Messages about deliveries."""

from typing import ClassVar, Literal
from uuid import UUID

from schemas.messages.envelope import Message


class InstanceDelivered(Message):
    """A delivery ended with the instance at its destination; ``commit_on`` is the station to ask for its commitment.

    Nobody is told of a delivery about which nobody is to be asked.
    """

    TYPE: ClassVar[str] = "instance.delivered"
    VERSION: ClassVar[int] = 1

    delivery: int
    job: UUID
    destination: str
    sop_instance_uid: str
    revision: int
    study_instance_uid: str
    outcome: Literal["DELIVERED", "WARNED"]
    commit_on: str | None = None


class InstanceUnusable(Message):
    """What is stored of an instance was missing, or not what was received, when it was to be sent."""

    TYPE: ClassVar[str] = "instance.unusable"
    VERSION: ClassVar[int] = 1

    object_key: str
    sop_instance_uid: str
    revision: int

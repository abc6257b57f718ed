"""Messages about one received SOP instance."""

from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.messages.envelope import Message

Disposition = Literal["NEW", "REVISION", "KEPT", "HELD", "DUPLICATE", "RETURNED", "RECOVERED"]
"""What storage decided about an instance.

NEW and REVISION are routed. KEPT (policy *keep*), HELD (policy *hold*, or only another transfer syntax), RETURNED
(came back from a station we delivered that UID to) and RECOVERED (found after a restore) are indexed but not routed.
DUPLICATE (same SOP Instance UID and SHA-256) adds nothing but wakes FAILED, UNKNOWN and waiting deliveries.
"""


class Receipt(BaseModel):
    """What ingest knows of an instance at the moment it becomes durable; also written into its file meta.

    ``sha256`` is the hex digest of the data set exactly as received (without preamble and file meta), ``size`` its
    length in bytes and ``offset`` where it begins in the object. ``configuration`` numbers the snapshot and
    ``rule_set`` the rule set live at receipt (0: none applied yet). ``status`` is the DIMSE status answered.
    ``corrects`` is the revision that a person corrected, from which storage wrote this one; ``association`` is the
    request then, and the rest but the rule set is that revision's.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    object_key: str
    received_at: AwareDatetime
    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)
    offset: int = Field(ge=0)
    peer_address: str
    calling_aet: str
    called_aet: str
    association: str
    configuration: int
    rule_set: int
    status: int = 0
    findings: list[str] = Field(default_factory=list)
    corrects: int | None = None


class InstanceReceived(Message):
    """An instance is durable in the object store. ``facts`` are its header facts (services.dicom.facts)."""

    TYPE: ClassVar[str] = "instance.received"
    VERSION: ClassVar[int] = 1

    receipt: Receipt
    facts: dict[str, Any]


class InstanceStored(Message):
    """Storage has recorded a receipt. (``received_at``, ``object_key``) is the key of its row."""

    TYPE: ClassVar[str] = "instance.stored"
    VERSION: ClassVar[int] = 1

    received_at: AwareDatetime
    object_key: str
    sop_instance_uid: str
    revision: int
    study_instance_uid: str
    disposition: Disposition


class InstanceDeleted(Message):
    """Storage has begun to delete one content of an instance: it is hidden from then on, its object goes later."""

    TYPE: ClassVar[str] = "instance.deleted"
    VERSION: ClassVar[int] = 1

    sop_instance_uid: str
    revision: int
    study_instance_uid: str


class AssociationEnded(Message):
    """An incoming association ended (published best effort): ids and counts only."""

    TYPE: ClassVar[str] = "association.ended"
    VERSION: ClassVar[int] = 1

    association: str
    calling_aet: str
    called_aet: str
    peer_address: str
    started_at: AwareDatetime
    outcome: Literal["RELEASED", "ABORTED_BY_PEER", "ABORTED", "CONNECTION_LOST"]
    stored: int
    failed: int

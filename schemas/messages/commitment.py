"""Messages about storage commitment. Rows and objects are the truth: each of these may be lost, repeated, reordered."""

from typing import ClassVar, Literal
from uuid import UUID

from schemas.messages.envelope import Message


class CommitmentReported(Message):
    """A peer's N-EVENT-REPORT lies durably under ``object_key`` (``schemas.commitment.CommitmentReport``)."""

    TYPE: ClassVar[str] = "commitment.reported"
    VERSION: ClassVar[int] = 1

    object_key: str


class CommitmentRequested(Message):
    """A peer's N-ACTION lies durably under ``object_key`` (``schemas.commitment.CommitmentRequest``)."""

    TYPE: ClassVar[str] = "commitment.requested"
    VERSION: ClassVar[int] = 1

    object_key: str


class ReportSent(Message):
    """What a peer asked us to commit was reported to it on the association of its request, and answered ``status``."""

    TYPE: ClassVar[str] = "commitment.report-sent"
    VERSION: ClassVar[int] = 1

    inbound: UUID
    status: int


class CommitmentChanged(Message):
    """A commitment that we asked for changed its state. The counts are its instances."""

    TYPE: ClassVar[str] = "commitment.changed"
    VERSION: ClassVar[int] = 1

    commitment: UUID
    study_instance_uid: str
    destination: str
    server: str
    state: Literal["QUEUED", "UNANSWERED", "WAITING FOR COMMITMENT", "SUCCESS", "FAILURE"]
    committed: int
    failed: int
    pending: int

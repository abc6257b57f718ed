"""A commitment report as it was received: what ingest writes below ``FOLDER`` of the object store (R107, R135).

One object a report, under a key of our own, ``reports/<yyyy>/<mm>/<dd>/<hh>/<id>.json``: UTF-8 JSON of this model. It
is written once and never changed; who handles it, not who receives it, compares it with what was asked.
"""

from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

FOLDER: Final = "reports"
COMPLETE, WITH_FAILURES = 1, 2
"""Event types of PS3.4 J.3.3.1."""

_FROZEN = ConfigDict(extra="ignore", frozen=True)


class ReportError(Exception):
    """The bytes are no commitment report. The text names the places that are wrong."""


class ReportedInstance(BaseModel):
    """An instance the report names. ``failure_reason`` is the peer's code (R136), None where it is committed."""

    model_config = _FROZEN

    sop_class_uid: str
    sop_instance_uid: str
    failure_reason: int | None = None


class CommitmentReport(BaseModel):
    """What a peer said in one N-EVENT-REPORT. Nothing in it is proved: any known station may send it.

    ``transaction_uid`` is what the peer names, whether we ever asked for it or not. ``event_type`` is COMPLETE or
    WITH_FAILURES; ``committed`` is its Referenced SOP Sequence, ``failed`` its Failed SOP Sequence. Retrieve AE Title
    and media attributes are left out (R135).
    """

    model_config = _FROZEN

    received_at: AwareDatetime
    peer_address: str
    calling_aet: str
    called_aet: str
    association: str
    event_type: int
    transaction_uid: str
    committed: list[ReportedInstance] = Field(default_factory=list)
    failed: list[ReportedInstance] = Field(default_factory=list)

    def encode(self) -> bytes:
        """As it is written."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, data: bytes) -> "CommitmentReport":
        """Read an object. Raises ``ReportError``."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as fault:
            places = sorted({".".join(str(part) for part in error["loc"]) for error in fault.errors()})
            raise ReportError(f"no commitment report, wrong at: {', '.join(places)[:200]}") from fault

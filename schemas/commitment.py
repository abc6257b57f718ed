"""Storage commitment as it was received: what is written below two folders of the object store (R107, R135; PS3.4 J.3).

One object a message, under a key of our own, ``<folder>/<yyyy>/<mm>/<dd>/<hh>/<id>.json``: UTF-8 JSON of its model. It
is written once and never changed; who handles it, not who receives it, compares it with what is known.
"""

from typing import Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

REPORTS: Final = "reports"
"""Folder of what peers report (N-EVENT-REPORT)."""
REQUESTS: Final = "requests"
"""Folder of what peers ask us to commit (N-ACTION)."""
COMPLETE, WITH_FAILURES = 1, 2
"""Event types of PS3.4 J.3.3.1."""

_FROZEN = ConfigDict(extra="ignore", frozen=True)


class UnreadableObject(Exception):
    """The bytes are not what their folder holds. The text names the places that are wrong."""


class ReportedInstance(BaseModel):
    """An instance the report names. ``failure_reason`` is the peer's code (R136), None where it is committed."""

    model_config = _FROZEN

    sop_class_uid: str
    sop_instance_uid: str
    failure_reason: int | None = None


class RequestedInstance(BaseModel):
    """An instance a request names."""

    model_config = _FROZEN

    sop_class_uid: str
    sop_instance_uid: str


class _Received(BaseModel):
    """How a message came. Nothing in it is proved: any known station may send it."""

    model_config = _FROZEN

    received_at: AwareDatetime
    peer_address: str
    calling_aet: str
    called_aet: str
    association: str
    transaction_uid: str

    def encode(self) -> bytes:
        """As it is written."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read an object. Raises ``UnreadableObject``."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as fault:
            places = sorted({".".join(str(part) for part in error["loc"]) for error in fault.errors()})
            raise UnreadableObject(f"no {cls.__name__}, wrong at: {', '.join(places)[:200]}") from fault


class CommitmentReport(_Received):
    """What a peer said in one N-EVENT-REPORT.

    ``transaction_uid`` is what the peer names, whether we ever asked for it or not. ``event_type`` is COMPLETE or
    WITH_FAILURES; ``committed`` is its Referenced SOP Sequence, ``failed`` its Failed SOP Sequence. Retrieve AE Title
    and media attributes are left out (R135).
    """

    event_type: int
    committed: list[ReportedInstance] = Field(default_factory=list)
    failed: list[ReportedInstance] = Field(default_factory=list)


class CommitmentRequest(_Received):
    """What a peer asked us to commit in one N-ACTION (PS3.4 J.3.2).

    Until ``reports_until``, by the clock of who received it, the report may come on the association of the request;
    None: it comes on a new one in any case.
    """

    reports_until: AwareDatetime | None = None
    instances: list[RequestedInstance]

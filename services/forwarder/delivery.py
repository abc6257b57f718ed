"""A claimed delivery, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.dicom.transforming.transformation import Transformation
from services.forwarder.classify import Verdict
from services.forwarder.states import State

GONE: Final = "the instance was deleted or erased: there is nothing to send"
"""Why a delivery fails whose instance storage keeps no more."""


def named(schedule: Sequence[str]) -> tuple[str, str]:
    """A schedule as kind and name, as holds have them (pure)."""
    return "schedule", "; ".join(schedule)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the ledger that this process holds the lease of. Times are the database's.

    ``rule`` sends it, in the windows of its ``schedule``, of what ``source`` sent; all are empty where a person asked
    for it. ``skip_present``: whether its job wants the station asked first what it has; None: as the station says.
    ``receipt_key`` is the object of the receipt that it came of; ``object_key`` that which is there to be sent now.
    """

    received_at: datetime
    id: int
    sop_instance_uid: str
    revision: int
    destination: str
    job: UUID
    study_instance_uid: str
    object_key: str
    data_set_offset: int
    size: int
    sha256: str
    sop_class_uid: str
    transfer_syntax_uid: str
    priority: int
    attempts: int
    reason: str
    waiting_since: datetime
    claimed_at: datetime
    state_before: State
    rule: str = ""
    source: str = ""
    schedule: Sequence[str] | None = None
    transformation: Transformation | None = None
    series_instance_uid: str = ""
    skip_present: bool | None = None
    receipt_key: str = ""

    @property
    def context(self) -> tuple[str, str]:
        """What it needs of an association: (SOP class, transfer syntax)."""
        return self.contexts[0]

    @property
    def contexts(self) -> list[tuple[str, str]]:
        """What it may be sent in, the preferred one first: as received, unless a rule wants otherwise."""
        received = self.transfer_syntax_uid
        ways = (received,) if self.transformation is None else self.transformation.ways(received)
        return [(self.sop_class_uid, syntax) for syntax in ways]

    @property
    def holdable_by(self) -> frozenset[tuple[str, str]]:
        """Kind and name of the holds that would keep it, and of its schedule."""
        return frozenset(
            (("station", self.destination), ("rule", self.rule), ("source", self.source), named(self.schedule or ()))
        )


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent instead of what is stored. ``uids``: those of study, series and instance that are new, by the old
    ones; they are all that is known where the station had it already."""

    uids: dict[str, str]
    sha256: str | None = None
    size: int | None = None
    transfer_syntax: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an association made of a delivery. ``answered``: the destination itself said so; ``note``: how what was sent
    differs from what is stored, or ""."""

    delivery: Delivery
    verdict: Verdict
    association: str = ""
    milliseconds: int = 0
    answered: bool = False
    note: str = ""
    sent: Sent | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What is written: the state after, and when it may be tried again.

    ``keep``: the delivery keeps its place in the order; ``delay`` in seconds, None: until a person decides.
    ``tried`` is 1 when it counts as an attempt; ``note`` is the attempt's: how what was sent differs from what is
    stored. ``unusable``: nothing could be sent of what is stored.
    """

    delivery: Delivery
    state: State
    status: int | None
    reason: str
    tried: int
    keep: bool
    delay: float | None
    association: str
    milliseconds: int
    note: str = ""
    sent: Sent | None = None
    unusable: bool = False

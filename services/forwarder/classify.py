"""What an answer or a failure means for a delivery (pure).

Statuses of C-STORE: PS3.4 B.2.3 and PS3.7 C; A7xx is out of resources and may pass, B0xx warns and has stored, A9xx
and Cxxx refuse this very object. 0111 (duplicate SOP instance) says that the receiver has it.
"""

from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum

from services.dicom.status import StatusClass, classify, statuses, told
from services.forwarder.states import Event

DUPLICATE_SOP_INSTANCE = 0x0111
PASSING = frozenset({*statuses("A7xx"), *statuses("0110"), *statuses("0213")})
"""What is tried again where the station says nothing else: out of resources, processing failure, resource limitation
(PS3.4 B.2.3, PS3.7 C.5)."""


class Failing(StrEnum):
    """A failure that is no answer; which of them are tried again is the station's ``retry_errors``."""

    UNREACHABLE = "unreachable"  # no association: no connection, or rejected transiently
    REJECTED = "rejected"  # the association was rejected permanently
    BROKEN_OFF = "broken-off"  # it ended while an instance was sent or its answer waited for


@dataclass(frozen=True)
class Verdict:
    """What happens to the delivery, and why in words for a person (status included).

    ``unusable``: the stored object is damaged or away; that is not postponed for long.
    """

    event: Event
    reason: str = ""
    status: int | None = None
    unusable: bool = False
    failing: Failing | None = None


def classify_status(
    status: int, comment: str = "", profile: str = "gateway", retried: Container[int] = PASSING
) -> Verdict:
    """The verdict on a C-STORE response. ``comment`` is the receiver's Error Comment (0000,0902), ``retried`` are the
    failures after which the station is tried again.

    A warning says that the receiver has the instance, and is never tried again. Profile ``xeleris`` counts everything
    but Success as failed (R46, R47), warnings and out of resources included: people try again.
    """
    if status == 0:
        return Verdict(Event.DELIVER, "", status)
    reason = told(status, comment)
    if profile == "xeleris":
        return Verdict(Event.REFUSE, reason, status)
    if status == DUPLICATE_SOP_INSTANCE:
        return Verdict(Event.DELIVER, reason, status)
    if classify(status) is StatusClass.WARNING:
        return Verdict(Event.WARN, reason, status)
    if status in retried:
        return Verdict(Event.POSTPONE, reason, status)
    return Verdict(Event.REFUSE, reason, status)


@dataclass(frozen=True)
class Trouble:
    """What a failed association means for its destination.

    ``slow``: trying again soon is useless (permanent rejection). ``alarm``: a person has to look.
    """

    reason: str
    slow: bool = False
    alarm: bool = False
    failing: Failing = Failing.UNREACHABLE


REJECTION_SOURCES = {1: "user", 2: "ACSE provider", 3: "presentation provider"}
REJECTION_REASONS = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognized",
    (1, 7): "called AE title not recognized",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}


def classify_rejection(result: int, source: int, reason: int) -> Trouble:
    """An A-ASSOCIATE-RJ (PS3.8 9.3.4): result 1 is permanent, 2 transient."""
    why = REJECTION_REASONS.get((source, reason), f"reason {reason} of {REJECTION_SOURCES.get(source, 'unknown')}")
    kind = "transiently" if result == 2 else "permanently"
    text = f"association rejected {kind} ({result},{source},{reason}): {why}"
    if result == 2:
        return Trouble(text)
    return Trouble(text, slow=True, alarm=True, failing=Failing.REJECTED)


def classify_loss(phase: str, detail: str) -> Verdict:
    """An association that ended under a C-STORE: only after the whole data set was sent may the receiver have it."""
    if phase == "response":
        return Verdict(Event.LOSE_ANSWER, f"the answer was lost: {detail}", failing=Failing.BROKEN_OFF)
    return Verdict(Event.POSTPONE, f"the association ended while sending: {detail}", failing=Failing.BROKEN_OFF)


def classify_unusable(why: str) -> Verdict:
    """The stored object is damaged or away: the same content sent again may mend it within seconds."""
    return Verdict(Event.POSTPONE, f"object: {why}", unusable=True)


def classify_context(sop_class_uid: str, transfer_syntax_uid: str, *, proposed: bool = True) -> Verdict:
    """There is no presentation context for the object: the station accepted none, or the profile proposes none."""
    why = "not accepted" if proposed else "the profile proposes no context for it"
    return Verdict(Event.REFUSE, f"{why}: SOP class {sop_class_uid} with transfer syntax {transfer_syntax_uid}")

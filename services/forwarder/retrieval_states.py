"""What a C-MOVE of ours ends in, and what that makes of its job, as tables (pure; R66, R68, R70)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.dicom.commands import C_MOVE
from services.dicom.pending import Progress
from services.dicom.status import StatusClass, classify, name
from services.forwarder.states import JobState


class MoveState(StrEnum):
    """What is known of one C-MOVE."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    WARNED = "WARNED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


OPEN: Final = frozenset({MoveState.PENDING, MoveState.ACTIVE})
STATES: Final[dict[StatusClass, MoveState]] = {
    StatusClass.SUCCESS: MoveState.COMPLETED,
    StatusClass.WARNING: MoveState.WARNED,
    StatusClass.CANCEL: MoveState.CANCELED,
    StatusClass.FAILURE: MoveState.FAILED,
}
MOST_TAKEOVERS: Final = 3


@dataclass(frozen=True)
class MoveEnd:
    """How a C-MOVE ended. ``refused``: the association is ended (R68)."""

    state: MoveState
    reason: str = ""
    status: int | None = None
    refused: bool = False


def move_end(status: int, comment: str, progress: Progress) -> MoveEnd:
    """What the final status of a C-MOVE means; ``comment`` is the source's Error Comment (0000,0902)."""
    state = STATES[classify(status)]
    if state is MoveState.COMPLETED:
        return MoveEnd(state, "", status)
    text = f"C-MOVE answered {status:04X} ({name(status, C_MOVE)})"
    if state is MoveState.WARNED:
        text = f"warning: {text}{_counts(progress)}"
    printable = "".join(each if each.isprintable() else " " for each in comment).strip()
    return MoveEnd(state, f"{text}: {printable[:64]}" if printable else text, status, _refused(status))


def _refused(status: int) -> bool:
    """A7xx and A801 are called Refused (status_codes of the conformance data, PS3.4 C.4.2.1.5)."""
    return status & 0xFF00 == 0xA700 or status == 0xA801


def _counts(progress: Progress) -> str:
    numbers = (("completed", progress.completed), ("failed", progress.failed), ("with warnings", progress.warned))
    told = ", ".join(f"{number} {what}" for what, number in numbers if number is not None)
    return f", {told}" if told else ""


@dataclass(frozen=True)
class JobEnd:
    """How a job ended, with its reason."""

    state: JobState
    reason: str = ""


def job_end(moves: Sequence[tuple[MoveState, str]]) -> JobEnd | None:
    """What the states and reasons of its C-MOVEs make of a job that nobody cancelled; None while one is open.

    FAILED as soon as one failed; CANCELED if the source ended one so (FE00); a warning completes it and is its reason.
    """
    if any(state in OPEN for state, _ in moves):
        return None
    for wanted, becomes in (
        (MoveState.FAILED, JobState.FAILED),
        (MoveState.CANCELED, JobState.CANCELED),
        (MoveState.WARNED, JobState.COMPLETED),
    ):
        reasons = [reason for state, reason in moves if state is wanted]
        if reasons:
            several = f"{len(reasons)} of {len(moves)}: " if len(moves) > 1 else ""
            return JobEnd(becomes, several + reasons[0])
    return JobEnd(JobState.COMPLETED)

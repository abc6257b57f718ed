"""What the statuses of C-MOVE make of a request and of its job (R66, R68, R70)."""

import pytest

from services.dicom.pending import Progress
from services.forwarder.retrieval_states import JobEnd, MoveState, job_end, move_end
from services.forwarder.states import JobState

COMPLETED, WARNED, FAILED, CANCELED, PENDING, ACTIVE = (
    MoveState[name] for name in ("COMPLETED", "WARNED", "FAILED", "CANCELED", "PENDING", "ACTIVE")
)


@pytest.mark.parametrize(
    ("status", "state", "refused", "words"),
    [
        (0x0000, COMPLETED, False, ""),
        (0xB000, WARNED, False, "warning: C-MOVE answered B000 (Sub-operations Complete - One or more Failures)"),
        (0xFE00, CANCELED, False, "C-MOVE answered FE00 (Sub-operations terminated due to a Cancel indication)"),
        (0xA701, FAILED, True, "Refused: Out of resources - Unable to calculate number of matches"),
        (0xA702, FAILED, True, "Refused: Out of resources - Unable to perform sub-operations"),
        (0xA801, FAILED, True, "Refused: Move Destination Unknown"),
        (0xA900, FAILED, False, "Error: Identifier does not match SOP Class"),
        (0xC000, FAILED, False, "Error: Unable to process"),
        (0xC123, FAILED, False, "C-MOVE answered C123"),
        (0x0122, FAILED, False, "SOP Class Not Supported"),
        (0x1234, FAILED, False, "undefined failure"),
    ],
)
def test_each_status(status: int, state: MoveState, refused: bool, words: str) -> None:
    end = move_end(status, "", Progress())
    assert (end.state, end.refused, end.status) == (state, refused, status)
    assert words in end.reason
    assert bool(end.reason) == bool(words)


def test_a_warning_tells_its_numbers_and_a_failure_the_comment() -> None:
    assert move_end(0xB000, "", Progress(None, 3, 1, 0)).reason.endswith(", 3 completed, 1 failed, 0 with warnings")
    assert move_end(0xA702, "no\nroom", Progress()).reason.endswith(": no room")


@pytest.mark.parametrize(
    ("moves", "end"),
    [
        ([(COMPLETED, "")], JobEnd(JobState.COMPLETED)),
        ([(WARNED, "w")], JobEnd(JobState.COMPLETED, "w")),
        ([(FAILED, "f")], JobEnd(JobState.FAILED, "f")),
        ([(CANCELED, "c")], JobEnd(JobState.CANCELED, "c")),
        ([(COMPLETED, ""), (FAILED, "f"), (WARNED, "w")], JobEnd(JobState.FAILED, "1 of 3: f")),
        ([(COMPLETED, ""), (WARNED, "w")], JobEnd(JobState.COMPLETED, "1 of 2: w")),
        ([(COMPLETED, ""), (CANCELED, "c")], JobEnd(JobState.CANCELED, "1 of 2: c")),
        ([(FAILED, "f"), (PENDING, "")], None),
        ([(ACTIVE, "")], None),
    ],
)
def test_what_they_make_of_a_job(moves: list[tuple[MoveState, str]], end: JobEnd | None) -> None:
    assert job_end(moves) == end

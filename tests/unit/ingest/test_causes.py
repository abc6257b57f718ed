"""The status table of profile gateway, and what it promises about every answer."""

import pytest

from services.dicom.status import FAILURE, classify
from services.ingest.causes import ANSWERS, Cause

TABLE = {
    "store-full": 0xA700,
    "write-failed": 0xA700,
    "clock-wrong": 0xA700,
    "fault": 0x0110,
    "no-data-set": 0xC000,
    "empty-data-set": 0xC000,
    "unparsable": 0xC000,
    "too-large": 0xA700,
    "class-not-of-context": 0x0122,
    "class-differs": 0xA900,
    "uid-differs": 0xA900,
    "uid-missing": 0x0117,
    "uid-illegal": 0x0117,
    "revision-refused": 0x0111,
    "revision-unknown": 0xA700,
}


def test_every_cause_has_its_status() -> None:
    assert {cause.value: ANSWERS[cause].status for cause in Cause} == TABLE


@pytest.mark.parametrize("cause", Cause)
def test_every_answer_is_a_failure_with_a_comment_that_fits(cause: Cause) -> None:
    answer = ANSWERS[cause]
    assert classify(answer.status) is FAILURE
    assert 0 < len(answer.comment) <= 64
    assert answer.comment.isascii()
    assert answer.comment.isprintable()

"""The status table of both profiles, and what it promises about every answer."""

import errno

import pytest

from services.dicom.status import FAILURE, classify
from services.ingest.causes import ANSWERS, Cause, cause_of
from services.runtime.errors import StoreFailed, StoreFull, Unavailable
from services.runtime.objects import store_error

TABLE = {
    "store-full": (0xA700, 0xA700),
    "short-of-resources": (0xA700, 0xA700),
    "write-failed": (0xA710, 0xA700),
    "clock-wrong": (0xA700, 0xA700),
    "fault": (0xA720, 0x0110),
    "no-data-set": (0xA730, 0xC000),
    "empty-data-set": (0xA730, 0xC000),
    "unparsable": (0xA730, 0xC000),
    "too-large": (0xA700, 0xA700),
    "pixel-data-missing": (0xA740, 0xA900),
    "pixel-data-short": (0xA740, 0xA900),
    "findings": (0xA900, 0xC000),
    "pet-raw-without-destination": (0xA760, 0xA760),
    "class-not-of-context": (0xA900, 0x0122),
    "class-differs": (0xA900, 0xA900),
    "uid-differs": (0xC000, 0xA900),
    "uid-missing": (0xC000, 0x0117),
    "uid-illegal": (0xC000, 0x0117),
    "revision-refused": (0xC000, 0x0111),
    "revision-unknown": (0xA700, 0xA700),
}
"""Profile xeleris, profile gateway."""

STATED = {0xA700, 0xA710, 0xA720, 0xA730, 0xA740, 0xA760, 0xA900, 0xC000}
"""What the statement lets the Store SCP answer (R95), and A760 (notes A24)."""


def test_every_cause_has_its_status() -> None:
    xeleris, gateway = ANSWERS["xeleris"], ANSWERS["gateway"]
    assert {cause.value: (xeleris[cause].status, gateway[cause].status) for cause in Cause} == TABLE


def test_profile_xeleris_answers_what_the_statement_lists() -> None:
    assert {answer.status for answer in ANSWERS["xeleris"].values()} <= STATED


@pytest.mark.parametrize("profile", ANSWERS)
@pytest.mark.parametrize("cause", Cause)
def test_every_answer_is_a_failure_with_a_comment_that_fits(profile: str, cause: Cause) -> None:
    answer = ANSWERS[profile][cause]
    assert classify(answer.status) is FAILURE
    assert 0 < len(answer.comment) <= 64
    assert answer.comment.isascii()
    assert answer.comment.isprintable()


def test_errors_have_their_cause() -> None:
    no_memory = store_error("create", "objects/1.dcm", OSError(errno.ENOMEM, "memory"))
    no_memory.__cause__ = OSError(errno.ENOMEM, "memory")
    assert cause_of(MemoryError()) is Cause.SHORT_OF_RESOURCES
    assert cause_of(no_memory) is Cause.SHORT_OF_RESOURCES
    assert cause_of(OSError(errno.EMFILE, "descriptors")) is Cause.SHORT_OF_RESOURCES
    assert cause_of(StoreFull("no room")) is Cause.STORE_FULL
    assert cause_of(StoreFailed("I/O error")) is Cause.WRITE_FAILED
    assert cause_of(Unavailable("S3 is away")) is Cause.WRITE_FAILED
    assert cause_of(OSError(errno.EBADF, "descriptor")) is Cause.WRITE_FAILED
    assert cause_of(RuntimeError("bug")) is Cause.FAULT

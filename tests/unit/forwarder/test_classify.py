"""What each answer means for a delivery and each failure for its destination."""

import pytest

from services.dicom.status import statuses
from services.forwarder.classify import (
    Failing,
    classify_context,
    classify_loss,
    classify_rejection,
    classify_status,
)
from services.forwarder.states import Event


@pytest.mark.parametrize(
    ("status", "event"),
    [
        (0x0000, Event.DELIVER),
        (0x0111, Event.DELIVER),
        (0xB000, Event.WARN),
        (0xB006, Event.WARN),
        (0xB007, Event.WARN),
        (0xBFFF, Event.WARN),
        (0x0001, Event.WARN),
        (0x0107, Event.WARN),
        (0x0116, Event.WARN),
        (0xA700, Event.POSTPONE),
        (0xA701, Event.POSTPONE),
        (0xA7FF, Event.POSTPONE),
        (0x0110, Event.POSTPONE),
        (0x0213, Event.POSTPONE),
        (0xA900, Event.REFUSE),
        (0xA9FF, Event.REFUSE),
        (0xA800, Event.REFUSE),
        (0xC000, Event.REFUSE),
        (0xCFFF, Event.REFUSE),
        (0x0122, Event.REFUSE),
        (0x0117, Event.REFUSE),
        (0x0124, Event.REFUSE),
        (0x0106, Event.REFUSE),
        (0xFE00, Event.REFUSE),
        (0xFF00, Event.REFUSE),
        (0x1234, Event.REFUSE),
    ],
)
def test_status(status: int, event: Event) -> None:
    verdict = classify_status(status)
    assert verdict.event is event
    assert verdict.status == status
    assert (f"{status:04X}" in verdict.reason) == (status != 0)


@pytest.mark.parametrize(
    ("status", "event"),
    [
        (0x0122, Event.POSTPONE),
        (0xC123, Event.POSTPONE),
        (0xA700, Event.REFUSE),
        (0xB000, Event.WARN),
        (0x0111, Event.DELIVER),
    ],
)
def test_a_station_says_which_failures_are_tried_again(status: int, event: Event) -> None:
    """What the receiver has is never sent again, whatever is set."""
    retried = {0x0111, 0xB000, *statuses("0122"), *statuses("Cxxx")}
    assert classify_status(status, retried=retried).event is event
    assert classify_status(status, retried=retried, profile="xeleris").event is Event.REFUSE


@pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007, 0x0107, 0xA700, 0xA770, 0x0110, 0x0111, 0xC000])
def test_everything_but_success_fails_in_profile_xeleris(status: int) -> None:
    """R46, R47."""
    assert classify_status(status, profile="xeleris").event is Event.REFUSE


def test_a_duplicate_at_the_receiver_is_delivered_with_a_note() -> None:
    assert "0111" in classify_status(0x0111).reason


def test_the_receivers_comment_is_kept_without_control_characters() -> None:
    assert classify_status(0xA700, "disk\nfull\x1b").reason.endswith(": disk full")


@pytest.mark.parametrize(
    ("codes", "slow", "words"),
    [
        ((1, 1, 7), True, "called AE title not recognized"),
        ((1, 1, 3), True, "calling AE title not recognized"),
        ((1, 1, 1), True, "no reason given"),
        ((1, 3, 2), True, "local limit exceeded"),
        ((2, 3, 1), False, "temporary congestion"),
        ((2, 3, 2), False, "local limit exceeded"),
        ((2, 1, 1), False, "no reason given"),
        ((2, 9, 9), False, "reason 9 of unknown"),
    ],
)
def test_rejection(codes: tuple[int, int, int], slow: bool, words: str) -> None:
    trouble = classify_rejection(*codes)
    assert (trouble.slow, trouble.alarm) == (slow, slow)
    assert trouble.failing is (Failing.REJECTED if slow else Failing.UNREACHABLE)
    assert words in trouble.reason
    assert "({},{},{})".format(*codes) in trouble.reason


@pytest.mark.parametrize(
    ("phase", "event"),
    [
        ("response", Event.LOSE_ANSWER),
        ("request", Event.POSTPONE),
        ("negotiate", Event.POSTPONE),
        ("connect", Event.POSTPONE),
    ],
)
def test_loss(phase: str, event: Event) -> None:
    assert classify_loss(phase, "gone").event is event
    assert classify_loss(phase, "gone").failing is Failing.BROKEN_OFF


def test_a_context_that_was_not_accepted_names_class_and_syntax() -> None:
    verdict = classify_context("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1")
    assert verdict.event is Event.REFUSE
    assert "not accepted" in verdict.reason
    assert "1.2.840.10008.5.1.4.1.1.2" in verdict.reason
    assert "1.2.840.10008.1.2.1" in verdict.reason

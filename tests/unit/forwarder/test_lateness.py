"""What becomes of what comes after its series or study was complete."""

from datetime import UTC, datetime, timedelta

import pytest

from services.forwarder.lateness import Course, Lateness, decide

RELEASED = datetime(2026, 1, 31, 12, tzinfo=UTC)
SOON, LATER = timedelta(hours=1), timedelta(days=8)


@pytest.mark.parametrize(
    ("late", "within", "after", "course", "reason"),
    [
        ("new", None, LATER, Course.JOIN, ""),
        ("all", None, LATER, Course.ALL_AGAIN, ""),
        ("never", None, SOON, Course.WITHHOLD, "late: it came when what the rule sends was complete"),
        ("new", "7d", SOON, Course.JOIN, ""),
        ("new", "7d", LATER, Course.WITHHOLD, "late: it came after the 7d of late_within"),
        ("all", "1w", SOON, Course.ALL_AGAIN, ""),
        ("all", "1w", LATER, Course.WITHHOLD, "late: it came after the 1w of late_within"),
        ("all", "8d", LATER, Course.ALL_AGAIN, ""),
        ("never", None, timedelta(0), Course.JOIN, ""),
        ("never", None, -SOON, Course.JOIN, ""),
    ],
)
def test_what_becomes_of_it(late: str, within: str | None, after: timedelta, course: Course, reason: str) -> None:
    """What was received before the release and evaluated after it is not late."""
    decision = decide(Lateness(late, within), RELEASED + after, RELEASED)
    assert (decision.course, decision.reason[: len(reason)] if reason else decision.reason) == (course, reason)


@pytest.mark.parametrize("late", ["new", "all", "never"])
def test_nothing_is_late_for_what_was_never_released(late: str) -> None:
    assert decide(Lateness(late, "1s"), RELEASED, None).course is Course.JOIN

"""Times as people write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.admin.when import When, when_of
from services.runtime.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", When(90, None)),
        ("30m", When(1800, None)),
        (" 2h ", When(7200, None)),
        ("7d", When(604_800, None)),
        ("2w", When(1_209_600, None)),
        ("2026-12-01", When(None, datetime(2026, 12, 1, tzinfo=UTC))),
        ("2026-12-01T07:00", When(None, datetime(2026, 12, 1, 7, tzinfo=UTC))),
        ("2026-12-01T07:00Z", When(None, datetime(2026, 12, 1, 7, tzinfo=UTC))),
        ("2026-12-01T07:00+01:00", When(None, datetime(2026, 12, 1, 7, tzinfo=timezone(timedelta(hours=1))))),
    ],
)
def test_spans_and_times(text: str, expected: When) -> None:
    assert when_of(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2",
        "0h",
        "-2h",
        "2 h",
        "1h30m",
        "tomorrow",
        "2026-13-01",
        "0001-01-01T00:00+14:00",
        "99999999w",
        "999999999w",
        "07:00",
    ],
)
def test_what_is_no_time_is_named_with_the_cure(text: str) -> None:
    with pytest.raises(UsageError, match="is no time; write a span such as 30m, 2h or 7d, or a time such as 2026"):
        when_of(text)

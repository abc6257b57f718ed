"""What people read of deliveries that wait."""

import pytest

from services.admin.status_text import shut

NIGHT = ["mon-fri 18:00-06:00 Europe/Zurich"]
EVENING = ["daily 12:00-22:00 Europe/Zurich"]
SUNDAY = ["sun 00:00-24:00 UTC"]


@pytest.mark.parametrize(
    ("kind", "rule", "station", "expected"),
    [
        ("rule", NIGHT, [], "waits for its schedule: opens 2026-11-30T18:00+01:00 (rule X)"),
        ("station", None, NIGHT, "waits for its schedule: opens 2026-11-30T18:00+01:00 (station X)"),
        ("rule", SUNDAY, None, "waits for its schedule: opens 2026-12-06T00:00+00:00 (rule X)"),
        ("station", EVENING, NIGHT, "waits for its schedule: opens 2026-11-30T18:00+01:00 (station X)"),
        (
            "station",
            ["sat 12:00-14:00 UTC"],
            SUNDAY,
            "waits for its schedule (station X), and rule and station are never open at once: change one of them",
        ),
        (
            "rule",
            ["daily 12:00-14:00 Utopia"],
            None,
            "waits for its schedule (rule X), which cannot be read: Utopia is no zone of the IANA time zone database; "
            "write one such as Europe/Zurich, or UTC",
        ),
    ],
)
def test_until_when_a_schedule_keeps_a_delivery(
    kind: str, rule: list[str] | None, station: list[str] | None, expected: str
) -> None:
    told = {"kind": kind, "name": "X", "rule_schedule": rule, "station_schedule": station, "at": "2026-11-30T12:00:00Z"}
    assert shut(told) == expected


def test_what_waits_for_no_schedule_says_nothing() -> None:
    assert shut(None) == ""

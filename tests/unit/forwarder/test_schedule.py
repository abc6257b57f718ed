"""Schedules: what is a window, when one is open, and what daylight saving does to it."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.schedule import all_open_at, canonical, opening, window

ZURICH = "Europe/Zurich"  # 2026: 02:00 to 03:00 on 29 March is skipped, and shown twice on 25 October
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def zurich(text: str) -> datetime:
    """A time with its offset there, such as ``2026-10-25T02:30+01:00``."""
    return datetime.fromisoformat(text).astimezone(UTC)


def changes(schedule: Sequence[str], begin: str, count: int) -> list[str]:
    """When it opens and closes next, by the clocks of Zurich."""
    at, found = zurich(begin), list[datetime]()
    while len(found) < count:
        now = opening(schedule, at)
        assert now.opens_at is not None
        assert now.closes_at is not None
        found += [each for each in (now.opens_at, now.closes_at) if each > at]
        at = found[-1]
    return [each.astimezone(ZoneInfo(ZURICH)).isoformat(timespec="minutes") for each in found[:count]]


@pytest.mark.parametrize(
    ("schedule", "begin", "expected"),
    [
        (  # nights of working days: the one of Friday ends on Saturday
            ["mon-fri 18:00-06:00"],
            "2026-11-26T12:00+01:00",
            ["2026-11-26T18:00+01:00", "2026-11-27T06:00+01:00", "2026-11-27T18:00+01:00", "2026-11-28T06:00+01:00",
             "2026-11-30T18:00+01:00"],
        ),
        (["sun-mon 00:00-24:00"], "2026-11-26T12:00+01:00", ["2026-11-29T00:00+01:00", "2026-12-01T00:00+01:00"]),
        (  # windows that touch or overlap are one
            ["sat 20:00-24:00", "sun 00:00-04:00", "sun 03:00-05:00"],
            "2026-11-26T12:00+01:00",
            ["2026-11-28T20:00+01:00", "2026-11-29T05:00+01:00", "2026-12-05T20:00+01:00"],
        ),
        (["daily 02:30-04:00"], "2026-03-28T12:00+01:00", ["2026-03-29T03:00+02:00", "2026-03-29T04:00+02:00"]),
        (["daily 01:00-02:30"], "2026-03-28T12:00+01:00", ["2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00"]),
        (  # the clocks skip the whole window
            ["daily 02:10-02:50"],
            "2026-03-28T12:00+01:00",
            ["2026-03-30T02:10+02:00", "2026-03-30T02:50+02:00"],
        ),
        (["sun 02:10-02:50"], "2026-03-28T12:00+01:00", ["2026-04-05T02:10+02:00", "2026-04-05T02:50+02:00"]),
        (["daily 02:30-04:00"], "2026-10-24T12:00+02:00", ["2026-10-25T02:30+02:00", "2026-10-25T04:00+01:00"]),
        (["daily 01:00-02:30"], "2026-10-24T12:00+02:00", ["2026-10-25T01:00+02:00", "2026-10-25T02:30+02:00"]),
        (["daily 02:10-02:50"], "2026-10-24T12:00+02:00", ["2026-10-25T02:10+02:00", "2026-10-25T02:50+02:00"]),
        (["daily 18:00-06:00"], "2026-03-28T12:00+01:00", ["2026-03-28T18:00+01:00", "2026-03-29T06:00+02:00"]),
    ],
)  # fmt: skip
def test_when_a_schedule_opens_and_closes(schedule: list[str], begin: str, expected: list[str]) -> None:
    in_zurich = [f"{text} {ZURICH}" for text in schedule]
    assert changes(in_zurich, begin, len(expected)) == expected


def test_zones_of_one_schedule_may_differ() -> None:
    schedule = ["daily 12:00-13:00 UTC", "daily 15:00-16:00 Asia/Tokyo"]
    assert changes(schedule, "2026-11-26T01:00+01:00", 4) == [
        "2026-11-26T07:00+01:00", "2026-11-26T08:00+01:00", "2026-11-26T13:00+01:00", "2026-11-26T14:00+01:00",
    ]  # fmt: skip


def test_what_is_always_open_never_changes() -> None:
    now = opening(["daily 06:00-18:00 UTC", "daily 18:00-06:00 UTC"], datetime(2026, 11, 26, tzinfo=UTC))
    assert (now.closed_at, now.opens_at, now.closes_at) == (None, None, None)
    assert now.open(datetime(2026, 11, 26, tzinfo=UTC))


@pytest.mark.parametrize(
    ("schedules", "expected"),
    [
        ([], "2026-11-26T12:00+00:00"),
        ([["daily 11:00-13:00 UTC"]], "2026-11-26T12:00+00:00"),
        ([["daily 18:00-06:00 UTC"], ["sat 00:00-24:00 UTC"]], "2026-11-28T00:00+00:00"),
        ([["daily 18:00-20:00 UTC"], ["daily 19:00-21:00 UTC"]], "2026-11-26T19:00+00:00"),
        ([["mon-fri 00:00-24:00 UTC"], ["sat 12:00-14:00 UTC"]], None),
    ],
)
def test_when_all_are_open(schedules: list[list[str]], expected: str | None) -> None:
    at = all_open_at(schedules, datetime(2026, 11, 26, 12, tzinfo=UTC))
    assert (at and at.isoformat(timespec="minutes")) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("18:00-06:00 Europe/Zurich", "write days, from-to and a time zone"),
        ("mon-fri 18:00-06:00", "write days, from-to and a time zone"),
        ("monday 18:00-06:00 UTC", "write days, from-to and a time zone"),
        ("mon,fri, 18:00-06:00 UTC", "write days, from-to and a time zone"),
        ("daily 6:00-18:00 UTC", "write days, from-to and a time zone"),
        ("daily 24:00-06:00 UTC", "from 00:00 to 23:59"),
        ("daily 06:00-24:01 UTC", "from 00:00 to 23:59"),
        ("daily 06:60-07:00 UTC", "from 00:00 to 23:59"),
        ("daily 06:00-06:00 UTC", "write 00:00-24:00 for whole days"),
        ("daily 06:00-07:00 Europe/Zuerich", "Europe/Zuerich is no zone of the IANA"),
        ("daily 06:00-07:00 +01:00", "is no zone of the IANA"),
        ("daily 06:00-07:00 ../../etc/localtime", "is no zone of the IANA"),
        ("daily 06:00-07:00 localtime", "is no zone of the IANA"),
        ("daily 06:00-07:00 Europe", "is no zone of the IANA"),
    ],
)
def test_what_is_no_window_says_how_one_is_written(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        window(text)


def test_a_window_is_kept_with_single_blanks() -> None:
    assert canonical("  mon,wed-fri   18:00-06:00 \tEtc/GMT+5 ") == "mon,wed-fri 18:00-06:00 Etc/GMT+5"


def minutes_of_day() -> st.SearchStrategy[int]:
    return st.integers(0, 24 * 60 - 1)


def clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


@settings(max_examples=30, deadline=None)
@given(
    zone=st.sampled_from([ZURICH, "America/Havana", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca"]),
    year=st.sampled_from([2025, 2026]),
    windows=st.lists(
        st.tuples(st.sets(st.integers(0, 6), min_size=1), minutes_of_day(), minutes_of_day()).filter(
            lambda window: window[1] != window[2]
        ),
        min_size=1,
        max_size=3,
    ),
    late=st.booleans(),
)
def test_a_walk_minute_by_minute_finds_the_same(
    zone: str, year: int, windows: list[tuple[set[int], int, int]], late: bool
) -> None:
    """Over days around a change of the clocks: what was reached is what a person there would have written down."""
    change = next(
        at
        for at in (datetime(year, 7 if late else 1, 2, tzinfo=UTC) + timedelta(days=n) for n in range(366))
        if (at + timedelta(days=1)).astimezone(ZoneInfo(zone)).utcoffset() != at.astimezone(ZoneInfo(zone)).utcoffset()
    )
    walk = [change - timedelta(days=2) + timedelta(minutes=minute) for minute in range(4 * 24 * 60)]
    shown = [at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for at in walk]
    latest, reached = shown[0], {shown[0]: walk[0]}
    for at, now in zip(walk, shown, strict=True):
        while latest < now:
            latest += timedelta(minutes=1)
            reached[latest] = at
    expected = set[datetime]()
    for days, begins, ends in windows:
        for day in {each.date() for each in reached}:
            midnight = datetime.combine(day, time())
            opens = reached.get(midnight + timedelta(minutes=begins))
            closes = reached.get(midnight + timedelta(minutes=ends if ends > begins else ends + 24 * 60))
            if day.weekday() in days and opens and closes:
                expected |= {at for at in walk if opens <= at < closes}
    schedule = [
        f"{','.join(DAYS[day] for day in days)} {clock(begins)}-{clock(ends)} {zone}" for days, begins, ends in windows
    ]
    middle = walk[24 * 60 + 60 : -24 * 60 - 60]  # whole windows around it lie in the walk
    found, now_at = set[datetime](), middle[0]
    while now_at < middle[-1]:
        now_open = opening(schedule, now_at)
        found |= {at for at in middle if at >= now_at and now_open.open(at)}
        now_at = now_open.closes_at or middle[-1]
    assert found == expected & set(middle)

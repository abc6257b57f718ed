"""Schedules: in which windows of the week something may be sent (pure).

A window is written ``mon-fri 18:00-06:00 Europe/Zurich``: days on which it opens (a list or range, or ``daily``), from
when to when by the clocks of a zone; beyond midnight where the end is not later than the beginning. It opens the first
time that those clocks reach its beginning on that day, and closes the first time that they reach its end: a time that
they skip is reached at the jump, and an hour that they show twice counts once.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MOST_WINDOWS: Final = 32
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY: Final = f"(?:{'|'.join(_DAYS)})"
_WINDOW: Final = re.compile(rf"(daily|{_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)*) (\d\d):(\d\d)-(\d\d):(\d\d) (\S+)")
_ZONE: Final = re.compile(r"(?!posix|right/|localtime|Factory)[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")
_EXAMPLE: Final = "such as mon-fri 18:00-06:00 Europe/Zurich or daily 20:00-24:00 UTC"
_MIDNIGHT: Final = 24 * 60
_AROUND: Final = timedelta(days=30)
"""Windows come again within a week, or two where a jump of the clocks skips one: farther away there is nothing new."""


@dataclass(frozen=True)
class Window:
    """Opens ``begins`` minutes after midnight of its days (Monday is 0), by the clocks of a zone, and closes ``ends``
    minutes after the same midnight, at most 24 hours later."""

    days: frozenset[int]
    begins: int
    ends: int
    zone: ZoneInfo

    def spans(self, around: datetime) -> Iterator[tuple[datetime, datetime]]:
        """When it opens and closes in the weeks around a time."""
        first = (around - _AROUND).astimezone(self.zone).date()
        for number in range(2 * _AROUND.days + 1):
            day = first + timedelta(days=number)
            if day.weekday() in self.days:
                yield self._reached(day, self.begins), self._reached(day, self.ends)

    def _reached(self, day: date, minutes: int) -> datetime:
        """The first instant at which the clocks there show so many minutes after a midnight, or more."""
        shown = datetime.combine(day, time()) + timedelta(minutes=minutes)
        at = shown.replace(tzinfo=self.zone).astimezone(UTC)
        if self._shown(at) == shown:
            return at
        before = shown.replace(tzinfo=self.zone, fold=1).astimezone(UTC)  # skipped: the jump lies between the two
        seconds = int((at - before).total_seconds())
        while seconds > 1:
            half = seconds // 2
            if self._shown(before + timedelta(seconds=half)) < shown:
                before += timedelta(seconds=half)
                seconds -= half
            else:
                seconds = half
        return before + timedelta(seconds=seconds)

    def _shown(self, at: datetime) -> datetime:
        return at.astimezone(self.zone).replace(tzinfo=None)


@dataclass(frozen=True)
class Opening:
    """A time in which a schedule is open: under way, or the next one. ``closed_at`` is when the one before ended. None:
    never, however far one looks."""

    closed_at: datetime | None
    opens_at: datetime | None
    closes_at: datetime | None

    def open(self, at: datetime) -> bool:
        """Whether it is under way."""
        return (self.opens_at is None or self.opens_at <= at) and (self.closes_at is None or at < self.closes_at)


@lru_cache(maxsize=1000)
def window(text: str) -> Window:
    """The window of a text.

    Raises:
        ValueError: it is none; the message says how to write one.
    """
    found = _WINDOW.fullmatch(" ".join(text.split()))
    if found is None:
        raise ValueError(f"write days, from-to and a time zone, {_EXAMPLE}")
    days, *numbers, zone = found.groups()
    from_hour, from_minute, to_hour, to_minute = map(int, numbers)
    begins, ends = from_hour * 60 + from_minute, to_hour * 60 + to_minute
    if max(from_minute, to_minute) > 59 or begins >= _MIDNIGHT or ends > _MIDNIGHT:
        raise ValueError("a time of day is written from 00:00 to 23:59, the end of a day 24:00")
    if begins == ends:
        raise ValueError("it ends when it begins; write 00:00-24:00 for whole days")
    return Window(frozenset(_days(days)), begins, ends if ends > begins else ends + _MIDNIGHT, _zone(zone))


def canonical(text: str) -> str:
    """A window as it is kept: with single blanks. Raises ``ValueError`` as ``window`` does."""
    window(text)
    return " ".join(text.split())


def opening(schedule: Sequence[str], at: datetime) -> Opening:
    """The opening of a schedule, its windows together, that is under way at a time with a zone, or the next one."""
    spans = _merged(span for text in schedule for span in window(text).spans(at))
    number = next(number for number, (_, closes) in enumerate(spans) if closes > at)
    opens, closes = spans[number]
    return Opening(
        closed_at=spans[number - 1][1] if number else None,
        opens_at=opens if number else None,
        closes_at=closes if number < len(spans) - 1 else None,
    )


def all_open_at(schedules: Sequence[Sequence[str]], at: datetime) -> datetime | None:
    """The first time, not before ``at``, at which all of these schedules are open; None: not within weeks."""
    now = at
    while now - at < _AROUND:
        openings = [opening(schedule, now) for schedule in schedules]
        closed = [each.opens_at for each in openings if not each.open(now) and each.opens_at is not None]
        if not closed:
            return now
        now = max(closed)
    return None


def _merged(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """In their order, those that touch made one, and without those that a jump of the clocks leaves nothing of."""
    merged: list[tuple[datetime, datetime]] = []
    for opens, closes in sorted(span for span in spans if span[0] < span[1]):
        if merged and opens <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], closes)
        else:
            merged.append((opens, closes))
    return merged


def _days(text: str) -> Iterator[int]:
    """Numbers of days; a range may go over the end of the week."""
    if text == "daily":
        yield from range(7)
        return
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin = _DAYS.index(first)
        count = (_DAYS.index(last or first) - begin) % 7
        yield from ((begin + number) % 7 for number in range(count + 1))


def _zone(name: str) -> ZoneInfo:
    if _ZONE.fullmatch(name):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise ValueError(f"{name} is no zone of the IANA time zone database; write one such as Europe/Zurich, or UTC")

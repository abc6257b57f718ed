"""DIMSE statuses, and what deliveries and jobs wait for, as people know them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from schemas.schedule import all_open_at, window


def hexadecimal(status: int | None) -> str | None:
    """Four hexadecimal digits, such as A700 (pure); None stays None: there was no answer."""
    return None if status is None else f"{status:04X}"


def waiting(awaited: Sequence[str] | None) -> str:
    """Whose commitment a delivery still needs before it may go (pure); "" if none."""
    return f"waits until {', '.join(awaited)} committed the instance" if awaited else ""


def collecting(signals: Mapping[str, Any] | None) -> str:
    """What a job waits for that collects a series or study (pure); "" if it collects nothing (None)."""
    if signals is None:
        return ""
    told = [f"collects the {signals['level']} until nothing of it has come for {signals['seconds']} s"]
    if signals["required"]:
        told.append(f"what the rule requires is there ({signals['met']} of {signals['required']})")
    if signals["by_release"]:
        told.append("its source has released each association by which it came")
    if signals["counted_at"]:
        told.append(_counted(signals))
    return ", or ".join(told)


def _counted(signals: Mapping[str, Any]) -> str:
    """What a source said of how many there are, or why it said nothing."""
    source, expected, fault = signals["counted_at"], signals["expected"], signals["fault"]
    if expected is None:
        return f"as many have come as {source} says there are ({fault or 'not asked yet'})"
    why = f"; {fault}" if fault else ""
    return f"all {expected} have come that {source} says there are ({signals['received'] or 0} have{why})"


def complete(level: str, by: str) -> str:
    """By what the series or study of a job was complete (pure); "" if it collected nothing, or does still."""
    return f"{level} complete: {by}" if by else ""


def held(hold: Mapping[str, Any] | None) -> str:
    """What holds a delivery, since when, by whom, why and until when (pure); "" if nothing does."""
    if not hold:
        return ""
    end = f"until {to_the_minute(hold['until'])}" if hold["until"] else "until it is resumed"
    since = to_the_minute(hold["held_at"])
    return f"{hold['kind']} {hold['name']} is held since {since} by {hold['held_by']} {end}: {hold['why']}"


def shut(schedule: Mapping[str, Any] | None) -> str:
    """For whose schedule a delivery waits, and until when: the first time that it may go (pure); "" if it does not."""
    if not schedule:
        return ""
    of = f"{schedule['kind']} {schedule['name']}"
    both = [windows for windows in (schedule["rule_schedule"], schedule["station_schedule"]) if windows]
    try:
        opens_at = _all_open_at(tuple(map(tuple, both)), schedule["at"])
    except ValueError as fault:  # its zone was there when it was written
        return f"waits for its schedule ({of}), which cannot be read: {fault}"
    if opens_at is None:
        return f"waits for its schedule ({of}), and rule and station are never open at once: change one of them"
    own = schedule[f"{schedule['kind']}_schedule"] or both[0]
    return (
        f"waits for its schedule: opens {opens_at.astimezone(window(own[0]).zone).isoformat(timespec='minutes')} ({of})"
    )


@lru_cache(maxsize=100)
def _all_open_at(schedules: tuple[tuple[str, ...], ...], at: str) -> datetime | None:
    """Thousands of deliveries wait for the same."""
    return all_open_at(schedules, datetime.fromisoformat(at))


def to_the_minute(at: datetime | str) -> str:
    """A time in UTC (pure); JSON of the database holds times as text."""
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%MZ}"

"""DIMSE statuses, and what deliveries and jobs wait for, as people know them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any


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
        told.append(_counted(signals["counted_at"], signals["expected"], signals["fault"]))
    return ", or ".join(told)


def _counted(source: str, expected: int | None, fault: str) -> str:
    """What a source said of how many there are, or why it said nothing."""
    if expected is None:
        return f"as many have come as {source} says there are ({fault or 'not asked yet'})"
    return f"{expected} instances have come from {source}" + (f" ({fault})" if fault else "")


def complete(level: str, by: str) -> str:
    """By what the series or study of a job was complete (pure); "" if it collected nothing, or does still."""
    return f"{level} complete: {by}" if by else ""


def held(hold: Mapping[str, Any] | None) -> str:
    """What holds a delivery, since when, by whom, why and until when (pure); "" if nothing does."""
    if not hold:
        return ""
    end = f"until {_to_the_minute(hold['until'])}" if hold["until"] else "until it is resumed"
    since = _to_the_minute(hold["held_at"])
    return f"{hold['kind']} {hold['name']} is held since {since} by {hold['held_by']} {end}: {hold['why']}"


def _to_the_minute(at: datetime | str) -> str:
    """JSON of the database holds times as text."""
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%MZ}"

"""Values of elements as what they mean: numbers, dates, times, ages, addresses. Pure functions, None for no such value.

Used for the values in data sets and for those in rules alike, so that both are understood in the same way.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from struct import Struct
from typing import Final

Network = IPv4Network | IPv6Network

_DATE = re.compile(r"(\d{4})(?:-(\d\d)-(\d\d)|\.(\d\d)\.(\d\d)|(\d\d)(\d\d))")
_TIME = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?")
_MOMENT = re.compile(
    r"(\d{4})(?:-?(\d\d)(?:-?(\d\d)(?:[T ]?(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?)?)?)?"
    r"(Z|[+-]\d\d:?\d\d)?"
)
_AGE = re.compile(r"(\d{1,3})\s?([DWMYdwmy])")
_FLOAT: Final = Struct("f")
_DAYS: Final = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25}


def number(value: object) -> int | float | None:
    """A finite number, from a binary value or the text of DS and IS."""
    if isinstance(value, (int, float)):
        return value
    text = str(value).strip()
    if "_" in text:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        real = float(text)
    except ValueError:
        return None
    return real if real - real == 0 else None


def of_32_bits(value: float) -> float:
    """The number as FL holds it. Raises ``OverflowError``."""
    held: float = _FLOAT.unpack(_FLOAT.pack(value))[0]
    return held


def pointer(text: str) -> str:
    """A tag as facts hold it (AT): eight hexadecimal digits, from ``(gggg,eeee)`` too."""
    return re.sub(r"[(),\s]", "", text).upper()


def day(value: object) -> date | None:
    """A date: ``20260131``, ``2026-01-31`` or, as old devices write it, ``2026.01.31``."""
    match = _DATE.fullmatch(str(value))
    if match is None:
        return None
    year, *rest = (int(part) for part in match.groups() if part is not None)
    try:
        return date(year, rest[0], rest[1])
    except ValueError:
        return None


def clock(value: object) -> time | None:
    """A time of day: ``HH``, ``HHMM``, ``HHMMSS`` or ``HHMMSS.FFFFFF``, with or without colons."""
    match = _TIME.fullmatch(str(value))
    if match is None:
        return None
    hour, minute, second, fraction = match.groups(default="0")
    try:
        return time(int(hour), int(minute), min(int(second), 59), int(fraction.ljust(6, "0")))
    except ValueError:
        return None


@dataclass(frozen=True)
class Moment:
    """A date and time, and the same in UTC when its offset is known."""

    local: datetime
    utc: datetime | None

    def before(self, other: "Moment") -> bool:
        """Whether this is earlier; without both offsets the local times are compared."""
        if self.utc is not None and other.utc is not None:
            return self.utc < other.utc
        return self.local < other.local

    def same(self, other: "Moment") -> bool:
        """Whether both are the same instant; without both offsets, the same local time."""
        if self.utc is not None and other.utc is not None:
            return self.utc == other.utc
        return self.local == other.local


def moment(value: object) -> Moment | None:
    """A date and time: DT (``20260131235959.5+0100``, parts from the right may miss) or ISO 8601."""
    match = _MOMENT.fullmatch(str(value))
    if match is None:
        return None
    year, month, dom, hour, minute, second, fraction, offset = match.groups()
    try:
        local = datetime(  # noqa: DTZ001 - local by meaning; the offset is applied below
            int(year), int(month or 1), int(dom or 1), int(hour or 0), int(minute or 0), min(int(second or 0), 59),
            int((fraction or "0").ljust(6, "0")),
        )  # fmt: skip
        zone = _zone(offset)
        return Moment(local, None if zone is None else local.replace(tzinfo=zone).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def _zone(offset: str | None) -> timezone | None:
    if offset is None or offset == "Z":
        return UTC if offset else None
    minutes = int(offset[1:3]) * 60 + int(offset[-2:])
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))


def age(value: object) -> float | None:
    """An age in days: ``045Y``, ``018M``, ``006W`` or ``010D`` (a year has 365.25 days)."""
    match = _AGE.fullmatch(str(value))
    return int(match[1]) * _DAYS[match[2].upper()] if match is not None else None


def address(value: object) -> IPv4Address | IPv6Address | None:
    """An IP address."""
    try:
        return ip_address(str(value))
    except ValueError:
        return None


def network(value: object) -> Network | None:
    """An IP address or a network such as ``10.1.0.0/16``."""
    try:
        return ip_network(str(value))
    except ValueError:
        return None

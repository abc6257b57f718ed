"""How values are written on pages (pure)."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pydicom.uid import UID

from services.admin.counted import counted
from services.admin.web.wording import HAPPENINGS, here
from services.dicom.iods.findings import explained

NOTHING: Final = "–"  # noqa: RUF001 - it is meant for people
_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")


def time(at: datetime | None) -> str:
    """To the second, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at else NOTHING


def ago(at: datetime | None) -> str:
    """How long before now, in the largest unit."""
    return span((datetime.now(UTC) - at).total_seconds()) + " ago" if at else "never"


def age(at: datetime | None) -> str:
    """How old it is."""
    return span((datetime.now(UTC) - at).total_seconds()) if at else NOTHING


def span(seconds: float | None) -> str:
    """A length of time in its largest unit."""
    if seconds is None:
        return NOTHING
    whole = max(0, int(seconds))
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if whole >= length:
            return f"{whole // length} {unit}"
    return f"{whole} s"


def size(count: float | None) -> str:
    """Bytes in the unit that leaves at most three digits before the point."""
    if count is None:
        return NOTHING
    value, place = float(count), 0
    while value >= 1000 and place < len(_UNITS) - 1:
        value, place = value / 1000, place + 1
    return f"{value:.0f} {_UNITS[place]}" if place == 0 or value >= 100 else f"{value:.1f} {_UNITS[place]}"


def date(text: str | None) -> str:
    """A DICOM date as people write it."""
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if text and len(text) == 8 and text.isdigit() else text or NOTHING


def name(text: str | None) -> str:
    """A person name of DICOM: its first component group, family name first (PS3.5 6.2.1)."""
    return next(iter(_groups(text)), NOTHING)


def scripts(text: str | None) -> str:
    """The other component groups of a person name: ideographic, phonetic; empty without any."""
    return "; ".join(_groups(text)[1:])


def _groups(text: str | None) -> list[str]:
    return [_of_components(group) for group in (text or "").split("=") if group.strip("^ ")]


def _of_components(group: str) -> str:
    family, *others = [part.strip() for part in group.split("^")]
    given = " ".join(part for part in others if part)
    return f"{family}, {given}" if given and family else given or family


def cell(value: Any) -> str:
    """Any value, for a table."""
    if value is None or value == "" or value == []:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return time(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(cell, value))
    return str(value)


def uid_name(uid: str) -> str:
    """What the standard calls a UID of its own; the others as they are."""
    return UID(uid).name if uid.startswith("1.2.840.10008.") else uid


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "time": time, "ago": ago, "age": age, "span": span, "size": size, "dicom_date": date, "person": name, "cell": cell,
    "scripts": scripts, "uid_name": uid_name, "finding": explained, "counted": counted,
    "here": here, "happening": HAPPENINGS.__getitem__,
}  # fmt: skip

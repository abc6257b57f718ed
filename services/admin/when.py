"""Times as people write them: a span such as 2h, counted from now by the database, or a time of the calendar (pure)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from services.runtime.errors import UsageError

_SPAN: Final = re.compile(r"([1-9][0-9]{0,8})([smhdw])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST_SECONDS: Final = 36_525 * 86_400


@dataclass(frozen=True)
class When:
    """``seconds`` from now (or before now, for a beginning), or ``at`` a time; one of them is None."""

    seconds: int | None
    at: datetime | None

    def parameters(self, name: str) -> dict[str, Any]:
        """For SQL: ``coalesce(%(<name>_at)s, now() ± make_interval(secs => %(<name>_seconds)s))``."""
        return {f"{name}_at": self.at, f"{name}_seconds": self.seconds}


def when_of(text: str) -> When:
    """What a person wrote: ``30m``, ``2h``, ``7d``, or ``2026-12-01T07:00``, UTC where no offset is given.

    Raises ``UsageError``.
    """
    text = text.strip()
    if span := _SPAN.fullmatch(text):
        seconds = int(span[1]) * _UNITS[span[2]]
        if seconds <= _LONGEST_SECONDS:
            return When(seconds, None)
    try:
        at = datetime.fromisoformat(text)
        return When(None, at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC))
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text[:64]!r} is no time; write a span such as 30m, 2h or 7d, or a time such as 2026-12-01T07:00 (UTC, "
            "or with its offset: 2026-12-01T07:00+01:00)"
        ) from None


NEVER: Final = When(None, None)
"""No time at all: without a beginning, or without an end."""


def beginning(text: str | None) -> When:
    """A beginning that a person may leave out. Raises ``UsageError``."""
    return when_of(text) if text and text.strip() else NEVER

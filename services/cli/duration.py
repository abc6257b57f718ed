"""Lengths of time as people write them."""

import re
from datetime import timedelta
from typing import Final

from services.runtime.errors import UsageError

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def duration(text: str) -> timedelta:
    """A duration such as 90m, 12h, 7d or 2w (pure). Raises ``UsageError`` for anything else."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})([mhdw])", text.strip())
    if match is None:
        raise UsageError(f"--since {text!r} is no duration; write minutes, hours, days or weeks: 90m, 12h, 7d, 2w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})

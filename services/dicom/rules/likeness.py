"""The name that was meant: of those that are known the one most like what was written."""

from collections.abc import Collection
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

LONGEST: Final = 80
"""Characters; longer than any name. Comparing takes more than in proportion to them, and a file may have megabytes."""
MANY: Final = 500
"""Of more than so many only those with the same first letter are compared: each takes ten microseconds, and a file may
have thousands of names that nobody knows."""


@lru_cache(1024)
def likest(text: str, known: Collection[str], least: float = 0.6) -> str | None:
    """It; None where nothing is like a text (0 to 1, ``least``), or that is longer than any name."""
    if len(text) > LONGEST:
        return None
    first = text[:1].casefold()
    like = [each for each in known if each[:1].casefold() == first] if len(known) > MANY else known
    return next(iter(get_close_matches(text, like, 1, least)), None)

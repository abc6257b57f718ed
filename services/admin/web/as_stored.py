"""Pages that show what is stored in the order in which it is stored (pure)."""

import re
from typing import Final

_UNSEEN: Final = re.compile("[\u00ad\u200b\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
"""What is not seen itself: characters that turn the order of others (Unicode UAX 9), and those without a width."""
_KEPT: Final = re.compile(r"(<textarea\b.*?</textarea>|<[^>]*>)", re.DOTALL)
"""What goes back to the gateway as it is, or is no text. Values in tags have no > of their own: they are escaped."""


def as_stored(page: str) -> str:
    """HTML whose texts name the characters that are not seen: an ID with one would look like that of somebody else."""
    if _UNSEEN.search(page) is None:
        return page
    parts = _KEPT.split(page)
    parts[::2] = [_UNSEEN.sub(_named, part) for part in parts[::2]]
    return "".join(parts)


def _named(found: re.Match[str]) -> str:
    return f"[U+{ord(found[0]):04X}]"

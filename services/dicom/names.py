"""Person names for searching (pure; PS3.4 C.2.2.2.1 leaves case and accents to the SCP).

PostgreSQL derives the same component groups from a folded name (``index.patient.name_whole`` and its siblings).
"""

import re
import unicodedata
from typing import Final

LONGEST: Final = 256  # characters; an index entry of PostgreSQL holds 2,704 bytes
GROUPS: Final = 3
"""Alphabetic, ideographic, phonetic (PS3.5 6.2.1)."""

_LIMITS_OF_COMPONENTS = re.compile("[\\^ ]+")


def folded(name: str) -> str:
    """A name without case and accents."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))[:LONGEST]


def whole_groups(name: str) -> list[str]:
    """The component groups of a name, folded, without the limits of their components (R141); "" for one it lacks."""
    groups = folded(name).split("=")[:GROUPS]
    return [_LIMITS_OF_COMPONENTS.sub(" ", group).strip(" ") for group in groups] + [""] * (GROUPS - len(groups))

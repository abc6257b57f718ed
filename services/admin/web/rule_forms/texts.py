"""Values of a rule as the text in a field of a form, and back (pure).

What people write is taken as they mean it, as a rule file would: a whole number as such, several values with commas
between. What that cannot say is written as in YAML: in quotes, or as a list in brackets.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from schemas.rules import RuleTextError, load
from schemas.rules.text import inline

Reader = Callable[[str], Any]
_PART: Final = re.compile(r"(?:\([^()]*\)|[^,])+")
"""What stands between commas; those in the tag of a private element are no end of it."""


def scalar(text: str) -> Any:
    """One value."""
    quoted = _yaml(text) if text[:1] in ("'", '"') else None
    if isinstance(quoted, str):
        return quoted
    number = text.strip()
    plain = number.isascii() and number.removeprefix("-").isdigit() and len(number) < 18
    return int(number) if plain and str(int(number)) == number else text


def values(text: str) -> list[Any]:
    """A list."""
    found = _list(text)
    return found if found is not None else [scalar(each.strip()) for each in _PART.findall(text) if each.strip()]


def value_or_values(text: str) -> Any:
    """One value, commas and all; a list only in brackets."""
    found = _list(text)
    return found if found is not None else scalar(text)


def name_or_names(text: str) -> Any:
    """One name, or a list of several."""
    found = _list(text)
    if found is not None:
        return found
    names = [each.strip() for each in _PART.findall(text) if each.strip()]
    return names if len(names) > 1 else text.strip()


def written(value: Any, reader: Reader) -> str | None:
    """The text that is read as a value; None: no text is."""
    simple = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    tries = (text for text in (simple, inline(value)) if text.isprintable())
    return next((text for text in tries if same(reader(text), value)), None)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same in a rule file too: true is not 1."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return type(one) is type(other) and bool(one == other)


def _list(text: str) -> list[Any] | None:
    found = _yaml(text) if text.strip()[:1] == "[" else None
    return found if isinstance(found, list) else None


def _yaml(text: str) -> Any:
    try:
        return load(text)
    except RuleTextError:
        return None

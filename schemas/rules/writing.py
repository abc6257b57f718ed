"""Plain data of a rule as lines of YAML in block style, for people to read. Pure."""

from collections.abc import Iterator
from typing import Any, Final

from schemas.rules.text import inline

_TALL: Final = frozenset({"all", "any", "none", "require", "transform", "schedule"})
"""What is listed under these stands one below the other."""


def rule_lines(rule: dict[str, Any], dash: int) -> list[str]:
    """A rule as an item of a list whose dashes are so far indented."""
    first, *others = (line for key, value in rule.items() for line in field_lines(key, value, dash + 2))
    return [f"{' ' * dash}- {first.lstrip()}", *others]


def item_lines(value: Any, dash: int) -> list[str]:
    """An item of a list: on one line, unless what it holds stands one below the other."""
    return rule_lines(value, dash) if _is_tall(value) else [f"{' ' * dash}- {inline(value)}\n"]


def field_lines(key: str, value: Any, indent: int) -> Iterator[str]:
    """A field on lines of its own."""
    if not is_tall(key, value):
        yield f"{' ' * indent}{inline(key)}: {inline(value)}\n"
        return
    yield f"{' ' * indent}{inline(key)}:\n"
    if isinstance(value, dict):
        for name, child in value.items():
            yield from field_lines(name, child, indent + 2)
    else:
        for each in value:
            yield from item_lines(each, indent + 2)


def is_tall(key: str, value: Any) -> bool:
    """Whether a field takes several lines."""
    several = isinstance(value, list) and bool(value) and key in _TALL
    return several or _is_tall(value) or (isinstance(value, list) and any(map(_is_tall, value)))


def _is_tall(value: Any) -> bool:
    return isinstance(value, dict) and any(is_tall(key, child) for key, child in value.items())

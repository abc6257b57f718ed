"""Fields of a form whose names are paths, such as ``when.n.0.op``, as a tree (pure)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from services.runtime.errors import UsageError

Tree = Mapping[str, Any]
"""Names, each with the values that were given, or with what lies below it."""
DEEPEST: Final = 150
DIGITS: Final = 5
"""Of the number of a part."""


def tree_of(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """What was given, by its names. Raises ``UsageError``."""
    root: dict[str, Any] = {}
    for name, value in pairs:
        *path, last = name.split(".", DEEPEST)
        below = root
        for step in path:
            below = below.setdefault(step, {})
            if not isinstance(below, dict):
                raise UsageError(f"field {name[:80]!r}: it cannot be inside of another one")
        if not isinstance(below.setdefault(last, []), list):
            raise UsageError(f"field {name[:80]!r}: others are inside of it")
        below[last].append(value.replace("\r\n", "\n"))
    return root


def one(tree: Tree, name: str, otherwise: str = "") -> str:
    """The value of a field that has one."""
    values = tree.get(name)
    return str(values[-1]) if isinstance(values, list) and values else otherwise


def several(tree: Tree, name: str) -> list[str]:
    """The values of a field that may have several."""
    values = tree.get(name)
    return [str(value) for value in values] if isinstance(values, list) else []


def below(tree: Tree, name: str) -> Tree:
    """What lies below a name."""
    found = tree.get(name)
    return found if isinstance(found, dict) else {}


def items(tree: Tree, name: str) -> Iterator[tuple[int, Tree]]:
    """What lies below the numbers below a name, in their order."""
    found = below(tree, name).items()
    numbered = [(int(number), each) for number, each in found if number.isdecimal() and len(number) <= DIGITS]
    yield from ((number, each) for number, each in sorted(numbered, key=lambda pair: pair[0]) if isinstance(each, dict))

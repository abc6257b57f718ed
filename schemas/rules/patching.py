"""Giving a value in a YAML text another one with as few changes of the text as can be. Pure.

What comes out is for ``schemas.rules.editing`` to prove: here nothing is certain of texts that are written strangely.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from schemas.rules.text import inline
from schemas.rules.writing import is_tall, item_lines


class Elsewise(Exception):
    """It cannot be said by small changes."""


@dataclass(frozen=True)
class Change:
    """Characters from ``start`` to ``end`` of a text become others."""

    start: int
    end: int
    text: str


def patched(text: str, key: str, node: yaml.Node, old: Any, new: Any) -> tuple[str, bool] | None:
    """The text in which the node under a key has another value, and whether comments were lost; None: it takes more
    than that."""
    try:
        changes = sorted(_changes(text, key, node, old, new, flow=False), key=lambda each: each.start, reverse=True)
    except Elsewise:
        return None
    lost = False
    for each in changes:
        lost |= text[each.start : each.end].count("#") > each.text.count("#")
        text = f"{text[: each.start]}{each.text}{text[each.end :]}"
    return text, lost


def last_line(node: yaml.Node) -> int:
    """The last line that belongs to a node, counted from 0."""
    if isinstance(node, yaml.ScalarNode):
        at_start = node.style in ("|", ">") and node.end_mark.column == 0
        return int(node.end_mark.line) - at_start
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
        return int(node.end_mark.line)
    last = node.value[-1]
    return last_line(last[1] if isinstance(node, yaml.MappingNode) else last)


def _changes(text: str, key: str, node: yaml.Node, old: Any, new: Any, *, flow: bool) -> Iterator[Change]:
    """``flow``: the node stands inside of brackets or braces."""
    if type(old) is type(new) and old == new:
        return
    inside = flow or bool(getattr(node, "flow_style", False))
    if isinstance(node, yaml.MappingNode) and isinstance(new, dict) and old.keys() == new.keys():
        for name, value in node.value:
            yield from _changes(text, name.value, value, old[name.value], new[name.value], flow=inside)
    elif isinstance(node, yaml.MappingNode) and isinstance(new, dict) and len(old) == len(new) == 1:  # any becomes none
        ((name, value),), (before,), ((key, after),) = node.value, old.values(), new.items()
        yield Change(name.start_mark.index, name.end_mark.index, inline(key))
        yield from _changes(text, key, value, before, after, flow=inside)
    elif isinstance(node, yaml.SequenceNode) and isinstance(new, list) and _same_places(old, new):
        for child, before, after in zip(node.value, old, new, strict=True):
            yield from _changes(text, "", child, before, after, flow=inside)
    elif isinstance(node, yaml.SequenceNode) and isinstance(new, list) and new and not node.flow_style:
        yield _rearranged(text, node, old, new)
    else:
        yield _replaced(text, key, node, new, flow=flow)


def _same_places(old: Sequence[Any], new: Sequence[Any]) -> bool:
    """Whether items changed where they are; if not, some came, went or moved."""
    moved = any(before != after and after in old for before, after in zip(old, new, strict=False))
    return len(old) == len(new) and not moved


def _replaced(text: str, key: str, node: yaml.Node, new: Any, *, flow: bool) -> Change:
    block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    literal = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
    if block or literal or is_tall(key, new):
        raise Elsewise
    start, end = node.start_mark.index, node.end_mark.index
    written = inline([new])[1:-1] if flow else inline(new)
    space = "" if text[start - 1 : start] in (" ", "\n", "[", "{", "") else " "
    return Change(start, end, space + written)


def _rearranged(text: str, node: yaml.SequenceNode, old: Sequence[Any], new: Sequence[Any]) -> Change:
    """Items in block style: those that were there keep their lines, others are written."""
    lines = text.splitlines(keepends=True)
    first, dash = node.start_mark.line, node.start_mark.column
    if lines[first][:dash].strip():
        raise Elsewise
    ends = [last_line(each) + 1 for each in node.value]
    if ends[-1] > len(lines):
        raise Elsewise
    blocks = [lines[begin:end] for begin, end in zip([first, *ends], ends, strict=False)]
    rest = list(zip(old, blocks, strict=True))
    made: list[str] = []
    for value in new:
        known = next((place for place, (before, _) in enumerate(rest) if before == value), None)
        made += item_lines(value, dash) if known is None else [_ended(line) for line in rest.pop(known)[1]]
    start = sum(map(len, lines[:first]))
    return Change(start, start + sum(map(len, lines[first : ends[-1]])), "".join(made))


def _ended(line: str) -> str:
    return line.removesuffix("\n") + "\n"

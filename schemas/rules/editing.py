"""Changing a rule file by its lines: what is not changed stays as it was written, comments included. Pure.

Every change is proved: the text that comes out means what the one before meant, but for the change.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import yaml

from schemas.rules.patching import last_line, patched
from schemas.rules.places import rule_nodes, value_of
from schemas.rules.text import Reading, RuleTextError, reading
from schemas.rules.writing import field_lines, rule_lines

Plain = dict[str, Any]


class NotEditable(ValueError):
    """The text is written so that it cannot be changed by lines; the message says what to do."""


@dataclass(frozen=True)
class Edited:
    """``anew``: what lost its comments or layout, for it was written anew."""

    text: str
    anew: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Block:
    """Lines of a rule with the comments before it, and the empty lines behind it."""

    lines: list[str]
    gap: list[str]


@dataclass(frozen=True)
class _File:
    """A text in parts: what comes before the rules, the rules, what follows. ``dash``: how far they are indented."""

    head: list[str]
    blocks: list[_Block]
    tail: list[str]
    dash: int

    def text(self) -> str:
        parts = [self.head, *(lines for block in self.blocks for lines in (block.lines, block.gap)), self.tail]
        return "".join(line for part in parts for line in part)


def rules_of(text: str) -> list[Plain]:
    """The rules as plain data, whatever they are; not to be changed. Raises ``NotEditable``."""
    data = _reading(text).data
    rules = data.get("rules") if isinstance(data, dict) else None
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise NotEditable("write a list of rules under 'rules:', each with a name, first")
    return rules


def move(text: str, position: int, to: int) -> Edited:
    """Put a rule, by its position from 0, in another place."""

    def moved(rules: list[Plain]) -> None:
        rules.insert(to, rules.pop(position))

    file = _split(text, position, to)
    blocks = list(file.blocks)
    order = [block.lines for block in blocks]
    order.insert(to, order.pop(position))
    blocks = [_Block(lines, block.gap) for lines, block in zip(order, blocks, strict=True)]
    return _proved(text, Edited(_File(file.head, blocks, file.tail, file.dash).text()), moved)


def remove(text: str, position: int) -> Edited:
    """Leave a rule out, with the comments before it."""
    file = _split(text, position)
    if len(file.blocks) == 1:
        key = _rules_key(text)
        line = file.head[key.end_mark.line]
        at = line.index(":", key.end_mark.column) + 1
        file.head[key.end_mark.line] = f"{line[:at]} []{line[at:]}"
    blocks = [block for place, block in enumerate(file.blocks) if place != position]
    return _proved(
        text, Edited(_File(file.head, blocks, file.tail, file.dash).text()), lambda rules: rules.pop(position)
    )


def add(text: str, rule: Plain) -> Edited:
    """One more rule, behind the others."""
    rules = value_of(_composed(text), "rules")
    if isinstance(rules, yaml.SequenceNode) and not rules.value:
        lines = text.splitlines(keepends=True)
        first, last = rules.start_mark, rules.end_mark
        before = [*lines[: first.line], lines[first.line][: first.column].rstrip() + "\n"]
        rest = lines[last.line][last.column :].strip()
        after = ([f"  {rest}\n"] if rest else []) + lines[last.line + 1 :]
        made = "".join([*before, *rule_lines(rule, 2), *after])
    else:
        file = _split(text)
        gap = ["\n"] if any(block.gap for block in file.blocks[:-1]) else []
        last_block = file.blocks[-1]
        blocks = [
            *file.blocks[:-1],
            _Block(last_block.lines, gap or last_block.gap),
            _Block(rule_lines(rule, file.dash), []),
        ]
        made = _File(file.head, blocks, file.tail, file.dash).text()
    return _proved(text, Edited(made), lambda rules: rules.append(copy.deepcopy(rule)))


def put(text: str, position: int, fields: Mapping[str, Any]) -> Edited:
    """Give fields of a rule other values; None takes a field out. Those that have the value already stay untouched."""
    before = rules_of(text)[position]
    changed = {key: value for key, value in fields.items() if before.get(key) != value}

    def applied(rules: list[Plain]) -> None:
        for key, value in changed.items():
            if value is None:
                rules[position].pop(key, None)
            else:
                rules[position][key] = copy.deepcopy(value)

    if not changed:
        return Edited(text)
    node = list(rule_nodes(_composed(text)))[position]
    assert isinstance(node, yaml.MappingNode)  # noqa: S101 - rules_of says so
    if node.flow_style:
        rules = [*map(dict, rules_of(text))]
        applied(rules)
        return _proved(text, _whole(text, position, rules[position]), applied)
    anew: list[str] = []
    result = text
    for key, value in changed.items():
        result = _field(result, position, key, value, anew)
    return _proved(text, Edited(result, tuple(anew)), applied)


def _field(text: str, position: int, key: str, value: Any, anew: list[str]) -> str:
    """The text with one field of a rule in block style changed."""
    node = list(rule_nodes(_composed(text)))[position]
    lines = text.splitlines(keepends=True)
    indent = node.value[0][0].start_mark.column
    pair = next((each for each in node.value if each[0].value == key), None)
    if pair is None:
        last = last_line(node)
        lines[last] = lines[last].removesuffix("\n") + "\n"
        return "".join([*lines[: last + 1], *field_lines(key, value, indent), *lines[last + 1 :]])
    name, old = pair
    small = None if value is None else _patched(text, position, key, value, old)
    if small is not None:
        anew += [key] if small[1] else []
        return small[0]
    first, last = name.start_mark.line, last_line(old)
    anew += [key] if any("#" in line for line in lines[first : last + 1]) else []
    made = [] if value is None else list(field_lines(key, value, indent))
    prefix = lines[first][: name.start_mark.column]
    if prefix.strip() == "-":  # the first field stands behind the dash
        if not made:
            raise NotEditable(f"take {key} out in the YAML: it is the first field of its rule")
        made[0] = prefix + made[0].lstrip()
    return "".join([*lines[:first], *made, *lines[last + 1 :]])


def _patched(text: str, position: int, key: str, value: Any, node: yaml.Node) -> tuple[str, bool] | None:
    """The text with small changes, where they say what is wanted, and whether comments were lost."""
    small = patched(text, key, node, rules_of(text)[position][key], value)
    try:
        return small if small is not None and rules_of(small[0])[position].get(key) == value else None
    except (NotEditable, IndexError):
        return None


def _whole(text: str, position: int, rule: Plain) -> Edited:
    """A rule that stands in braces, written anew."""
    file = _split(text, position)
    old = file.blocks[position]
    comments = [line for line in old.lines if line.lstrip().startswith("#")]
    blocks = list(file.blocks)
    blocks[position] = _Block(comments + rule_lines(rule, file.dash), old.gap)
    return Edited(_File(file.head, blocks, file.tail, file.dash).text(), ("the rule",))


def _split(text: str, *positions: int) -> _File:
    """The parts of a text. Raises ``NotEditable``."""
    nodes = list(rule_nodes(_composed(text)))
    if not nodes or any(not 0 <= position < len(nodes) for position in positions):
        raise NotEditable("there is no such rule (any more)")
    lines = text.splitlines(keepends=True)
    lines[-1] = lines[-1].removesuffix("\n") + "\n"
    starts = [_start(lines, node) for node in nodes]
    end = _end(text, lines, nodes[-1])
    bounds = [*starts, end]
    blocks = [_block(lines[first:last]) for first, last in pairwise(bounds)]
    dash = lines[nodes[0].start_mark.line].index("-")
    return _File(lines[: starts[0]], blocks, lines[end:], dash)


def _start(lines: Sequence[str], node: yaml.Node) -> int:
    """The first line of a rule: its dash, or the comments right before that."""
    first = node.start_mark.line
    if lines[first][: node.start_mark.column].strip() != "-":
        raise NotEditable("put each rule on lines of its own, beginning with '- ', to change it here")
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return first


def _end(text: str, lines: Sequence[str], node: yaml.Node) -> int:
    """Behind the last line of the last rule, and behind the comments that are indented as it is."""
    root = _composed(text)
    keys = [key.start_mark.line for key, _ in root.value if key.start_mark.line > node.start_mark.line] if root else []
    end = min(keys, default=len(lines))
    while keys and lines[end - 1].startswith("#"):
        end -= 1
    return end


def _block(lines: list[str]) -> _Block:
    last = len(lines)
    while last and not lines[last - 1].strip():
        last -= 1
    return _Block(lines[:last], lines[last:])


def _rules_key(text: str) -> yaml.Node:
    root = _composed(text)
    found: yaml.Node = next(key for key, _ in (root.value if root else ()) if key.value == "rules")
    return found


def _proved(before: str, after: Edited, change: Callable[[list[Plain]], Any]) -> Edited:
    wanted = dict(_reading(before).data)
    wanted["rules"] = [*map(dict, wanted["rules"])]  # a change replaces rules, or fields of theirs
    change(wanted["rules"])
    try:
        same = reading(after.text).data == wanted
    except RuleTextError:
        same = False
    if not same:
        raise NotEditable("it is written so that it cannot be changed here: change it in the YAML")
    return after


def _composed(text: str) -> yaml.Node | None:
    return _reading(text).root


def _reading(text: str) -> Reading:
    try:
        return reading(text)
    except RuleTextError as fault:
        raise NotEditable(f"mend the YAML first: {fault}") from fault

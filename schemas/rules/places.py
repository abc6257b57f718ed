"""Where in a rule file stands what a fault is about."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import yaml

from schemas.rules.text import RuleTextError, reading

_STEP: Final = re.compile(r"([^.\[\]]+)|\[([0-9]+)\]")
_NUMBERED: Final = re.compile(r"rule ([0-9]+) \(.*\)", re.DOTALL)
_IN_TEXT: Final = re.compile(r"line ([0-9]+), column ([0-9]+)")


class Place(NamedTuple):
    """Line and column, counted from 1."""

    line: int
    column: int


class Places:
    """Of one text; nothing is known of a text that is no YAML."""

    def __init__(self, text: str) -> None:
        try:
            self._root = reading(text).root
        except RuleTextError:
            self._root = None
        self._rules = list(rule_nodes(self._root))

    def of(self, rule: str, field: str) -> Place | None:
        """Where a field of a rule stands, or the innermost thing around it that does; both as faults name them."""
        told = _IN_TEXT.fullmatch(field)
        if told is not None:
            return Place(int(told[1]), int(told[2]))
        node = self._rule(rule) if rule else self._root
        return None if node is None else _along(node, field)

    def _rule(self, name: str) -> yaml.Node | None:
        named = next((node for node in self._rules if name_of(node) == name), None)
        numbered = _NUMBERED.fullmatch(name)
        if named is None and numbered is not None and int(numbered[1]) <= len(self._rules):
            return self._rules[int(numbered[1]) - 1]
        return named


def rule_nodes(root: yaml.Node | None) -> Iterator[yaml.Node]:
    """The nodes of the rules of a file."""
    rules = value_of(root, "rules")
    if isinstance(rules, yaml.SequenceNode):
        yield from rules.value


def value_of(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """What a mapping has for a key; None: nothing, or it is no mapping."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)


def name_of(rule: yaml.Node) -> str:
    """The name of a rule; "" without one."""
    found = value_of(rule, "name")
    return found.value if isinstance(found, yaml.ScalarNode) else ""


def _along(node: yaml.Node, field: str) -> Place:
    mark = node.start_mark
    for key, number in _STEP.findall(field):
        if key:
            pair = next((each for each in _pairs(node) if each[0].value == key), None)
            if pair is None:
                break
            mark, node = pair[0].start_mark, pair[1]
        elif isinstance(node, yaml.SequenceNode):
            if not 0 < int(number) <= len(node.value):
                break
            node = node.value[int(number) - 1]
            mark = node.start_mark
    return Place(mark.line + 1, mark.column + 1)


def _pairs(node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else []

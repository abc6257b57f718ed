"""Reads of a PromQL expression which metrics it selects and which labels it expects of them."""

import re
from dataclasses import dataclass

_TOKENS = re.compile(
    r"""(?P<space>\s+)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<duration>\[[^\]]*\])|(?P<number>\d+(?:\.\d+)?(?:e\d+)?[smhdw]?)
    |(?P<word>[A-Za-z_:][A-Za-z0-9_:]*)|(?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){},])""",
    re.VERBOSE,
)
_GROUPING = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_OPERATORS = frozenset({"and", "or", "unless", "bool", "offset"})
_DURATION = re.compile(r"\[(\d+[smhdw]|\$__rate_interval|\$__range)\]")
_PAIRS = {")": "(", "}": "{"}


class NotPromql(Exception):
    """The expression has a character, a bracket or a range that PromQL does not know."""


@dataclass(frozen=True)
class Selected:
    """Names of metrics, and of the labels that selectors and groupings name."""

    metrics: frozenset[str]
    labels: frozenset[str]


def selected(expression: str) -> Selected:
    """What the expression names. Raises ``NotPromql``."""
    tokens = _tokens(expression)
    metrics, labels = set(), set()
    open_brackets: list[str] = []
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else ""
        after = tokens[place + 1] if place + 1 < len(tokens) else ""
        if token in "({":
            open_brackets.append(f"{before if before in _GROUPING else ''}{token}")
        elif token in _PAIRS:
            if not open_brackets or not open_brackets.pop().endswith(_PAIRS[token]):
                raise NotPromql(f"{token} closes nothing in {expression}")
        elif token[0].isalpha() or token[0] in "_:":
            if open_brackets and (open_brackets[-1] == "{" or len(open_brackets[-1]) > 1):
                labels.add(token)
            elif after not in {"(", "by", "without"} and token not in _GROUPING | _OPERATORS:
                metrics.add(token)
    if open_brackets:
        raise NotPromql(f"{open_brackets[-1]} is never closed in {expression}")
    return Selected(frozenset(metrics), frozenset(labels))


def _tokens(expression: str) -> list[str]:
    tokens, place = [], 0
    while place < len(expression):
        found = _TOKENS.match(expression, place)
        if found is None:
            raise NotPromql(f"{expression[place:]!r} in {expression}")
        if found.lastgroup == "duration" and not _DURATION.fullmatch(found[0]):
            raise NotPromql(f"range {found[0]} in {expression}")
        if found.lastgroup not in {"space", "text", "duration", "number"}:
            tokens.append(found[0])
        place = found.end()
    return tokens

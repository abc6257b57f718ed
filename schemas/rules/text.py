"""Rule files as YAML text.

YAML as its version 1.2 core reads it, because rule files are full of words and numbers that YAML 1.1 turns into
something else: ``NO`` and ``on`` are text, ``00123``, ``2026-01-31`` and ``12:30:00`` too. Aliases, tags, repeated keys
and deep nesting are refused.
"""

import re
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol

import yaml

from schemas.rules.document import RuleDocument

MAX_TEXT_BYTES: Final = 4 << 20
MAX_NESTING: Final = 64
KEPT_READINGS: Final = 2
"""The text before a change and the one after it."""


class Mark(Protocol):
    """A place in the text, counted from 0."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class RuleTextError(ValueError):
    """The text is no YAML that a rule file may hold; the message says what, where (line and column) and the cure."""

    def __init__(self, problem: str, mark: Mark | None = None) -> None:
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else "the file"
        super().__init__(f"{place}: {problem}")
        self.place, self.problem = place, problem


class _Loader(yaml.CSafeLoader):
    """SafeLoader with core scalars only, and without what could hide a mistake or use up memory."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise RuleTextError("a list or mapping cannot be a key; write a name there", key.start_mark)
            if key.value in seen:
                raise RuleTextError(f"the key {key.value!r} occurs twice; remove one", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"-?(?:0|[1-9][0-9]{0,17})\Z"), list("-0123456789"))
"""Only integers written as they would be printed; all other numbers stay the text they are."""


class _Dumper(yaml.SafeDumper):
    """Quotes what any YAML reader, an older one too, would take for something other than text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def load(text: str) -> Any:
    """The plain data of a rule file.

    Raises:
        RuleTextError: too large, not YAML, or YAML with aliases, tags, repeated keys or deep nesting.
    """
    return _read(text, yaml.load)


def compose(text: str) -> yaml.Node | None:
    """The nodes of a rule file, which know where they stand. Raises ``RuleTextError``."""
    found: yaml.Node | None = _read(text, yaml.compose)
    return found


class Reading(NamedTuple):
    """A rule file as plain data and as nodes. Others are given the same: nobody changes what it holds."""

    data: Any
    root: yaml.Node | None


@lru_cache(KEPT_READINGS)
def reading(text: str) -> Reading:
    """A rule file, read once where an editor asks of the same text again and again. Raises ``RuleTextError``."""
    found: Reading = _read(text, _both)
    return found


def _both(text: str, loader: type[_Loader]) -> Reading:
    opened = loader(text)
    try:
        root = opened.get_single_node()
        return Reading(None if root is None else opened.construct_document(root), root)
    finally:
        opened.dispose()


def _read(text: str, reading: Callable[..., Any]) -> Any:
    if len(text.encode(errors="surrogatepass")) > MAX_TEXT_BYTES:
        raise RuleTextError(f"larger than {MAX_TEXT_BYTES >> 20} MiB")
    try:
        _refuse_traps(text)
        return reading(text, _Loader)
    except yaml.MarkedYAMLError as fault:
        raise RuleTextError(_with_cure(text, fault), fault.problem_mark) from fault
    except yaml.YAMLError as fault:
        raise RuleTextError("not YAML: it holds control characters; remove them") from fault


def _with_cure(text: str, fault: yaml.MarkedYAMLError) -> str:
    problem, mark = fault.problem or "not YAML", fault.problem_mark
    lines = text.splitlines()
    line = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    before, at = (line[: mark.column], line[mark.column : mark.column + 1]) if mark is not None else ("", "")
    if at == "\t" or (not before.strip() and "\t" in line[: len(line) - len(line.lstrip())]):
        return "a tab character; indent with spaces"
    if at and at in "@`%*&!":
        return f"a text cannot begin with {at}; put it in quotes"
    return next((f"{problem}; {cure}" for part, cure in _CURES.items() if part in problem), f"{problem}; {_ANY_CURE}")


_ANY_CURE: Final = "look for a missing quote, colon, dash or bracket here or on the line before"
_CURES: Final = {
    "mapping values are not allowed": "put text that contains ': ' in quotes, and check the indentation",
    "expected '-' indicator": "indent the lines of one rule alike, and begin each rule with '- '",
    "unexpected end of stream": "a quote is not closed",
    "expected ',' or": "close the bracket or brace, and put commas between its parts",
    "alphabetic or numeric character": "put text that begins with * or & in quotes",
    "unknown escape character": "write \\\\ for a backslash in double quotes, or use single quotes",
    "another document": "remove the line '---' between; a rule file is one document",
}


def dump(document: RuleDocument) -> str:
    """The document as text that ``load`` reads back; defaults are left out."""
    plain = document.model_dump(mode="json", exclude_defaults=True)
    return yaml.dump({"version": document.version, **plain}, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def inline(value: Any) -> str:
    """Plain data on one line, as ``load`` reads it back."""
    written: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1 << 30
    )
    return written.removesuffix("...\n").strip()


def _refuse_traps(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.AliasEvent):
            raise RuleTextError("aliases are not allowed; write the value out", event.start_mark)
        if isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)) and event.tag is not None:
            raise RuleTextError(f"the tag {event.tag} is not allowed; remove it", event.start_mark)
        if isinstance(event, yaml.ScalarEvent) and "\0" in event.value:
            raise RuleTextError("the character \\0 cannot be stored; remove it", event.start_mark)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_NESTING:
            raise RuleTextError(f"nested deeper than {MAX_NESTING} levels", event.start_mark)

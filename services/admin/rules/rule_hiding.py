"""Rules for who may not see names: a condition on a patient's name, or a step that writes one, says it (pure).

What such a condition or step compares or writes is hidden; everything else of a rule stays.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, get_args

import yaml

from schemas.rules import Operator, RuleTextError
from schemas.rules.text import compose
from services.admin.patients.hiding import HIDDEN, names_a_person
from services.dicom.rules.names import UnknownName, resolve_tag

UNREADABLE: Final = "# hidden: this text is no YAML, and what in it may name a person cannot be told\n"
_SAYING: Final = frozenset({"value", "text", "pattern", "by"})
"""Keys of conditions and steps that hold what is compared or written."""
_CONDITION: Final = re.compile(rf"(.+?) ({'|'.join(get_args(Operator))}) .*", re.DOTALL)


def document_without_names(told: Any) -> Any:
    """The plain data of a rule document."""
    if isinstance(told, list):
        return [document_without_names(each) for each in told]
    if not isinstance(told, Mapping):
        return told
    hides = _names_persons(told.get("tag"))
    return {
        key: _hidden(value) if hides and key in _SAYING else document_without_names(value)
        for key, value in told.items()
    }


def text_without_names(source: str) -> str:
    """A rule file, otherwise as it was written."""
    try:
        spans = list(_spans(compose(source)))
    except RuleTextError:
        return UNREADABLE if source.strip() else source
    for start, end in sorted(spans, reverse=True):
        source = f"{source[:start]}{HIDDEN}{source[end:]}"
    return source


def explanation_without_names(told: Any) -> Any:
    """What ``rule_explanations.explain`` tells: conditions without what they compare with, and no values seen."""
    if isinstance(told, list):
        return [explanation_without_names(each) for each in told]
    if not isinstance(told, Mapping):
        return told
    shown = {key: explanation_without_names(value) for key, value in told.items()}
    hidden = {"node": _condition(told["node"])} if "node" in told else {}
    return shown | hidden | ({"found": [HIDDEN], "more": 0} if "found" in told else {})


def _condition(described: str) -> str:
    found = _CONDITION.fullmatch(described)
    return f"{found[1]} {found[2]} {HIDDEN}" if found and _names_persons([found[1]]) else described


def _names_persons(tags: Any) -> bool:
    return any(_names_a_person(tag) for tag in (tags if isinstance(tags, list) else [tags]) if isinstance(tag, str))


def _names_a_person(path: str) -> bool:
    """Whether an element that a rule names, or one that it stands in, does; what nobody knows is taken to."""
    try:
        name = resolve_tag(path)
    except UnknownName:
        return True
    parts = name.key.split("/")
    vrs = [*("SQ" for _ in parts[:-1]), name.vr]
    return any(":" in part or names_a_person(int(part, 16), vr) for part, vr in zip(parts, vrs, strict=True))


def _hidden(value: Any) -> Any:
    return [HIDDEN for _ in value] if isinstance(value, list) else HIDDEN


def _spans(node: yaml.Node | None) -> Iterator[tuple[int, int]]:
    """Beginning and end of each scalar that is hidden."""
    if isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _spans(each)
    elif isinstance(node, yaml.MappingNode):
        hides = any(key.value == "tag" and _names_persons(_texts(value)) for key, value in node.value)
        for key, value in node.value:
            yield from _scalars(value) if hides and key.value in _SAYING else _spans(value)


def _texts(node: yaml.Node) -> list[str]:
    scalars: Iterable[Any] = node.value if isinstance(node, yaml.SequenceNode) else [node]
    return [each.value for each in scalars if isinstance(each, yaml.ScalarNode)]


def _scalars(node: yaml.Node) -> Iterator[tuple[int, int]]:
    if isinstance(node, yaml.ScalarNode):
        yield node.start_mark.index, node.end_mark.index
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _scalars(each)

"""Nested conditions as parts of a form, and back (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from schemas.rules.text import inline
from services.admin.web.rule_forms import texts
from services.admin.web.rule_forms.names import Tree, items, one
from services.dicom.rules.names import FACTS

SHAPES: Final = {"all": "all of these", "any": "any of these", "none": "none of these"}
OPERATORS: Final = (
    "equals", "not_equals", "in", "contains", "starts_with", "wildcard", "regex", "lt", "le", "gt", "ge", "between",
    "exists", "absent",
)  # fmt: skip
WITHOUT_VALUE: Final = ("exists", "absent")
NEW: Final = {"tag": "", "op": "equals", "value": ""}
_KEYS: Final = frozenset({"tag", "fact", "op", "value", "ignore_case"})


@dataclass(frozen=True)
class Place:
    """Where a part stands: the ``name`` of its fields, its ``path`` for who moves it, the ``field`` as faults name it.
    ``first`` and ``last`` of those beside it; ``inward``: a group is next to it; ``inside`` of a group that is not the
    outermost."""

    name: str
    path: str
    field: str
    first: bool = True
    last: bool = True
    inward: bool = False
    inside: bool = False


@dataclass(frozen=True)
class Condition:
    """A line of the form. ``exact``: letters are told apart (``ignore_case: false``)."""

    place: Place
    subject: str
    kind: str
    op: str
    value: str
    exact: bool


@dataclass(frozen=True)
class Group:
    """``shape``: how many of its nodes have to hold."""

    place: Place
    shape: str
    nodes: Sequence["Shown"]


@dataclass(frozen=True)
class Elsewhere:
    """What only the YAML can say, on one line."""

    place: Place
    text: str


Shown = Condition | Group | Elsewhere


def outermost(when: Any, name: str = "when") -> Group:
    """The conditions of a rule; a condition that stands alone is the only one of a group."""
    if shape_of(when) is not None:
        found = shown(when, Place(name, name, name))
        if isinstance(found, Group):
            return found
    place = Place(f"{name}.n.0", f"{name}/0", name)
    return Group(Place(name, name, name), "all", [] if when is None else [shown(when, place)])


def shown_list(nodes: Sequence[Any], name: str, path: str, field: str, *, inside: bool = False) -> list[Shown]:
    """Nodes of a list."""
    groups = [shape_of(node) is not None for node in nodes]
    places = [
        Place(
            f"{name}.n.{n}", f"{path}/{n}", f"{field}[{n + 1}]", n == 0, n == len(nodes) - 1,
            any(groups[max(0, n - 1) : n] + groups[n + 1 : n + 2]), inside,
        )
        for n in range(len(nodes))
    ]  # fmt: skip
    return [shown(node, place) for node, place in zip(nodes, places, strict=True)]


def shown(node: Any, place: Place) -> Shown:
    """A node."""
    shape = shape_of(node)
    if shape is not None:
        nodes = node[shape]
        inside = "/" in place.path
        return Group(place, shape, shown_list(nodes, place.name, place.path, f"{place.field}.{shape}", inside=inside))
    elsewhere = Elsewhere(place, inline(node))
    if isinstance(node, dict):
        op = node.get("op")
        text = "" if op in WITHOUT_VALUE else texts.written(node.get("value"), _reader(op))
        kind = "fact" if "fact" in node else "tag"
        exact = node.get("ignore_case") is False
        subject = node.get(kind)
        if isinstance(op, str) and text is not None and isinstance(subject, str):
            said_again = _condition(subject, op, text, node, exact=exact)
            return Condition(place, subject, kind, op, text, exact) if texts.same(said_again, node) else elsewhere
    return elsewhere


def said(tree: Tree, before: Any) -> Any:
    """The node that a form says; ``before``: what stood in its place, of which stays what a form cannot say."""
    kind = one(tree, "kind")
    if kind == "group":
        shape = one(tree, "shape")
        return {shape if shape in SHAPES else "all": said_list(tree, nodes_of(before))}
    if kind == "condition":
        rest = before if isinstance(before, dict) else {}
        return _condition(
            one(tree, "subject"), one(tree, "op"), one(tree, "value"), rest, exact=bool(one(tree, "exact"))
        )
    return before


def said_list(tree: Tree, before: Sequence[Any]) -> list[Any]:
    """Nodes of a list."""
    return [said(each, before[n] if n < len(before) else None) for n, each in items(tree, "n")]


def said_outermost(tree: Tree, before: Any) -> Any:
    """The conditions of a rule; one that stood alone stays so while it is the only one."""
    if shape_of(before) is not None or before is None:
        return said(tree, before)
    made = said(tree, {"all": [before]})
    return made["all"][0] if len(made.get("all", ())) == 1 else made


def shape_of(node: Any) -> str | None:
    """all, any or none; None: it is no group, or one with something beside."""
    shape = next(iter(node)) if isinstance(node, dict) and len(node) == 1 else None
    return shape if shape in SHAPES and isinstance(node[shape], list) else None


def nodes_of(node: Any) -> list[Any]:
    """The nodes of a group; none of what is no group."""
    shape = shape_of(node)
    found: list[Any] = [] if shape is None else node[shape]
    return found


def _condition(subject: str, op: str, text: str, before: dict[str, Any], *, exact: bool) -> dict[str, Any]:
    name = subject.strip()
    made: dict[str, Any] = {"fact" if name in FACTS else "tag": name, "op": op}
    if op not in WITHOUT_VALUE:
        made["value"] = _reader(op)(text)
    if exact:
        made["ignore_case"] = False
    elif before.get("ignore_case") is True:
        made["ignore_case"] = True
    return made | {key: value for key, value in before.items() if key not in _KEYS}


def _reader(op: Any) -> texts.Reader:
    return texts.values if op in ("in", "between") else texts.scalar

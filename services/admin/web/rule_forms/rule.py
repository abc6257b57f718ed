"""A rule as a form, and the rule that a form says (pure)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from schemas.rules import Node
from schemas.rules.text import inline
from services.admin.rules import rule_words
from services.admin.web.rule_forms import conditions, steps, texts
from services.admin.web.rule_forms.conditions import Elsewhere, Group, Place, Shown
from services.admin.web.rule_forms.names import Tree, below, items, one, several
from services.admin.web.rule_forms.steps import Step

DEFAULTS: Final[Mapping[str, Any]] = {
    "description": "", "enabled": True, "level": "instance", "quiet": "30s", "late": None, "late_within": None,
    "priority": "normal", "stop": False, "back": None, "contact": None,
}  # fmt: skip
FLAGS: Final = ("enabled", "stop", "back")
CHOICES: Final = {
    "level": ("instance", "series", "study"),
    "late": ("new", "all", "never"),
    "priority": ("low", "normal", "high", "stat"),
}
_WINDOW: Final = re.compile(r"(\S+) (\S+?)-(\S+) (\S+)")
_NODE: Final[TypeAdapter[Any]] = TypeAdapter(Node)
_LISTS: Final = ("send", "after_commitment", "schedule", "transform")
_KNOWN: Final = frozenset({"name", "when", "complete", *_LISTS, *DEFAULTS})
_USUAL: Final[Mapping[str, Any]] = {**DEFAULTS, "name": "", "when": {"all": []}}
"""What is not written where it was not."""
MOST_PARTS: Final = 120
"""Conditions, groups, steps, stations and windows that a form has, so that what is sent has less than 1000 fields."""


@dataclass(frozen=True)
class Line:
    """A rule in the list."""

    position: int
    name: str
    enabled: bool
    words: str
    titles: Sequence[str]


@dataclass(frozen=True)
class Target:
    """A station that is sent to; ``commit``: "true", "false" or "" (where it can be asked)."""

    place: Place
    to: str
    commit: str
    steps: Sequence[Step | Elsewhere]


@dataclass(frozen=True)
class Window:
    """A window of the week."""

    place: Place
    days: str
    begins: str
    ends: str
    zone: str


@dataclass(frozen=True)
class Form:
    """A rule with everything that may be said of it. ``given``: its plain fields; ``elsewhere``: fields that only the
    YAML can say, on one line each."""

    position: int
    given: Mapping[str, Any]
    when: Group
    targets: Sequence[Target | Elsewhere]
    counts: bool
    required: Sequence[Shown]
    awaited: Sequence[str]
    windows: Sequence[Window | Elsewhere]
    steps: Sequence[Step | Elsewhere]
    elsewhere: Mapping[str, str]

    @property
    def too_long(self) -> bool:
        """Whether it has more parts than a form can have."""
        groups = [self.when, *(node for node in self.required if isinstance(node, Group))]
        changes = len(self.steps) + sum(len(each.steps) for each in self.targets if isinstance(each, Target))
        others = len(self.required) + len(self.targets) + len(self.windows) + changes
        return sum(map(_parts, groups)) + others > MOST_PARTS


def line(position: int, rule: Mapping[str, Any]) -> Line:
    """A rule in few words, faults and all."""
    titles = [str(each.get("to", "")) for each in _list(rule.get("send")) if isinstance(each, dict)]
    enabled = rule.get("enabled", True) is not False
    return Line(position, str(rule.get("name", "")), enabled, _words(rule.get("when")), titles)


def form_of(position: int, rule: Mapping[str, Any]) -> Form:
    """A rule as a form shows it, faults and all."""
    complete = rule.get("complete")
    known = complete if isinstance(complete, dict) else {}
    elsewhere = {key: inline(value) for key, value in rule.items() if key not in _KNOWN or not _sayable(key, value)}
    required = _listed(known.get("require"))
    return Form(
        position,
        {"name": rule.get("name", "")} | {key: rule.get(key, DEFAULTS[key]) for key in DEFAULTS},
        conditions.outermost(rule.get("when")),
        [_target(each, place) for each, place in _placed(rule.get("send"), "send")],
        known.get("counts") is True,
        conditions.shown_list(required, "complete", "complete", "complete.require"),
        [str(title) for title in _list(rule.get("after_commitment"))],
        [_window(each, place) for each, place in _placed(rule.get("schedule"), "schedule")],
        steps.shown_steps(rule.get("transform"), "transform", "transform"),
        elsewhere | {f"complete.{key}": inline(known[key]) for key in known if key not in ("require", "counts")},
    )


def said(rule: Mapping[str, Any], tree: Tree) -> dict[str, Any]:
    """The rule that a form says; of ``rule``, which it was made from, stays what no form can say."""
    given = {key: _plain(key, tree) for key in DEFAULTS if key in tree or (key in FLAGS and "flags" in tree)}
    given |= {"name": one(tree, "name")} if "name" in tree else {}
    given |= {
        "when": conditions.said_outermost(below(tree, "when"), rule.get("when")),
        "complete": _complete(tree, rule.get("complete")),
        "send": _send(tree, rule.get("send")),
        "after_commitment": _awaited(tree, rule.get("after_commitment")),
        "schedule": _schedule(tree, rule.get("schedule")),
        "transform": steps.said_steps(tree, "transform", rule.get("transform")),
    }
    made = dict(rule)
    for key, value in given.items():
        if key in rule and not _sayable(key, rule[key]):
            continue
        if value is None or value == [] or value == {}:
            made.pop(key, None)
        elif key in rule or not texts.same(value, _USUAL.get(key)):
            made[key] = value
    return made


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are others, None for those that are gone."""
    gone = {key: None for key in before if key not in after}
    return gone | {k: v for k, v in after.items() if k not in before or not texts.same(before[k], v)}


def _plain(key: str, tree: Tree) -> Any:
    if key in FLAGS:
        return one(tree, key) == "true" or (None if key == "back" else False)
    text = one(tree, key)
    return text if text or key == "description" else DEFAULTS[key]


def _sayable(key: str, value: Any) -> bool:
    """Whether a form can say a value of a field of the rule."""
    if key == "when":
        return True
    if key in FLAGS:
        return value is True or (value is False and key != "back")
    if key == "complete":
        return isinstance(value, dict) and bool(value) and value.get("counts", True) is True
    if key in _LISTS:
        return isinstance(value, list) and bool(value)
    if key == "description":
        return isinstance(value, str)
    return key in _KNOWN and isinstance(value, str) and value.isprintable() and (value != "" or key == "name")


def _complete(tree: Tree, before: Any) -> Any:
    old = before if isinstance(before, dict) else {}
    given = below(tree, "complete")
    require = conditions.said_list(given, _listed(old.get("require")))
    if len(require) == 1 and "require" in old and not isinstance(old["require"], list):
        made = {"require": require[0]}
    else:
        made = {"require": require} if require else {}
    made |= {"counts": True} if one(given, "counts") == "true" else {}
    return made | {key: value for key, value in old.items() if key not in ("require", "counts")}


def _target(target: Any, place: Place) -> Target | Elsewhere:
    if not isinstance(target, dict) or not isinstance(target.get("to"), str):
        return Elsewhere(place, inline(target))
    commit = target.get("commit")
    path = f"{place.path}/transform"
    listed = "transform" not in target or (isinstance(target["transform"], list) and target["transform"])
    if not listed or commit not in (None, True, False) or ("commit" in target and commit is None):
        return Elsewhere(place, inline(target))
    told = "" if commit is None else str(commit).lower()
    return Target(
        place, target["to"], told, steps.shown_steps(target.get("transform"), f"{place.name}.transform", path)
    )


def _send(tree: Tree, before: Any) -> list[Any]:
    old = _list(before)
    return [_said_target(each, old[n] if n < len(old) else None) for n, each in items(tree, "send")]


def _said_target(tree: Tree, before: Any) -> Any:
    if one(tree, "kind") != "target":
        return before
    old = before if isinstance(before, dict) else {}
    made: dict[str, Any] = {"to": one(tree, "to")}
    commit = one(tree, "commit")
    made |= {"commit": commit == "true"} if commit in ("true", "false") else {}
    changes = steps.said_steps(tree, "transform", old.get("transform"))
    made |= {"transform": changes} if changes else {}
    return made | {key: value for key, value in old.items() if key not in ("to", "commit", "transform")}


def _awaited(tree: Tree, before: Any) -> list[str]:
    """Those that were named before first, as they were."""
    chosen = several(tree, "after_commitment")
    kept = [title for title in _list(before) if title in chosen]
    return kept + [title for title in dict.fromkeys(chosen) if title not in kept]


def _window(text: Any, place: Place) -> Window | Elsewhere:
    found = _WINDOW.fullmatch(text) if isinstance(text, str) and text.isprintable() else None
    return Elsewhere(place, inline(text)) if found is None else Window(place, *found.groups())


def _schedule(tree: Tree, before: Any) -> list[Any]:
    old = _list(before)
    found = []
    for n, each in items(tree, "schedule"):
        days, begins, ends, zone = (one(each, name).strip() for name in ("days", "begins", "ends", "zone"))
        window = one(each, "kind") == "window"
        found.append(f"{days} {begins}-{ends} {zone}" if window else old[n] if n < len(old) else "")
    return found


def _placed(found: Any, name: str) -> list[tuple[Any, Place]]:
    listed = _list(found)
    return [
        (each, Place(f"{name}.{n}", f"{name}/{n}", f"{name}[{n + 1}]", n == 0, n == len(listed) - 1))
        for n, each in enumerate(listed)
    ]


def _parts(group: Group) -> int:
    return 1 + sum(_parts(node) if isinstance(node, Group) else 1 for node in group.nodes)


def _words(when: Any) -> str:
    try:
        return rule_words.when(_NODE.validate_python(when))
    except (ValidationError, RecursionError):
        return "conditions with a fault"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _listed(value: Any) -> list[Any]:
    """A list, or one as a list of one."""
    return value if isinstance(value, list) else [] if value is None else [value]

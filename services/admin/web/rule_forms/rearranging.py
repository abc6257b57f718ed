"""Parts of a rule come, go and move, as a person asks by a button (pure).

A part is named by its path, such as ``when/0/1`` (the second node of the first node of the conditions),
``complete/0``, ``send/1``, ``send/1/transform/0`` or ``schedule/2``.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.admin.web.rule_forms import conditions, steps
from services.admin.web.rule_forms.conditions import nodes_of
from services.runtime.errors import UsageError

GONE: Final = "the rule is another one by now: look again"
NEW_WINDOW: Final = "mon-fri 18:00-06:00 UTC"


@dataclass(frozen=True)
class Rearranged:
    """``at``: the part that a person goes on with."""

    rule: dict[str, Any]
    at: str


def rearranged(rule: Mapping[str, Any], wish: str, stations: Sequence[str]) -> Rearranged:
    """The rule after a wish such as ``when/0:up``. Raises ``UsageError``.

    ``condition``, ``group``, ``step``, ``target`` and ``window`` add one to the list of a path; ``up``, ``down``,
    ``in`` (into the group beside it) and ``remove`` are for the part of a path. Beyond the end of its group a node
    moves out of it.
    """
    made = copy.deepcopy(dict(rule))
    path, _, verb = wish.partition(":")
    parts = path.split("/")
    if verb not in _ADDED and verb not in _MOVED:
        raise UsageError(f"act {wish[:80]!r}: there is no such button")
    try:
        if verb in _ADDED:
            found = _items(made, parts)
            found.append(copy.deepcopy(_new(verb, made, stations)))
            at = [*parts, str(len(found) - 1)]
        else:
            at = _MOVED[verb](made, parts)
    except (LookupError, ValueError, TypeError, AttributeError):
        raise UsageError(GONE) from None
    _tidy(made)
    return Rearranged(made, "/".join(at))


def _new(verb: str, rule: Mapping[str, Any], stations: Sequence[str]) -> Any:
    if verb == "target":
        named = {each.get("to") for each in rule.get("send") or () if isinstance(each, dict)}
        free = next((title for title in stations if title not in named), None)
        if free is None:
            raise UsageError("it is sent to every station there is that may be sent to: add a station first")
        return {"to": free}
    return _ADDED[verb]


_ADDED: Final[Mapping[str, Any]] = {
    "condition": conditions.NEW,
    "group": {"any": [conditions.NEW]},
    "step": steps.NEW,
    "target": {},
    "window": NEW_WINDOW,
}


def _items(rule: dict[str, Any], parts: Sequence[str]) -> list[Any]:
    """The list of a path."""
    head, *rest = parts
    if head == "when":
        if conditions.shape_of(rule.get("when")) is None:
            rule["when"] = {"all": [rule["when"]] if rule.get("when") else []}
        return _nodes(rule["when"], rest)
    if head == "complete":
        complete = rule.setdefault("complete", {})
        required = complete.get("require", [])
        complete["require"] = required if isinstance(required, list) else [required]
        return _nodes(complete["require"][int(rest[0])], rest[1:]) if rest else complete["require"]
    if head == "send" and rest:
        number, head = rest
        rule = rule["send"][int(number)]
    elif rest:
        raise LookupError
    if head not in ("send", "schedule", "transform"):
        raise LookupError
    found: list[Any] = rule.setdefault(head, [])
    return found


def _nodes(node: Any, path: Sequence[str]) -> list[Any]:
    for number in path:
        node = nodes_of(node)[int(number)]
    if conditions.shape_of(node) is None:
        raise LookupError
    return nodes_of(node)


def _removed(rule: dict[str, Any], parts: Sequence[str]) -> list[str]:
    *above, number = parts
    found = _items(rule, above)
    if above == ["send"] and len(found) == 1:
        raise UsageError("a rule is sent to one station at least: add another one first, or disable the rule")
    found.pop(int(number))
    return above


def _up(rule: dict[str, Any], parts: Sequence[str]) -> list[str]:
    *above, number = parts
    place = int(number)
    return _put(rule, parts, [*above, str(place - 1)] if place else above)


def _down(rule: dict[str, Any], parts: Sequence[str]) -> list[str]:
    *above, number = parts
    place = int(number) + 1
    return _put(rule, parts, [*above, str(place)] if place < len(_items(rule, above)) else _after(above))


def _in(rule: dict[str, Any], parts: Sequence[str]) -> list[str]:
    """To the end of the group before it, or else to the beginning of the one behind it."""
    *above, number = parts
    place, found = int(number), _items(rule, above)
    if place and conditions.shape_of(found[place - 1]) is not None:
        return _put(rule, parts, [*above, str(place - 1), str(len(nodes_of(found[place - 1])))])
    behind = _nodes(found[place + 1], ())
    behind.insert(0, found.pop(place))
    return [*above, str(place), "0"]


def _put(rule: dict[str, Any], parts: Sequence[str], to: Sequence[str]) -> list[str]:
    """Take a part out and put it where it is to be then."""
    if len(to) < 2:
        raise LookupError
    part = _items(rule, parts[:-1]).pop(int(parts[-1]))
    _items(rule, to[:-1]).insert(int(to[-1]), part)
    return list(to)


def _after(path: Sequence[str]) -> list[str]:
    *above, number = path
    return [*above, str(int(number) + 1)]


_MOVED: Final[Mapping[str, Callable[[dict[str, Any], Sequence[str]], list[str]]]] = {
    "up": _up,
    "down": _down,
    "in": _in,
    "remove": _removed,
}


def _tidy(rule: dict[str, Any]) -> None:
    """Lists that became empty say nothing."""
    complete = rule.get("complete")
    if isinstance(complete, dict) and complete.get("require") == []:
        del complete["require"]
    for target in rule.get("send") or ():
        if isinstance(target, dict) and target.get("transform") == []:
            del target["transform"]
    for key in ("schedule", "transform", "complete"):
        if rule.get(key) in ([], {}):
            del rule[key]

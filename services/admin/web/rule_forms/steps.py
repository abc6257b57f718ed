"""The steps of a transformation as parts of a form, and back (pure)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from schemas.rules.steps import Option
from schemas.rules.text import inline
from services.admin.web.rule_forms import texts
from services.admin.web.rule_forms.conditions import Elsewhere, Place
from services.admin.web.rule_forms.names import Tree, items, one, several

SYNTAXES: Final = ("received", "Explicit VR Little Endian", "Implicit VR Little Endian")


@dataclass(frozen=True)
class Kind:
    """How a field is filled in: by a text that a reader understands (``name``: it suggests elements), or by choices
    (``ticks``, ``ordered``), or by yes and no."""

    name: str
    reader: texts.Reader = str
    choices: Sequence[str] = ()


ELEMENT: Final = Kind("element", str.strip)
ELEMENTS: Final = Kind("element", texts.name_or_names)
TEXT: Final = Kind("text")
VALUES: Final = Kind("text", texts.value_or_values)
NAMES: Final = Kind("text", texts.name_or_names)
EXACT: Final = Kind("exact")
FLAG: Final = Kind("flag")
OPTIONS: Final = Kind("ticks", choices=get_args(Option))
SYNTAX_ORDER: Final = Kind("ordered", choices=SYNTAXES)


@dataclass(frozen=True)
class StepField:
    """``usual``: what leaving it out means; None: it is needed. ``help`` is shown where it is empty."""

    name: str
    label: str
    kind: Kind
    usual: Any = None
    help: str = ""


_TAG: Final = StepField("tag", "Elements", ELEMENTS, help="PatientID, (0008,1030), …")
_PROJECT: Final = StepField("project", "Project", TEXT, "", "empty: the same everywhere")
FIELDS: Final[Mapping[str, Sequence[StepField]]] = {
    "set": (
        _TAG,
        StepField("value", "Value", VALUES, help="{calling_aet} and {called_aet} may stand in it"),
        StepField("vr", "VR", TEXT, "", "of unknown private elements"),
    ),
    "remove": (_TAG,),
    "copy": (StepField("tag", "From", ELEMENT), StepField("to", "To", ELEMENT)),
    "replace": (
        _TAG,
        StepField("pattern", "Expression", TEXT, help="^0+"),
        StepField("by", "By", TEXT, "", r"\1 to \9: its groups"),
        StepField("ignore_case", "Letter case", EXACT, True),
    ),
    "prefix": (_TAG, StepField("text", "Text", TEXT, help="{calling_aet}-")),
    "new_uids": (_PROJECT,),
    "deidentify": (
        StepField("options", "Options", OPTIONS, ()),
        StepField("keep", "Elements that stay", Kind("element", texts.values), (), "none"),
        _PROJECT,
        StepField("burned_in", "Also images with burned-in annotations", FLAG, False),
    ),
    "charset": (StepField("value", "Character set", NAMES, help="ISO_IR 192"),),
    "transfer_syntax": (StepField("prefer", "In this order", SYNTAX_ORDER),),
    "reduce": (),
}  # fmt: skip
WORDS: Final[Mapping[str, str]] = {
    "set": "set elements",
    "remove": "remove elements",
    "copy": "copy an element",
    "replace": "replace in elements",
    "prefix": "put before elements",
    "new_uids": "new UIDs",
    "deidentify": "de-identify",
    "charset": "character set",
    "transfer_syntax": "transfer syntax",
    "reduce": "reduce level 1 classes",
}
NEW: Final = {"do": "set", "tag": "", "value": ""}


@dataclass(frozen=True)
class Step:
    """``given``: of each field what it shows: a text, or the list of what is chosen."""

    place: Place
    do: str
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fields(self) -> Sequence[StepField]:
        """Those of its kind."""
        return FIELDS[self.do]


def shown_steps(steps: Any, name: str, path: str) -> list[Step | Elsewhere]:
    """The steps of a list; none of what is no list."""
    found = steps if isinstance(steps, list) else []
    places = [
        Place(f"{name}.{n}", f"{path}/{n}", f"{field_of(path)}[{n + 1}]", n == 0, n == len(found) - 1)
        for n in range(len(found))
    ]
    return [_shown(step, place) for step, place in zip(found, places, strict=True)]


def said_steps(tree: Tree, name: str, before: Any) -> list[Any]:
    """The steps that a form says."""
    old = before if isinstance(before, list) else []
    return [_said(each, old[n] if n < len(old) else None) for n, each in items(tree, name)]


def field_of(path: str) -> str:
    """As faults name it: ``send/0/transform`` is ``send[1].transform``."""
    head, *rest = path.split("/")
    return head + "".join(f"[{int(part) + 1}]" if part.isdecimal() else f".{part}" for part in rest)


def _shown(step: Any, place: Place) -> Step | Elsewhere:
    do = step.get("do") if isinstance(step, dict) else None
    if isinstance(do, str) and do in FIELDS:
        given = {each.name: _GIVEN[each.kind.name](each, step) for each in FIELDS[do]}
        if None not in given.values():
            tree = {name: value if isinstance(value, list) else [value] for name, value in given.items()}
            if texts.same(_said(tree | {"do": [do], "was": [do]}, step), step):
                return Step(place, do, given)
    return Elsewhere(place, inline(step))


def _said(tree: Tree, before: Any) -> Any:
    do, old = one(tree, "do"), before if isinstance(before, dict) else {}
    if do not in FIELDS:
        return before
    if do != one(tree, "was"):  # another kind: what it has of the same name stays
        needed = {each.name: _NEW.get((do, each.name), "") for each in FIELDS[do] if each.usual is None}
        return {"do": do} | {name: old.get(name, new) for name, new in needed.items()}
    made = {"do": do}
    for each in FIELDS[do]:
        value = _SAID[each.kind.name](each, tree, old)
        usual = list(each.usual) if isinstance(each.usual, tuple) else each.usual
        if each.usual is None or not texts.same(value, usual) or texts.same(old.get(each.name), usual):
            made[each.name] = value
    known = {"do", *(each.name for each in FIELDS[do])}
    return made | {key: value for key, value in old.items() if key not in known}


_NEW: Final = {("transfer_syntax", "prefer"): ["received"], ("charset", "value"): "ISO_IR 192"}


def _text_given(each: StepField, step: Mapping[str, Any]) -> str | None:
    if each.name not in step:
        return ""
    value = step[each.name]
    return "" if value == [] else texts.written(value, each.kind.reader)


def _text_said(each: StepField, tree: Tree, old: Mapping[str, Any]) -> Any:
    return each.kind.reader(one(tree, each.name))


def _ticks_given(each: StepField, step: Mapping[str, Any]) -> list[str] | None:
    value = step.get(each.name, [])
    return value if isinstance(value, list) and all(choice in each.kind.choices for choice in value) else None


def _ticks_said(each: StepField, tree: Tree, old: Mapping[str, Any]) -> list[str]:
    """Those that were there first, in the order in which they were."""
    chosen, before = several(tree, each.name), old.get(each.name)
    kept = [choice for choice in before if choice in chosen] if isinstance(before, list) else []
    return kept + [choice for choice in chosen if choice not in kept]


def _ordered_given(each: StepField, step: Mapping[str, Any]) -> list[str] | None:
    value = step.get(each.name)
    found = [value] if isinstance(value, str) else value
    return found if isinstance(found, list) and all(choice in each.kind.choices for choice in found) else None


def _ordered_said(each: StepField, tree: Tree, old: Mapping[str, Any]) -> Any:
    chosen = list(dict.fromkeys(choice for choice in several(tree, each.name) if choice))
    return old[each.name] if [old.get(each.name)] == chosen else chosen


_GIVEN: Final[Mapping[str, Callable[[StepField, Mapping[str, Any]], Any]]] = {
    "element": _text_given,
    "text": _text_given,
    "exact": lambda each, step: "" if step.get(each.name, True) is True else "true",
    "flag": lambda each, step: "true" if step.get(each.name) is True else "",
    "ticks": _ticks_given,
    "ordered": _ordered_given,
}
_SAID: Final[Mapping[str, Callable[[StepField, Tree, Mapping[str, Any]], Any]]] = {
    "element": _text_said,
    "text": _text_said,
    "exact": lambda each, tree, old: one(tree, each.name) != "true",
    "flag": lambda each, tree, old: one(tree, each.name) == "true",
    "ticks": _ticks_said,
    "ordered": _ordered_said,
}
"""What a field shows of a step, and what it says of one, by how it is filled in."""

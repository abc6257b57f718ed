"""Checking rule files: all faults at once, each with rule, field, value and cure."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from schemas.rules import AllOf, AnyOf, Completion, Condition, NoneOf, Rule, RuleDocument, RuleTextError, Target
from schemas.rules.steps import STEPS, AnyStep
from schemas.rules.text import reading
from services.dicom.rules.committing import Committing, endless, flows
from services.dicom.rules.conditions import ImpossibleCondition, build, named
from services.dicom.rules.likeness import likest
from services.dicom.rules.names import UnknownName, nearest
from services.runtime.errors import UsageError

_PARTS: Final[dict[str, type[BaseModel]]] = {"all": AllOf, "any": AnyOf, "none": NoneOf, "condition": Condition}
_MAX_FAULTS: Final = 1000
_HALF_A_TAG: Final = re.compile(r"[^()]*\)")
"""What YAML makes a key of its own when a tag such as (0008,1030) stands between braces without quotes."""


@dataclass(frozen=True)
class RuleFault:
    """One fault: the rule, field, value there, and cure.

    ``rule`` is its name, ``rule 3 (unnamed)`` without one, ``rule 3 (NAME)`` if others have that name too, empty for
    the file. Rules and places in lists count from 1.
    """

    rule: str
    field: str
    value: str
    cure: str

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.rule, self.field) if part)
        return f"{place} = {self.value}: {self.cure}" if self.value else f"{place}: {self.cure}"


class RuleFaults(UsageError):
    """All faults of a rule file."""

    def __init__(self, faults: Sequence[RuleFault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = list(faults)


def parse(
    text: str,
    stations: Collection[str] | None = None,
    committing: Committing | None = None,
    *,
    transforming: bool = True,
    contacts: Collection[str] | None = None,
) -> RuleDocument:
    """Read a rule file. With ``stations``, the titles it may send to are checked too, in the same pass, with
    ``committing`` what it says of storage commitment, and with ``contacts`` whom it has told. ``transforming``: whether
    the profile lets rules change what they send and ask sources how much there is, which profile xeleris does not.

    Raises:
        RuleFaults: all faults of the file.
    """
    try:
        data = reading(text).data
    except RuleTextError as fault:
        raise RuleFaults([RuleFault("", fault.place, "", fault.problem)]) from fault
    return read(data, stations, committing, transforming=transforming, contacts=contacts)


def read(
    data: Any,
    stations: Collection[str] | None = None,
    committing: Committing | None = None,
    *,
    transforming: bool = True,
    contacts: Collection[str] | None = None,
) -> RuleDocument:
    """Read a rule document from plain data, as it comes from JSON.

    Raises:
        RuleFaults: all faults of the document.
    """
    faults: list[RuleFault] = _repeated_names(data)
    repeated = frozenset(fault.value for fault in faults)
    if committing is not None:
        faults += _endless_waits(data, repeated, committing)
    try:
        judge = _Judge(stations, committing, transforming=transforming, contacts=contacts)
        document = RuleDocument.model_validate(data, context={"judge": judge})
    except ValidationError as error:
        told = [part for part in error.errors() if not _of_another_shape(part)]
        found = [_translated(data, repeated, part) for part in told[:_MAX_FAULTS]]
        raise RuleFaults(list(dict.fromkeys(faults + found))) from error
    except RecursionError as error:
        raise RuleFaults([RuleFault("", "when", "", "nest all, any and none less deeply")]) from error
    if faults:
        raise RuleFaults(faults)
    return document


def check(
    document: RuleDocument,
    stations: Collection[str],
    committing: Committing | None = None,
    *,
    transforming: bool = True,
    contacts: Collection[str] | None = None,
) -> list[RuleFault]:
    """All faults of a document that was read before, against the stations and contacts there are."""
    plain = document.model_dump(mode="json", exclude_none=True)
    try:
        read(plain, stations, committing, transforming=transforming, contacts=contacts)
    except RuleFaults as found:
        return found.faults
    return []


class _Judge:
    """Says what tags, values and stations of a document mean."""

    def __init__(
        self, stations: Collection[str] | None, committing: Committing | None, *, transforming: bool,
        contacts: Collection[str] | None,
    ) -> None:  # fmt: skip
        self._stations, self._committing, self._transforming = stations, committing, transforming
        self._contacts = contacts

    def condition(self, condition: Condition) -> tuple[str, Any, str] | None:
        try:
            build(named(condition), condition)
        except UnknownName as fault:
            field = "tag" if condition.fact is None else "fact"
            return field, getattr(condition, field), str(fault)
        except ImpossibleCondition as fault:
            return fault.field, fault.value, fault.cure
        return None

    def step(self, step: AnyStep) -> tuple[str, Any, str] | None:
        if not self._transforming:
            return "do", getattr(step, "do", ""), "profile xeleris sends instances as they are: leave transform out"
        # Imported here: steps are written with the names of this package.
        from services.dicom.transforming.checking import fault_of

        return fault_of(step)

    def station(self, title: str) -> str | None:
        if self._stations is None or title in self._stations:
            return None
        return nearest(title, list(self._stations), "no such station; add it with 'gateway station add'")

    def required(self, title: str) -> str | None:
        if self._committing is None or (self._stations is not None and title not in self._stations):
            return None  # that there is no such station is told at ``to``
        return self._committing.why_not_required(title)

    def counted(self) -> str | None:
        return None if self._transforming else "profile xeleris queries only for a person (R53): leave counts out"

    def contact(self, name: str) -> str | None:
        if self._contacts is None or name in self._contacts:
            return None
        return nearest(name, list(self._contacts), "no such contact; add it with 'gateway notices add'")

    def awaited(self, title: str) -> str | None:
        return None if self._committing is None else self._committing.why_not_awaited(title)


def _repeated_names(data: Any) -> list[RuleFault]:
    rules = data.get("rules") if isinstance(data, dict) else None
    places: dict[str, list[str]] = {}
    for place, rule in enumerate(rules if isinstance(rules, list) else (), start=1):
        name = rule.get("name") if isinstance(rule, dict) else None
        if isinstance(name, str) and name:
            places.setdefault(name, []).append(str(place))
    return [
        RuleFault(name, "name", name, f"give each rule a name of its own; rules {', '.join(found)} have this one")
        for name, found in places.items()
        if len(found) > 1
    ]


def _endless_waits(data: Any, repeated: Collection[str], committing: Committing) -> list[RuleFault]:
    return [
        RuleFault(_rule_name(data, repeated, ("rules", flow.place)), f"after_commitment[{at + 1}]", title, cure)
        for flow, at, cure in endless(flows(data, committing))
        if committing.why_not_awaited(title := flow.awaits[at]) is None
    ]


def _of_another_shape(error: Mapping[str, Any]) -> bool:
    """What the model says of a value as a list that is none, or as one value where a list stands, beside the fault."""
    place: tuple[str | int, ...] = tuple(error["loc"])
    if place[-3:-1] != ("condition", "value"):
        return False
    as_list = error["type"] in ("list_type", "too_short", "too_long")
    return as_list != isinstance(error["input"], list)


def _translated(data: Any, repeated: Collection[str], error: Mapping[str, Any]) -> RuleFault:
    """A fault of the model in the words of a person."""
    place: tuple[str | int, ...] = tuple(error["loc"])
    context: Mapping[str, Any] = error.get("ctx", {})
    rule = _rule_name(data, repeated, place)
    field = _field(place[2:] if place[:1] == ("rules",) and len(place) > 1 else place)
    value = error.get("input")
    if not place:
        cure = "it is empty; write version and rules" if value is None else _cure(error, place, context)
        return RuleFault("", "the file", "", cure)
    if error["type"] == "rule_fault":
        within = context["field"]
        field = ".".join(part for part in (field, within) if part)
        value = context["value"]
    return RuleFault(rule, field, _shown(value, error["type"]), _cure(error, place, context))


def _rule_name(data: Any, repeated: Collection[str], place: tuple[str | int, ...]) -> str:
    if place[:1] != ("rules",) or len(place) < 2 or not isinstance(place[1], int):
        return ""
    rule = data["rules"][place[1]]
    name = rule.get("name") if isinstance(rule, dict) else None
    if not isinstance(name, str) or not name:
        return f"rule {place[1] + 1} (unnamed)"
    return f"rule {place[1] + 1} ({name})" if name in repeated else name


def _field(place: tuple[str | int, ...]) -> str:
    """``when.all[1].value``, places counted from 1, from the model's way, where the shape of a node is a step too."""
    above = 1 if place[:1] == ("when",) else 3 if place[:2] == ("complete", "require") else 0
    if not above:
        return "".join(_step(step) for step in _without_shapes(place)).lstrip(".")
    text, rest = "".join(map(_step, place[:above])).lstrip("."), list(place[above:])
    while rest:
        shape = rest.pop(0)
        if rest:
            text += _step(rest.pop(0))
        if shape == "condition":
            break
        if rest:
            text += _step(rest.pop(0))
    return text


def _without_shapes(place: tuple[str | int, ...]) -> Iterator[str | int]:
    """The model has what a step does as one more step of the way."""
    for before, step, after in zip((None, None, *place), (None, *place), place, strict=False):
        if not (before == "transform" and isinstance(step, int)):
            yield after


def _step(step: str | int) -> str:
    return f"[{step + 1}]" if isinstance(step, int) else f".{step}"


def _shown(value: Any, kind: str) -> str:
    if kind == "missing" or value is None or isinstance(value, dict):
        return ""
    if value == []:
        return "[]"
    text = ", ".join(map(_as_written, value)) if isinstance(value, list) else _as_written(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _as_written(value: Any) -> str:
    """A value as it stands in a rule file."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cure(error: Mapping[str, Any], place: tuple[str | int, ...], context: Mapping[str, Any]) -> str:
    kind = error["type"]
    if kind == "rule_fault":
        return str(context["cure"])
    if kind == "extra_forbidden" and _HALF_A_TAG.fullmatch(str(place[-1])):
        return 'put the tag in quotes, such as tag: "(0008,1030)"; without them it ends at the comma'
    if kind == "extra_forbidden":
        return _known_field(str(place[-1]), place[:-1])
    if kind == "missing":
        return "this field is needed"
    if kind == "literal_error":
        choices = str(context["expected"]).replace("'", "").replace(" or ", ", ")
        given = error.get("input")
        if isinstance(given, str) and (close := likest(given, tuple(choices.split(", ")))):
            return f"did you mean {close}?"
        return f"write one of {choices}" if "," in choices else f"write {choices}"
    if kind.startswith("union_tag"):
        return _which(error, place)
    within = place if len(place) == 1 else place[2:]
    field = next((step for step in reversed(within) if isinstance(step, str) and step in _FIELD_CURES), "")
    if kind in ("string_type", "int_type", "float_type"):
        return (
            _FIELD_CURES[field] if field in _TEXTS else "write text or a number; put quotes around words such as true"
        )
    if kind.startswith("bool"):
        return "write true or false"
    if kind == "list_type":
        return _FIELD_CURES.get(field, "write a list")
    if kind == "model_type":
        return _FIELD_CURES.get(field, "write name, when and send" if place else "write version and rules")
    return _size_cure(kind, context, field)


def _which(error: Mapping[str, Any], place: tuple[str | int, ...]) -> str:
    """The cure for a node or step that is none of those there are."""
    if "transform" not in place:
        return "write a condition {tag or fact, op, value} or one of all, any, none with a list"
    given = error.get("input")
    do = given.get("do") if isinstance(given, dict) else None
    return nearest(str(do), list(STEPS), f"write a step {{do, …}}; do is one of {', '.join(STEPS)}")


_TEXTS: Final = ("quiet", "late_within", "contact")
_FIELD_CURES: Final = {
    "contact": "write the name of a contact, in quotes where it is a number",
    "quiet": "write a duration from 1s to 24h, such as 30s, 5m or 1h",
    "late_within": "write a duration from 1s to 366d, such as 12h, 7d or 2w",
    "send": "write a list of stations, such as [{to: ARCHIVE1}]",
    "rules": "write a list of rules, each with name, when and send",
    "complete": "write what completes it, such as {require: {tag: ImageType, op: equals, value: TOMO}}",
    "require": "write a condition or node, or a list of these",
    "after_commitment": "write a list of stations, such as [ARCHIVE1], or leave it out",
    "schedule": 'write a list of windows, such as ["mon-fri 18:00-06:00 Europe/Zurich"]',
    "transform": "write a list of steps, such as [{do: remove, tag: PatientComments}]",
}


def _size_cure(kind: str, context: Mapping[str, Any], field: str) -> str:
    if kind in ("too_short", "string_too_short"):
        return _FIELD_CURES.get(field, "it is empty; write at least one value")
    if kind == "too_long":
        return f"write {context['max_length']} entries at most"
    if kind == "string_too_long":
        return f"use at most {context['max_length']} characters"
    return "this value is not allowed here; compare it with the example in docs/rules.md"


def _known_field(name: str, parent: tuple[str | int, ...]) -> str:
    model = _model_at(parent)
    if model in (AllOf, AnyOf, NoneOf):
        return "write one of all, any, none in a node, and nest another in its list"
    known = list(model.model_fields)
    return nearest(name, known, f"no such field here; there is {', '.join(known)}")


def _model_at(place: tuple[str | int, ...]) -> type[BaseModel]:
    """Which part of a document stands at that place."""
    if len(place) < 2:
        return RuleDocument
    if "transform" in place and place[-1] in STEPS:
        return STEPS[str(place[-1])]
    if "send" in place[2:3]:
        return Target
    if place[2:] == ("complete",):
        return Completion
    shapes = [step for step in place if isinstance(step, str) and step in _PARTS]
    return _PARTS[shapes[-1]] if shapes else Rule

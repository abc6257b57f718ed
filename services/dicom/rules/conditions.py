"""Conditions as functions: which operators fit which kind of value, what a value in a rule means, and the test itself.

A missing or undecodable element makes every test but ``absent`` false. Several values match if any does; ``not_equals``
asks that the element is present and no value is equal. Text is compared without case unless the rule says otherwise.
"""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import re2
from pydicom._uid_dict import UID_dictionary

from schemas.rules import Condition
from services.dicom.rules import values
from services.dicom.rules.likeness import likest
from services.dicom.rules.names import Name, resolve_fact, resolve_tag
from services.dicom.rules.subject import Found, View
from services.dicom.uids import valid_uid

Test = Callable[[View], bool]
_Matcher = Callable[[Found], bool]

_PRESENCE: Final = ("exists", "absent")
_EQUALITY: Final = ("equals", "not_equals", "in")
_TEXT: Final = ("contains", "starts_with", "wildcard", "regex")
_ORDER: Final = {"lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge}
_ALL: Final = frozenset((*_PRESENCE, *_EQUALITY, *_TEXT, *_ORDER, "between"))
_UNORDERED: Final = frozenset((*_PRESENCE, *_EQUALITY, *_TEXT))

_OPERATORS: Final[dict[str, frozenset[str]]] = {
    "text": _UNORDERED,
    "UID": _UNORDERED,
    "named UID": _UNORDERED,
    "address": _UNORDERED,
    "binary number": frozenset((*_PRESENCE, *_EQUALITY, *_ORDER, "between")),
    "opaque": frozenset(_PRESENCE),
}
"""Operators of each kind; kinds not listed take all."""

_READINGS: Final[dict[str, tuple[Callable[[object], Any], str]]] = {
    "number": (values.number, "write a number"),
    "binary number": (values.number, "write a number"),
    "date": (values.day, "write a date as 20260131 or 2026-01-31"),
    "time": (values.clock, "write a time as 1230, 12:30 or 12:30:15"),
    "date and time": (values.moment, "write a date and time as 2026-01-31T12:30:00 or 20260131123000, offset at will"),
    "age": (values.age, "write an age as 045Y, 18M, 6W or 10D"),
    "unknown": (values.number, "write a number"),
}
_LONGEST: Final = {"AE": 16, "CS": 16, "SH": 16, "LO": 64, "UI": 64}
_LONGEST_PATTERN: Final = 1000


class ImpossibleCondition(ValueError):
    """A condition that cannot be meant: its field, the value there and the cure."""

    def __init__(self, field: str, value: Any, cure: str) -> None:
        super().__init__(cure)
        self.field, self.value, self.cure = field, value, cure


def named(condition: Condition) -> Name:
    """What the condition looks at.

    Raises:
        UnknownName: no such tag or fact.
    """
    return resolve_fact(condition.fact) if condition.fact is not None else resolve_tag(condition.tag or "")


def build(name: Name, condition: Condition) -> Test:
    """The test of a condition on what it names.

    Raises:
        ImpossibleCondition: the operator does not fit the kind, or the value is none of it.
    """
    key = name.key
    if condition.op == "exists":
        return lambda view: view.find(key) is not None
    if condition.op == "absent":
        return lambda view: view.find(key) is None
    allowed = _OPERATORS.get(name.kind, _ALL)
    if condition.op not in allowed:
        raise ImpossibleCondition(
            "op", condition.op, f"{_described(name)} takes {', '.join(op for op in _IN_ORDER if op in allowed)}"
        )
    matcher = _matcher(name, condition)

    def test(view: View) -> bool:
        found = view.find(key)
        return found is not None and matcher(found)

    return test


_IN_ORDER: Final = (*_EQUALITY, *_TEXT, *_ORDER, "between", *_PRESENCE)


def _described(name: Name) -> str:
    if name.kind == "opaque":
        return f"binary data or a sequence ({name.vr})"
    return f"a {name.kind}" + (f" ({name.vr})" if name.vr else "")


@dataclass(frozen=True)
class Operands:
    """What a condition compares with. ``sort``: pattern (one text), text, network, moment, or value (anything that has
    an order: numbers, dates, times, ages in days)."""

    sort: str
    values: tuple[Any, ...]


def operands(name: Name, condition: Condition) -> Operands:
    """The operands of a condition that is not about presence.

    Raises:
        ImpossibleCondition: the value is none of the kind.
    """
    given = condition.value if isinstance(condition.value, list) else [condition.value]
    if condition.op in _TEXT:
        return Operands("pattern", (_text(name, given[0], exact=False),))
    if condition.op in _EQUALITY and (name.kind in ("text", "UID", "named UID", "unknown") or given == [""]):
        return Operands("text", tuple(_text(name, operand, exact=True) for operand in given))
    if name.kind == "address":
        return Operands("network", tuple(_network(operand) for operand in given))
    reading, cure = _READINGS[name.kind]
    meanings = tuple(_meaning(name, operand, reading, cure) for operand in given)
    return Operands("moment" if name.kind == "date and time" else "value", meanings)


def _matcher(name: Name, condition: Condition) -> _Matcher:
    op, fold, compared = condition.op, condition.ignore_case, operands(name, condition)
    if compared.sort == "pattern":
        return pattern(op, compared.values[0], fold)
    if compared.sort == "text":
        return _equality(op, compared.values, fold)
    if compared.sort == "network":
        return _within(op, compared.values)
    if compared.sort == "moment":
        return _moments(op, compared.values)
    return _comparison(op, compared.values, _READINGS[name.kind][0])


def _text(name: Name, operand: Any, *, exact: bool) -> str:
    """The text that an operand stands for, if such a text can occur in the element."""
    if isinstance(operand, float):
        raise ImpossibleCondition("value", operand, "put the text into quotes")
    text = str(operand) if not exact else str(operand).strip()
    longest = _LONGEST.get(name.vr)
    if exact and longest is not None and len(text) > longest:
        raise ImpossibleCondition("value", text, f"use at most {longest} characters: {name.vr} holds no more")
    if name.vr == "AT" and exact:
        text = values.pointer(text)
    if exact and text and name.kind == "UID" and not valid_uid(text):
        raise ImpossibleCondition("value", text, "write a UID: digits and dots")
    if exact and name.kind == "named UID" and not valid_uid(text) and text.casefold() not in _uid_names():
        close = likest(text.casefold(), tuple(_uid_names()))
        raise ImpossibleCondition(
            "value", text, f"did you mean {_uid_names()[close]}?" if close else "write a UID or its name in DICOM"
        )
    return text


def _uid_names() -> dict[str, str]:
    if not _UID_NAMES:
        for entry in UID_dictionary.values():
            if entry[1] in ("SOP Class", "Transfer Syntax"):
                _UID_NAMES.update({name.casefold(): name for name in (entry[0], entry[4]) if name})
    return _UID_NAMES


_UID_NAMES: Final[dict[str, str]] = {}


def _network(operand: Any) -> values.Network:
    found = values.network(operand)
    if found is None:
        raise ImpossibleCondition("value", operand, "write an IP address or a network such as 10.1.0.0/16")
    return found


def _meaning(name: Name, operand: Any, reading: Callable[[object], Any], cure: str) -> Any:
    meaning = reading(operand)
    if meaning is None:
        raise ImpossibleCondition("value", operand, cure)
    if name.vr == "FL":
        try:
            return values.of_32_bits(meaning)
        except OverflowError:
            raise ImpossibleCondition("value", operand, "use a number that FL (32 bit) can hold") from None
    return meaning


def _equality(op: str, operands: Sequence[str], fold: bool) -> _Matcher:
    wanted = frozenset(operand.casefold() for operand in operands) if fold else frozenset(operands)
    texts: Callable[[Found], list[str]] = (lambda found: found.folded) if fold else (lambda found: found.texts)
    if op == "not_equals":
        return lambda found: bool(found.texts) and wanted.isdisjoint(texts(found))
    return lambda found: not wanted.isdisjoint(texts(found))


def pattern(op: str, text: str, fold: bool) -> _Matcher:
    """Whether any text fits. Raises ``ImpossibleCondition``: too long, or no regular expression."""
    if len(text) > _LONGEST_PATTERN:
        raise ImpossibleCondition("value", text[:40], f"use at most {_LONGEST_PATTERN} characters")
    if op == "regex":
        return _regex(text, fold)
    wanted = text.casefold() if fold else text
    texts: Callable[[Found], list[str]] = (lambda found: found.folded) if fold else (lambda found: found.texts)
    if op == "contains":
        return lambda found: any(wanted in text for text in texts(found))
    if op == "starts_with":
        return lambda found: any(text.startswith(wanted) for text in texts(found))
    body = wanted.rstrip("*")
    if "*" not in body and "?" not in body and wanted == body + "*":
        return lambda found: any(text.startswith(body) for text in texts(found))
    parts = (
        ".*" if part == "*" else "." if part == "?" else re2.escape(part) for part in re.findall(r"[*?]|[^*?]+", wanted)
    )
    return _searched(f"(?s)^{''.join(parts)}$", texts, on="folded" if fold else "texts")


def _regex(text: str, fold: bool) -> _Matcher:
    return _searched(text, lambda found: found.texts, case_sensitive=not fold)


def _searched(
    text: str, texts: Callable[[Found], list[str]], *, on: str = "texts", case_sensitive: bool = True
) -> _Matcher:
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = case_sensitive
    try:
        search: Callable[[str], object] = re2.compile(text, options).search
    except re2.error as fault:
        detail = fault.args[0].decode(errors="replace") if isinstance(fault.args[0], bytes) else str(fault)
        raise ImpossibleCondition("value", text, f"write a regular expression that RE2 knows ({detail})") from fault
    key = (text, on, case_sensitive)
    return lambda found: found.remembered(key, lambda: any(search(text) is not None for text in texts(found)))


def _within(op: str, networks: Sequence[values.Network]) -> _Matcher:
    def inside(found: Found) -> bool:
        return any(address in network for address in found.meanings(values.address) for network in networks)

    if op == "not_equals":
        return lambda found: bool(found.meanings(values.address)) and not inside(found)
    return inside


def _comparison(op: str, operands: Sequence[Any], reading: Callable[[object], Any]) -> _Matcher:
    first = operands[0]
    if op in _ORDER:
        compare = _ORDER[op]
        return lambda found: any(compare(value, first) for value in found.meanings(reading))
    if op == "between":
        last = operands[1]
        if last < first:
            raise ImpossibleCondition("value", f"{first} to {last}", "write the least value first")
        return lambda found: any(first <= value <= last for value in found.meanings(reading))
    if op == "not_equals":
        return lambda found: _none_is(found, found.meanings(reading), lambda value: value == first)
    return lambda found: any(value in operands for value in found.meanings(reading))


def _moments(op: str, operands: Sequence[values.Moment]) -> _Matcher:
    tests: dict[str, Callable[[values.Moment], bool]] = {
        "lt": lambda value: value.before(operands[0]),
        "le": lambda value: not operands[0].before(value),
        "gt": lambda value: operands[0].before(value),
        "ge": lambda value: not value.before(operands[0]),
        "between": lambda value: not value.before(operands[0]) and not operands[1].before(value),
    }
    if op == "between" and operands[1].before(operands[0]):
        raise ImpossibleCondition("value", "", "write the earlier value first")
    test: Callable[[values.Moment], bool] = tests.get(op, lambda value: any(value.same(to) for to in operands))
    if op == "not_equals":
        return lambda found: _none_is(found, found.meanings(values.moment), test)
    return lambda found: any(test(value) for value in found.meanings(values.moment))


def _none_is(found: Found, meanings: list[Any], test: Callable[[Any], bool]) -> bool:
    """Present and no value equal: an empty element is, one whose values mean nothing is undecodable."""
    return found.texts == [""] if not meanings else not any(test(value) for value in meanings)

"""Single conditions as sets of values, and what follows from one for another on the same element. Pure.

Sound, not complete: what is said to follow does so for every instance, whatever came over the wire. An element may
always hold several values, of which any may fit; only facts of the association are known to hold one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.rules import Condition
from services.dicom.dictionary import has_one_value
from services.dicom.rules.conditions import named, operands, pattern
from services.dicom.rules.names import Name
from services.dicom.rules.subject import Found
from services.dicom.rules.uid_names import uids_named
from services.dicom.rules.values import Moment

_ORDER: Final = ("lt", "le", "gt", "ge", "between")


@dataclass(frozen=True)
class Span:
    """Values from ``low`` to ``high``, None: without end; ``low_in`` and ``high_in``: that value too."""

    low: Any = None
    low_in: bool = False
    high: Any = None
    high_in: bool = False

    def holds(self, value: Any) -> bool:
        """Whether a value lies in it."""
        above = self.low is None or self.low < value or (self.low_in and self.low == value)
        return bool(above and (self.high is None or value < self.high or (self.high_in and value == self.high)))

    def within(self, other: "Span") -> bool:
        """Whether all of it lies in the other."""
        low = other.low is None or (
            self.low is not None
            and (other.low < self.low or (other.low == self.low and (other.low_in or not self.low_in)))
        )
        high = other.high is None or (
            self.high is not None
            and (self.high < other.high or (other.high == self.high and (other.high_in or not self.high_in)))
        )
        return bool(low and high)

    def before(self, other: "Span") -> bool:
        """Whether all of it is less than all of the other."""
        if self.high is None or other.low is None:
            return False
        return bool(self.high < other.low or (self.high == other.low and not (self.high_in and other.low_in)))


@dataclass(frozen=True)
class Atom:
    """A condition. ``op``: exists, absent, equals (in too), not_equals, span (what has an order), or as in the rule.

    ``values`` are what it compares with, in lower case where ``fold``. ``one_value``: the standard allows no more in
    the element.
    """

    described: str = field(compare=False)
    key: str
    op: str
    sort: str = ""
    values: tuple[Any, ...] = ()
    fold: bool = False
    one_value: bool = field(default=False, compare=False)

    @property
    def fact(self) -> bool:
        """Whether it is about the association: always there."""
        return self.key.startswith("@")

    def lone(self, standard: bool) -> bool:
        """Whether what it looks at is one value at most; with ``standard`` in instances that keep to the standard."""
        if self.fact:
            return self.sort == "uid" or self.key not in ("@sop_class", "@transfer_syntax")  # the others see names too
        return standard and self.one_value


def atom(condition: Condition, described: str) -> Atom:
    """A condition that was checked."""
    name = named(condition)
    op: str = condition.op
    one_value = _has_one_value(name)
    if op in ("exists", "absent"):
        return Atom(described, name.key, op, one_value=one_value)
    compared = operands(name, condition)
    sort, values, fold = compared.sort, compared.values, condition.ignore_case and compared.sort in ("text", "pattern")
    op = "equals" if op == "in" else op
    if sort == "text" and name.kind == "named UID":
        found = (uids_named(text, fold=fold) for text in values)
        sort, values, fold = "uid", tuple(sorted(frozenset().union(*found))), False
    elif sort == "value" and op in _ORDER:
        op, values = "span", (_span(condition.op, values),)
    elif sort == "pattern" and op == "wildcard" and not set("*?") & set(values[0].rstrip("*")) and "*" in values[0]:
        op, values = "starts_with", (values[0].rstrip("*"),)
    if fold and op != "regex":
        values = tuple(text.casefold() for text in values)
    return Atom(described, name.key, op, sort, values, fold, one_value)


def _has_one_value(name: Name) -> bool:
    return not name.depth and len(name.key) == 8 and has_one_value(int(name.key, 16))


def _span(op: str, values: tuple[Any, ...]) -> Span:
    if op == "between":
        return Span(values[0], True, values[1], True)
    if op in ("lt", "le"):
        return Span(high=values[0], high_in=op == "le")
    return Span(low=values[0], low_in=op == "ge")


def implies(first: Atom, second: Atom, standard: bool = False) -> bool:
    """Whether the second is true wherever the first is. ``standard``: in instances that keep to the standard."""
    if second.fact and second.op == "exists":
        return True
    if first.key != second.key:
        return False
    if second.op == "exists":
        return first.op != "absent"
    if first == second:
        return True
    if second.op == "not_equals":
        if first.op == "not_equals":
            return _within(_equal_to(second), _equal_to(first))
        return first.lone(standard) and second.lone(standard) and _apart(first, _equal_to(second))
    return _within(first, second)


def excludes(first: Atom, second: Atom, standard: bool = False) -> bool:
    """Whether both are never true of one instance. ``standard``: of one that keeps to the standard."""
    if first.key != second.key:
        return False
    if "absent" in (first.op, second.op):
        return first.op != second.op
    for one, other in ((first, second), (second, first)):
        if one.op == "not_equals" and _within(other, _equal_to(one)):
            return True
    return first.lone(standard) and second.lone(standard) and _apart(first, second)


def _equal_to(atom: Atom) -> Atom:
    return Atom(atom.described, atom.key, "equals", atom.sort, atom.values, atom.fold, atom.one_value)


def _within(first: Atom, second: Atom) -> bool:
    """Whether each single value that fits the first fits the second."""
    if first.op == "equals" and second.sort == "pattern":
        return all(_fits(first, text, second) is True for text in first.values) and bool(first.values)
    if first.sort != second.sort:
        return False
    if first.sort == "pattern":
        return _narrower(first, second)
    if first.op == "equals" and second.op == "equals":
        return _subset(first, second)
    if second.op != "span":
        return False
    if first.op == "equals":
        return all(second.values[0].holds(value) for value in first.values)
    return first.op == "span" and first.values[0].within(second.values[0])


def _subset(first: Atom, second: Atom) -> bool:
    if first.sort == "network":
        return all(any(_inside(one, other) for other in second.values) for one in first.values)
    if first.fold and not second.fold:
        return False
    members = _folded(first.values) if second.fold and not first.fold else first.values
    return all(value in second.values for value in members)


def _inside(one: Any, other: Any) -> bool:
    return bool(one.version == other.version and one.subnet_of(other))


def _folded(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text.casefold() for text in texts)


def _fits(equal: Atom, text: str, other: Atom) -> bool | None:
    """Whether every value that is equal to ``text`` fits the pattern (True) or none does (False); None: unknown."""
    if equal.sort != "text":
        return None  # numbers are compared by what they are, patterns see them as sent
    if equal.fold and (not other.fold or other.op == "regex" or text.casefold() != text):
        return None
    return pattern(other.op, other.values[0], other.fold)(Found([text]))


def _narrower(first: Atom, second: Atom) -> bool:
    """Whether one pattern follows from another."""
    if second.op not in ("contains", "starts_with") or first.op not in ("contains", "starts_with"):
        return False
    if first.fold and not second.fold:
        return False
    wider, text = second.values[0], first.values[0].casefold() if second.fold else first.values[0]
    if second.op == "contains":
        return wider in text
    return first.op == "starts_with" and text.startswith(wider)


def _apart(first: Atom, second: Atom) -> bool:
    """Whether no single value fits both."""
    for one, other in ((first, second), (second, first)):
        if one.op == "equals" and other.sort == "pattern":
            return all(_fits(one, text, other) is False for text in one.values)
    if first.sort != second.sort:
        return False
    if first.op == second.op == "equals":
        return all(_differ(first.sort, one, other) for one in first.values for other in second.values)
    if first.op == second.op == "starts_with":
        begin, also = _folded(first.values + second.values)
        return not begin.startswith(also) and not also.startswith(begin)
    return _spans_apart(first, second)


def _differ(sort: str, one: Any, other: Any) -> bool:
    if sort == "network":
        return one.version != other.version or not one.overlaps(other)
    if sort == "moment":
        return _moments_differ(one, other)
    return bool(one.casefold() != other.casefold() if sort == "text" else one != other)


def _moments_differ(one: Moment, other: Moment) -> bool:
    """Whether no moment, with or without an offset, is the same as both."""
    if (one.utc is None) != (other.utc is None):
        return False
    return one.local != other.local and (one.utc is None or one.utc != other.utc)


def _spans_apart(first: Atom, second: Atom) -> bool:
    for one, other in ((first, second), (second, first)):
        if one.op == "equals" and other.op == "span":
            return not any(other.values[0].holds(value) for value in one.values)
    if not first.op == second.op == "span":
        return False
    one_span, other_span = first.values[0], second.values[0]
    return bool(one_span.before(other_span) or other_span.before(one_span))

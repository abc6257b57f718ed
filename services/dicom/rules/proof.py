"""What can be proved of rules without an instance: one follows from another, two are never both true. Pure.

Sound, not complete: see ``services.dicom.rules.atoms``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

from schemas.rules import AllOf, AnyOf, Condition, Node
from services.dicom.rules import atoms
from services.dicom.rules.atoms import Atom
from services.dicom.rules.compile import described


@dataclass(frozen=True)
class Group:
    """``kind``: all, any or none; a list within all or any that is of the same kind is part of it."""

    kind: str
    parts: tuple["Formula", ...]

    @property
    def described(self) -> str:
        """As a fault shows it."""
        return f"{self.kind} [{', '.join(part.described for part in self.parts)}]"


Formula: TypeAlias = Atom | Group


def formula(node: Node) -> Formula:
    """A node of a document that was checked."""
    if isinstance(node, Condition):
        return atoms.atom(node, described(node))
    if isinstance(node, AllOf):
        return Group("all", tuple(_flat("all", map(formula, node.all))))
    if isinstance(node, AnyOf):
        return Group("any", tuple(_flat("any", map(formula, node.any))))
    return Group("none", tuple(_flat("any", map(formula, node.none))))


def _flat(kind: str, parts: Iterable[Formula]) -> Iterator[Formula]:
    for part in parts:
        if isinstance(part, Group) and part.kind == kind:
            yield from part.parts
        else:
            yield part


class Proof:
    """``standard``: about instances that keep to the standard, else about any. Gives up after so many ``steps``."""

    def __init__(self, steps: int, *, standard: bool = False) -> None:
        self._left, self._standard = steps, standard

    @property
    def exhausted(self) -> bool:
        """Whether it gave up: what was not proved may be true."""
        return self._left < 0

    def implies(self, first: Formula, second: Formula) -> bool:
        """Whether the second is true wherever the first is."""
        if not self._step():
            return False
        if first == second:
            return True
        if isinstance(second, Group) and second.kind == "all":
            return all(self.implies(first, part) for part in second.parts)
        if isinstance(first, Group) and first.kind == "any":
            return all(self.implies(part, second) for part in first.parts)
        if isinstance(second, Group) and second.kind == "none":
            return all(self.excludes(first, part) for part in second.parts)
        if isinstance(first, Group) and first.kind == "all" and any(self.implies(p, second) for p in first.parts):
            return True
        if isinstance(second, Group):
            return any(self.implies(first, part) for part in second.parts)
        if isinstance(first, Group):
            return first.kind == "none" and any(_opposite(part, second) for part in first.parts)
        return atoms.implies(first, second, self._standard)

    def excludes(self, first: Formula, second: Formula) -> bool:
        """Whether both are never true of one instance."""
        if not self._step():
            return False
        sides = ((first, second), (second, first))
        for one, other in sides:
            if isinstance(one, Group) and one.kind == "any":
                return all(self.excludes(part, other) for part in one.parts)
        for one, other in sides:
            if isinstance(one, Group) and any(self._rules_out(one, part, other) for part in one.parts):
                return True
        if isinstance(first, Group) or isinstance(second, Group):
            return False
        return atoms.excludes(first, second, self._standard)

    def why_impossible(self, formula: Formula) -> str | None:
        """Why it is true of no instance, if that can be proved."""
        if isinstance(formula, Atom):
            return f"{formula.described} is never true" if _never(formula) else None
        if formula.kind == "any":
            reasons = [self.why_impossible(part) for part in formula.parts]
            told = ", and ".join(reason for reason in reasons if reason)
            return (told or "an empty any is never true") if all(reasons) else None
        if formula.kind == "none":
            always = next((part for part in formula.parts if self.certain(part)), None)
            return None if always is None else f"{always.described} is always true, and none excludes it"
        reasons = [self.why_impossible(part) for part in formula.parts]
        return next(filter(None, reasons), None) or self._clash(formula.parts)

    def certain(self, formula: Formula) -> bool:
        """Whether it is true of every instance."""
        if isinstance(formula, Atom):
            return formula.fact and formula.op == "exists"
        if formula.kind == "all":
            return all(map(self.certain, formula.parts))
        if formula.kind == "none":
            return all(self.why_impossible(part) for part in formula.parts)
        return any(map(self.certain, formula.parts)) or any(
            _opposite(one, other) for one, other in combinations(formula.parts, 2) if self._step()
        )

    def _clash(self, parts: tuple[Formula, ...]) -> str | None:
        """Two parts of a list that are never both true. Conditions on different elements cannot clash."""
        for one, other in combinations(parts, 2):
            if isinstance(one, Atom) and isinstance(other, Atom) and one.key != other.key:
                continue
            if self.excludes(one, other):
                return f"{one.described} and {other.described} are never both true"
        return None

    def _rules_out(self, group: Group, part: Formula, other: Formula) -> bool:
        """Whether ``other`` is false wherever the group is, for this part of it (all, none)."""
        return self.excludes(part, other) if group.kind == "all" else self.implies(other, part)

    def _step(self) -> bool:
        self._left -= 1
        return self._left >= 0


def _never(atom: Atom) -> bool:
    return (atom.fact and atom.op == "absent") or (atom.op == "equals" and not atom.values)


def _opposite(one: Formula, other: Formula) -> bool:
    """Whether one of both is always true."""
    if not isinstance(one, Atom) or not isinstance(other, Atom) or one.key != other.key:
        return False
    return {one.op, other.op} == {"exists", "absent"}

"""The IOD tables of schemas/dicom made ready for checking: by tag, modules merged, conditions resolved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from schemas.dicom.iods import (
    Attribute,
    Attributes,
    Codes,
    Condition,
    Iod,
    Module,
    Tables,
    standard_tables,
    xeleris_codes,
    xeleris_tables,
)
from services.dicom.dictionary import tag_of
from services.dicom.iods.findings import STANDARD, XELERIS

Key = int | str
"""A tag or, of a private element, ``gggg:CREATOR:ee``."""


@dataclass(frozen=True, slots=True)
class Term:
    """One demand of a condition: presence of an attribute, here or in the main data set, or its n-th value (0: any)."""

    main: bool
    key: Key
    position: int
    expected: bool | frozenset[str]


@dataclass(frozen=True, slots=True)
class Rule:
    """What is asked of one attribute. ``decidable``: whether ``when`` and ``unless`` say if it must be there."""

    key: Key
    type: str
    reference: str
    decidable: bool
    when: tuple[Term, ...]
    unless: tuple[Term, ...]
    values: Mapping[int, frozenset[str]] | None
    items: "Level | None"
    count: tuple[bool, Key] | None
    codes: frozenset[tuple[str, str]] | None


@dataclass(slots=True)
class Level:
    """The rules for one data set."""

    rules: dict[Key, Rule] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Frames:
    """Vectors a Frame Increment Pointer must name, by Image Type value 3, and what limits the values of each vector."""

    pointers: Mapping[str, tuple[str, ...]]
    counts: Mapping[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Definition:
    """One IOD of one check."""

    check: str
    level: Level
    pixels: bool
    frames: Frames | None
    wanted: frozenset[Key]
    """Attributes whose values matter."""


ANY_VALUE: Final = 0
"""Position in ``Rule.values`` of what any value may be."""


def standard(sop_class_uid: str) -> Definition | None:
    """What PS3.3 asks; None for classes without tables."""
    return _definitions(STANDARD).get(sop_class_uid)


def xeleris(sop_class_uid: str) -> Definition | None:
    """What the tables of the Xeleris ask; None for classes it does not make (R7)."""
    return _definitions(XELERIS).get(sop_class_uid)


def check_tables() -> None:
    """Read the tables of both checks. Raises ValueError or LookupError if they are damaged."""
    _codes()
    for check in (STANDARD, XELERIS):
        _definitions(check)


def scheme(designator: str) -> str:
    """The coding scheme to compare by: older designators of one scheme are the same (notes B1)."""
    same = _codes().same
    return same[0] if designator in same else designator


@cache
def _codes() -> Codes:
    return xeleris_codes()


@cache
def _definitions(check: str) -> dict[str, Definition]:
    tables = standard_tables() if check == STANDARD else xeleris_tables()
    return {uid: _Compiler(tables, check).definition(iod) for uid, iod in tables.iods.items()}


def key_of(name: str) -> Key:
    """The key that a keyword, a tag in hex or a private key of the tables stands for.

    Raises:
        ValueError: it is none of them.
    """
    if ":" in name:
        return name
    tag = tag_of(name)
    if tag is not None:
        return tag
    if len(name) != 8:
        raise ValueError(f"{name} is no attribute")
    return int(name, 16)


class _Compiler:
    """Makes rules of the attributes of one file."""

    def __init__(self, tables: Tables, check: str) -> None:
        self._tables, self._check = tables, check
        self._macros: dict[tuple[str, str], Level] = {}
        self._wanted: set[Key] = set()

    def definition(self, iod: Iod) -> Definition:
        level = Level()
        for name, usage in iod.modules.items():
            _merge(level, self._module(self._tables.modules[name], usage))
        frames = self._frames(iod) if iod.frames else None
        return Definition(self._check, level, iod.pixels, frames, frozenset(self._wanted))

    def _module(self, module: Module, usage: str | Condition) -> Level:
        required = usage if isinstance(usage, dict) else {}
        attributes = {
            name: _as_used(attribute, required, optional=usage == "U") for name, attribute in module.attributes.items()
        }
        return self._level(attributes, module.section)

    def _level(self, attributes: Attributes, reference: str) -> Level:
        level = Level()
        for name, attribute in attributes.items():
            level.rules[key_of(name)] = self._rule(key_of(name), attribute, reference)
        return level

    def _rule(self, key: Key, attribute: Attribute, reference: str) -> Rule:
        values = None
        if attribute.values is not None:
            by_position = attribute.values if isinstance(attribute.values, dict) else {ANY_VALUE: attribute.values}
            values = {position: frozenset(allowed) for position, allowed in by_position.items()}
            self._wanted.add(key)
        return Rule(
            key,
            attribute.type,
            reference,
            attribute.type in ("1", "2") or bool(attribute.when or attribute.unless),
            self._terms(attribute.when),
            self._terms(attribute.unless),
            values,
            self._items(attribute.items, reference),
            self._count(attribute.count),
            _code_table(attribute.codes),
        )

    def _items(self, items: Attributes | str | None, reference: str) -> Level | None:
        if not isinstance(items, str):
            return None if items is None else self._level(items, reference)
        known = self._macros.get((items, reference))
        if known is None:
            known = self._macros[items, reference] = Level()  # before its rules: a content item has content items
            known.rules.update(self._level(self._tables.macros[items], reference).rules)
        return known

    def _terms(self, condition: Condition) -> tuple[Term, ...]:
        terms = []
        for text, expected in condition.items():
            name, _, position = text.removeprefix("/").partition(":")
            wanted = expected if isinstance(expected, bool) else frozenset(expected)
            terms.append(Term(text.startswith("/"), key_of(name), int(position or 0), wanted))
            self._wanted.add(key_of(name))
        return tuple(terms)

    def _count(self, count: str | None) -> tuple[bool, Key] | None:
        if count is None:
            return None
        key = key_of(count.removeprefix("/"))
        self._wanted.add(key)
        return count.startswith("/"), key

    def _frames(self, iod: Iod) -> Frames | None:
        if iod.frames is None:
            return None
        pointers = {
            kind: tuple(f"{_tag(vector):08X}" for vector in vectors) for kind, vectors in iod.frames.pointers.items()
        }
        counts = {
            _tag(vector): tuple(_tag(name) for name in path.split("/")) for vector, path in iod.frames.counts.items()
        }
        self._wanted.update(counts, *counts.values())
        return Frames(pointers, counts)


def _tag(name: str) -> int:
    key = key_of(name)
    if isinstance(key, str):
        raise ValueError(f"{name} is no standard attribute")
    return key


def _as_used(attribute: Attribute, required: Condition, *, optional: bool) -> Attribute:
    """An attribute in a module that is optional, or required under a condition."""
    if optional and attribute.type in ("1", "2"):
        return attribute.model_copy(update={"type": "1C" if attribute.type == "1" else "3"})
    if required and (attribute.type in ("1", "2") or attribute.when or attribute.unless):
        kind = attribute.type[0] + "C" if attribute.type != "3" else "3"
        return attribute.model_copy(update={"type": kind, "when": {**attribute.when, **required}})
    return attribute


def _merge(level: Level, later: Level) -> None:
    """Let a later module specialise what is there; it adds to items, and type 3 takes nothing back."""
    for key, rule in later.rules.items():
        earlier = level.rules.get(key)
        level.rules[key] = rule if earlier is None else _specialised(earlier, rule)


def _specialised(earlier: Rule, rule: Rule) -> Rule:
    stricter = earlier if rule.type == "3" else rule
    items = rule.items or earlier.items
    if rule.items and earlier.items:
        items = Level(dict(earlier.items.rules))
        _merge(items, rule.items)
    return Rule(
        rule.key,
        stricter.type,
        stricter.reference,
        stricter.decidable,
        stricter.when,
        stricter.unless,
        earlier.values if rule.values is None else rule.values,
        items,
        rule.count or earlier.count,
        rule.codes or earlier.codes,
    )


def _code_table(name: str | None) -> frozenset[tuple[str, str]] | None:
    if name is None:
        return None
    return frozenset((value, scheme(designator)) for value, designator, _ in _codes().tables[name])

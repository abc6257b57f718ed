"""From one key of a query to conditions on a column (pure; PS3.4 C.2.2.2; R99, R141 to R146)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from schemas.dicom.query_keys import Kind, QueryAttribute
from services.dicom.identifiers import IdentifierFault
from services.dicom.names import whole_groups

Form = Literal[
    "equal", "one_of", "like", "like_any", "at_least", "at_most", "number", "name_equal", "name_one_of", "name_like",
    "modality_one_of", "modality_like_any",
]  # fmt: skip
"""The conditions of ``conditions.sql``."""

LONGEST_PATTERN: Final = 256
MOST_PATTERNS: Final = 100

_NAME_COLUMNS: Final = ("name_whole", "name_ideographic", "name_phonetic")
_DATE: Final = re.compile(r"(\d{4})(\.?)(\d{2})\2(\d{2})", re.ASCII)
_TIME: Final = re.compile(r"([01]\d|2[0-3])(:?[0-5]\d(:?([0-5]\d|60)(\.\d{1,6})?)?)?", re.ASCII)
_LATEST_TIME: Final = "235959.999999"


@dataclass(frozen=True)
class Condition:
    """A row matches if ``column`` stands in this relation to the value, which is bound, never part of a statement."""

    form: Form
    column: str
    value: str | Sequence[str]


def conditions(attribute: QueryAttribute, text: str, kinds: frozenset[Kind]) -> Iterator[Condition]:
    """What a key with this value asks; nothing for an empty one, which asks for any.

    Raises ``IdentifierFault`` for a date or time that is none, and for too many wildcards.
    """
    if not text or not kinds:
        return
    match attribute.compare:
        case "date" | "time":
            yield from _range(attribute, text, kinds)
        case "number":
            yield Condition("number", attribute.column, text.lstrip("+0"))
        case _:
            several = "list" in kinds or attribute.compare == "modality"
            yield from _text(attribute, text.split("\\") if several else [text], "wildcard" in kinds)


def _text(attribute: QueryAttribute, values: Sequence[str], wildcards: bool) -> Iterator[Condition]:
    """One of the values, empty ones not counting. A value of asterisks alone asks for any."""
    values = [value for value in values if value]
    patterns = [value for value in values if wildcards and ("*" in value or "?" in value)]
    if not values or any(not value.strip("*") for value in patterns):
        return
    if len(patterns) > MOST_PATTERNS or any(len(value) > LONGEST_PATTERN for value in patterns):
        raise IdentifierFault("too many or too long wildcards")
    match attribute.compare, bool(patterns):
        case "name", _:
            yield from _name(values, patterns)
        case "modality", False:
            yield Condition("modality_one_of", attribute.column, values)
        case "modality", True:
            yield Condition("modality_like_any", attribute.column, [_like(v, wild=v in patterns) for v in values])
        case _, False:
            column = attribute.column
            yield Condition("equal", column, values[0]) if len(values) == 1 else Condition("one_of", column, values)
        case _:
            yield _pattern(attribute.column, [_like(v, wild=v in patterns) for v in values])


def _pattern(column: str, patterns: Sequence[str]) -> Condition:
    """One pattern alone is what an index can answer by its beginning."""
    return Condition("like", column, patterns[0]) if len(patterns) == 1 else Condition("like_any", column, patterns)


def _name(values: Sequence[str], patterns: Sequence[str]) -> Iterator[Condition]:
    """Names as a whole, without case (R99, R141): one group matches any of a name's, several match their own."""
    groups = [whole_groups(value) for value in values]
    if any(any(group[1:]) for group in groups):
        for place, column in enumerate(_NAME_COLUMNS):
            if all(group[place] for group in groups):
                yield _pattern(column, [_like(group[place], wild=bool(patterns)) for group in groups])
        return
    wholes = [group[0] for group in groups]
    if not all(wholes):
        return
    if patterns or len(wholes) > 1:
        likes = [_like(whole, wild=value in patterns) for whole, value in zip(wholes, values, strict=True)]
        yield Condition("name_like", "", likes[0]) if len(likes) == 1 else Condition("name_one_of", "", likes)
    else:
        yield Condition("name_equal", "", wholes[0])


def _like(value: str, *, wild: bool) -> str:
    """A LIKE pattern: asterisk and question mark are wildcards if ``wild``, everything else stands for itself."""
    escaped = re.sub(r"([\\%_])", r"\\\1", value)
    return re.sub(r"\*+", "%", escaped).replace("?", "_") if wild else escaped


def _range(attribute: QueryAttribute, text: str, kinds: frozenset[Kind]) -> Iterator[Condition]:
    """A date or time, or a range of them that may be open (PS3.4 C.2.2.2.1.2, C.2.2.2.5)."""
    if not text.strip("*"):
        return
    first, dash, last = (part.strip() for part in text.partition("-"))
    if (dash and "range" not in kinds) or text == "-":
        raise IdentifierFault("a range where none can be matched")
    last = last if dash else first
    is_one = _is_date if attribute.compare == "date" else _TIME.fullmatch
    if any(value and not is_one(value) for value in (first, last)):
        raise IdentifierFault("a date or time that is none")
    if attribute.compare == "time":
        first, last = _earliest(first), _latest(last)
    else:
        first, last = first.replace(".", ""), last.replace(".", "")
    if first == last:
        yield Condition("equal", attribute.column, first)
        return
    # A value that is missing is in no range, however open.
    yield Condition("at_least", attribute.column, first or "0")
    if last:
        yield Condition("at_most", attribute.column, last)


def _is_date(text: str) -> bool:
    """A day of the calendar, written as VR DA is, or as ACR-NEMA wrote it (PS3.5 6.2)."""
    found = _DATE.fullmatch(text)
    if found is None:
        return False
    try:
        date(int(found[1]), int(found[3]), int(found[4]))
    except ValueError:
        return False
    return True


def _earliest(time: str) -> str:
    """The lowest text of a time: stored ones may leave out what is zero."""
    digits, _, fraction = time.replace(":", "").partition(".")
    if fraction.strip("0"):
        return f"{digits}.{fraction}"
    while digits.endswith("00") and len(digits) > 2:
        digits = digits[:-2]
    return digits


def _latest(time: str) -> str:
    """The last moment that a time of this precision stands for; "" for none."""
    digits, _, fraction = time.replace(":", "").partition(".")
    if not digits:
        return ""
    return f"{digits}{_LATEST_TIME[len(digits) : 6]}.{fraction.ljust(6, '9')}"

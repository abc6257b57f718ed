"""What the check keeps of a data set while it walks it: small values, lengths, item counts; never bulk data."""

import re
from struct import Struct
from typing import Final

from services.dicom.iods.definitions import Key, Level, Term

MAX_ELEMENTS: Final = 10_000
"""Elements kept of one data set beyond those that rules name."""

_NUMBERS: Final = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_STRUCTS: Final = {vr: (Struct("<" + code), Struct(">" + code)) for vr, code in _NUMBERS.items()}
_PAIR: Final = (Struct("<HH"), Struct(">HH"))
UNITS: Final = {**{vr: little.size for vr, (little, _) in _STRUCTS.items()}, "AT": 4}
"""Bytes of one value of a VR of fixed size (PS3.5 6.2)."""

_DIGITS: Final = rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
FORMATS: Final = {
    vr: re.compile(rb"(?:%b)?(?:\\(?:%b)?)*" % (one, one)).fullmatch
    for vr, one in {
        "UI": rb"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))*",
        "DA": rb"\d{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]) *",
        "TM": rb"(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)? *",
        "IS": rb" *[+-]?\d{1,12} *",
        "DS": rb" *" + _DIGITS.replace(rb"(", rb"(?:") + rb" *",
        "CS": rb"[A-Z0-9_ ]*",
        "AS": rb"\d{3}[DWMY] *",
    }.items()
}
"""Whether the text of a VR is written as PS3.5 6.2 demands, without the NUL that pads a UID."""
_LONGEST: Final = {"UI": 64, "CS": 16, "DS": 16, "IS": 12}
_TEXT: Final = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
)


class Element:
    """An element: VR, length, its value or the beginning of it, byte order, and the items of a sequence."""

    __slots__ = ("big", "items", "length", "raw", "vr")

    def __init__(self, vr: str, length: int, raw: bytes, *, big: bool) -> None:
        self.vr, self.length, self.raw, self.big = vr, length, raw, big
        self.items = 0

    @property
    def empty(self) -> bool:
        """Whether it has no value; text of nothing but blanks is none."""
        if self.vr == "SQ":
            return not self.items
        return not self.length or (self.vr in _TEXT and self.length == len(self.raw) and not self.raw.strip(b" \0\\"))

    def values(self) -> tuple[str, ...]:
        """The values as text, numbers in their shortest form, tags as eight hex digits."""
        numbers = _STRUCTS.get(self.vr)
        raw = self.raw
        if numbers is not None:
            number = numbers[self.big]
            return tuple(f"{value:g}" if isinstance(value, float) else str(value) for value in _unpacked(number, raw))
        if self.vr == "AT":
            pairs = _PAIR[self.big].iter_unpack(raw[: len(raw) & ~3])
            return tuple(f"{group:04X}{element:04X}" for group, element in pairs)
        texts = tuple(text.strip(" \0") for text in raw.decode("latin_1").split("\\"))
        return tuple(map(_shortest, texts)) if self.vr in ("DS", "IS") else texts

    def first(self) -> str:
        """The first value; empty when there is none."""
        values = self.values()
        return values[0] if values else ""

    def integer(self) -> int | None:
        """The first value as a whole number; None when it is none."""
        text = self.first()
        return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None

    def well_formed(self) -> bool:
        """Whether its length and text are as the VR demands (PS3.5 6.2)."""
        fits = FORMATS.get(self.vr)
        if fits is None or len(self.raw) < self.length:
            return True
        raw = self.raw[:-1] if self.vr == "UI" and self.raw.endswith(b"\0") else self.raw
        if fits(raw) is None:
            return False
        longest = _LONGEST.get(self.vr)
        return longest is None or len(raw) <= longest or all(len(v.strip()) <= longest for v in raw.split(b"\\"))


class DataSet:
    """A data set that the walk is in: the main one or an item.

    ``levels`` are the rules for it, by check. ``sequence`` is the sequence whose items come next. ``largest`` are
    values of items that limit vectors, ``counted`` sequences inside items whose items the main data set counts: path,
    reference, the element that counts them, and how many they are.
    """

    __slots__ = ("counted", "creators", "elements", "largest", "levels", "path", "sequence")

    def __init__(self, path: str, levels: tuple[Level | None, ...]) -> None:
        self.path, self.levels = path, levels
        self.elements: dict[Key, Element] = {}
        self.creators: dict[int, str] = {}
        self.sequence: Key = 0
        self.largest: dict[tuple[Key, Key], int] = {}
        self.counted: set[tuple[str, str, Key, int]] = set()

    def integer(self, key: Key) -> int | None:
        """The first value of an element as a whole number; None when there is none."""
        element = self.elements.get(key)
        return element.integer() if element is not None else None


def holds(term: Term, here: DataSet, main: DataSet) -> bool:
    """Whether a demand of a condition is met."""
    element = (main if term.main else here).elements.get(term.key)
    if isinstance(term.expected, bool):
        return (element is not None) is term.expected
    if element is None:
        return False
    values = element.values()
    if term.position:
        values = values[term.position - 1 : term.position]
    return not term.expected.isdisjoint(values)


def name_of(key: Key) -> str:
    """The key as it stands in the path of a finding."""
    return f"{key:08X}" if isinstance(key, int) else key


def _unpacked(number: Struct, raw: bytes) -> list[int | float]:
    return [value for (value,) in number.iter_unpack(raw[: len(raw) - len(raw) % number.size])]


def _shortest(text: str) -> str:
    try:
        return f"{float(text):.12g}"
    except ValueError:
        return text

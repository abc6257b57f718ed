"""Header facts: what the gateway knows of an instance without opening it again.

Facts are JSON: ``{"values": {KEY: [v, ...]}, "cut": [KEY, ...], "undecodable": [KEY, ...]}``.

* KEY is ``ggggeeee`` (upper-case hex), for private elements ``gggg:CREATOR:ee``, inside sequences ``SEQUENCE/KEY``, the
  values of all items one after the other.
* A value is text (decoded, trimmed as its VR says), a number for binary VRs, or null: present but not extracted
  (binary blobs, sequences, unknown VRs). An empty element has no values. A private element that comes without a VR and
  that no dictionary knows is text, as LO, if it has 256 bytes at most and they are printable in its character set.
* ``cut`` names elements whose values are missing or incomplete because of the limits below; ``*`` stands for any that
  is not listed. ``undecodable`` names text whose bytes do not fit the character set; the value is a best effort.

Limits: three levels of data sets, 256 bytes a value, 64 values an element, 16 KiB in all. When space runs out, index
keys (R137 to R148) go first, then the other standard elements, those inside sequences, and private elements.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import Any, BinaryIO, Final

from services.dicom.charsets import DEFAULT, Charset, charset, clean, decode
from services.dicom.dictionary import implicit_vr
from services.dicom.elements import ITEM, UNDEFINED, UnparsableDataSet, Walker

Facts = dict[str, Any]
Value = str | int | float | None

MAX_FACT_BYTES: Final = 16 * 1024
ANY_OTHER: Final = "*"

INDEX_KEYS: Final = frozenset({
    0x00080005, 0x00080008, 0x00080016, 0x00080018, 0x00080020, 0x00080021, 0x00080030, 0x00080031, 0x00080050,
    0x00080054, 0x00080060, 0x00080061, 0x00081030, 0x0008103E, 0x00100010, 0x00100020, 0x00100021, 0x00100030,
    0x00100040, 0x0020000D, 0x0020000E, 0x00200010, 0x00200011, 0x00200013, 0x00201209, 0x00280008, 0x00280010,
    0x00280011, 0x0040A043, 0x0040A073, 0x0040A491, 0x0040A493, 0x00540400, 0x00541330,
})  # fmt: skip
"""Keys of the query models (R137 to R148) and what identifies patients and instances."""

_MAX_VALUES_BYTES: Final = 14 * 1024
_MAX_CUT_BYTES: Final = 1536
_CHARACTER_SET: Final = 0x00080005
_PIXEL_REPRESENTATION: Final = 0x00280103
_FIRST_BULK: Final = 0x7FE00000
_LAST_COMMAND_OR_META: Final = 0x0002FFFF

_TEXT: Final = frozenset({"SH", "LO", "PN", "UC", "ST", "LT", "UT"})
_SINGLE: Final = frozenset({"ST", "LT", "UT", "UR"})
_ASCII: Final = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
_READABLE: Final = _TEXT | _ASCII | {"AT"}
_UNKNOWN_PRIVATE: Final = "UN of a creator"
"""Stands for the VR of a private element that nobody knows but that a rule may name."""
_MAX_UNKNOWN_BYTES: Final = 256
_KEEPS_LEADING_BLANKS: Final = frozenset({"ST", "LT", "UT", "UC", "UR"})
_NUMBERS: Final = {
    vr: (Struct("<" + code), Struct(">" + code))
    for vr, code in {
        "US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d",
    }.items()
}  # fmt: skip


@dataclass(frozen=True)
class Header:
    """What one pass over a data set finds. UIDs are empty when missing; they are as sent, not checked."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    facts: Facts
    pixel_data_bytes: int | None


@dataclass(frozen=True)
class _Limits:
    depth: int
    element_bytes: int
    values: int
    value_bytes: int
    total_bytes: int


_FACTS: Final = _Limits(depth=2, element_bytes=1024, values=64, value_bytes=256, total_bytes=_MAX_VALUES_BYTES)
_ELEMENTS: Final = _Limits(depth=64, element_bytes=1 << 20, values=1 << 16, value_bytes=1 << 20, total_bytes=1 << 22)


def read_header(source: BinaryIO, offset: int, size: int, transfer_syntax: str) -> Header:
    """Walk a data set of ``size`` bytes at ``offset`` and extract its facts.

    Raises:
        UnparsableDataSet: the data set is truncated or its structure cannot be followed.
    """
    if not size:
        raise UnparsableDataSet("empty", 0)
    collector = _Collector(_FACTS, None)
    walker = Walker(source, offset, size, transfer_syntax, collector.resolve)
    collector.collect(walker)
    return Header(
        collector.first("00080016"),
        collector.first("00080018"),
        collector.first("0020000D"),
        collector.first("0020000E"),
        collector.facts(),
        walker.pixel_data_bytes,
    )


def read_elements(source: BinaryIO, offset: int, size: int, transfer_syntax: str, paths: Collection[str]) -> Facts:
    """Read elements by their fact keys from an object, at any depth and with values up to 1 MiB, as facts.

    Raises:
        UnparsableDataSet: the data set is truncated or its structure cannot be followed.
    """
    collector = _Collector(_ELEMENTS, frozenset(paths))
    collector.collect(Walker(source, offset, size, transfer_syntax, collector.resolve))
    return collector.facts()


class _Level:
    """What is in force in one data set: key prefix, character set, private blocks and the sequence being read.

    ``items`` are the values of that sequence's fact: null once it has an item.
    """

    __slots__ = ("charset", "creators", "items", "prefix", "sequence")

    def __init__(self, prefix: str, using: Charset) -> None:
        self.prefix = prefix
        self.charset = using
        self.creators: dict[int, str] = {}
        self.sequence = ""
        self.items: list[Value] | None = None


class _Rank:
    """Facts of one importance, kept up to the limit for all."""

    __slots__ = ("bytes", "values")

    def __init__(self) -> None:
        self.values: dict[str, list[Value]] = {}
        self.bytes = 0


class _Collector:
    """Takes elements from a walk and keeps facts."""

    def __init__(self, limits: _Limits, wanted: frozenset[str] | None) -> None:
        self._limits = limits
        self._wanted = wanted
        self._levels = [_Level("", DEFAULT)]
        self._ranks = (_Rank(), _Rank(), _Rank(), _Rank())
        self._cut: dict[str, None] = {}
        self._cut_bytes = 0
        self._undecodable: dict[str, None] = {}
        self._signed = False

    def resolve(self, tag: int, depth: int) -> str:
        """VR of a tag that the data set gives none for."""
        return implicit_vr(tag, self._levels[depth].creators, signed=self._signed)

    def collect(self, walker: Walker) -> None:
        """Walk to the end of the data set."""
        levels, deepest = self._levels, self._limits.depth
        for tag, vr, position, length, depth in walker:
            if tag == ITEM:
                parent = levels[depth - 1]
                if parent.items == []:
                    parent.items.append(None)
                levels[depth:] = [_Level(parent.sequence, parent.charset)]
            elif depth <= deepest:
                if not tag & 0xFFFF or (not depth and (tag <= _LAST_COMMAND_OR_META or tag >= _FIRST_BULK)):
                    continue
                self._take(walker, levels[depth], tag, vr, position, length, depth)

    def first(self, key: str) -> str:
        """First value of an index key as text."""
        values = self._ranks[0].values.get(key)
        return str(values[0]) if values else ""

    def facts(self) -> Facts:
        """The facts, the most important first, within the limit for all."""
        kept: dict[str, list[Value]] = {}
        if sum(rank.bytes for rank in self._ranks) <= self._limits.total_bytes and not self._undecodable:
            for rank in self._ranks:
                kept |= rank.values
            return {"values": kept, "cut": list(self._cut), "undecodable": []}
        total = 0
        for rank in self._ranks:
            for key, values in rank.values.items():
                cost = _cost(key, values) + (len(key) if key in self._undecodable else 0)
                if total + cost > self._limits.total_bytes:
                    self._mark_cut(key)
                    continue
                total += cost
                kept[key] = values
        undecodable = [key for key in self._undecodable if key in kept]
        return {"values": kept, "cut": list(self._cut), "undecodable": undecodable}

    def _take(self, walker: Walker, level: _Level, tag: int, vr: str, position: int, length: int, depth: int) -> None:
        rank = 2 if depth else 0 if tag in INDEX_KEYS else 1
        if tag & 0x10000:
            rank = 3
            key = level.prefix + self._private_key(walker, level, tag, position, length)
        else:
            key = f"{level.prefix}{tag:08X}"
        if vr == "UN":
            known = self.resolve(tag, depth)
            vr = known if known != "SQ" else "UN"
            if known == "UN" and tag & 0x10000 and level.creators.get(tag >> 8):
                vr = _UNKNOWN_PRIVATE
        if vr == "SQ":
            level.sequence, level.items = key + "/", None
        if self._wanted is None or key in self._wanted or tag == _CHARACTER_SET:
            found = self._keep(walker, level, self._ranks[rank], key, vr, position, length)
            if tag == _CHARACTER_SET:
                level.charset = charset(tuple(str(term) for term in found))
            elif tag == _PIXEL_REPRESENTATION and not depth:
                self._signed = found == [1]

    def _private_key(self, walker: Walker, level: _Level, tag: int, position: int, length: int) -> str:
        element = tag & 0xFFFF
        if element < 0x1000:
            if 0x10 <= element <= 0xFF and length != UNDEFINED:
                creator = walker.value(position, min(length, 64))
                level.creators[tag >> 16 << 8 | element] = clean(creator.decode("latin_1")).strip()
            return f"{tag:08X}"
        creator_name = level.creators.get(tag >> 8)
        return _named_key(tag >> 16, creator_name, tag & 0xFF) if creator_name else f"{tag:08X}"

    def _keep(
        self, walker: Walker, level: _Level, rank: _Rank, key: str, vr: str, position: int, length: int
    ) -> list[Value]:
        """Decode and keep the values, if there is room; the values."""
        values = rank.values.get(key)
        if values is None:
            if rank.bytes > self._limits.total_bytes:
                self._mark_cut(key)
                return []
            values = rank.values[key] = []
        found: list[Value] = []
        room = self._limits.values - len(values)
        if vr == "SQ":
            level.items = values
        elif length and room:
            found = self._decoded(walker, level, key, vr, position, length)
        if len(found) > room or (length and not room):
            found = found[:room]
            self._mark_cut(key)
        if found != [None] or values != [None]:
            values += found
        rank.bytes += _cost(key, found)
        return found

    def _decoded(self, walker: Walker, level: _Level, key: str, vr: str, position: int, length: int) -> list[Value]:
        if vr == _UNKNOWN_PRIVATE and length <= _MAX_UNKNOWN_BYTES:
            return _printable(walker.value(position, length), level.charset)
        numbers = _NUMBERS.get(vr)
        if numbers is None and vr not in _READABLE:
            return [None]
        raw = walker.value(position, min(length, self._limits.element_bytes))
        if len(raw) < length:
            self._mark_cut(key)
        if numbers is not None:
            return _unpacked(numbers[walker.big_endian], raw)
        if vr == "AT":
            pairs = _unpacked(_NUMBERS["US"][walker.big_endian], raw[: len(raw) & ~3])
            return [f"{pairs[place]:04X}{pairs[place + 1]:04X}" for place in range(0, len(pairs), 2)]
        return self._text(level, key, vr, raw, whole=len(raw) == length)

    def _text(self, level: _Level, key: str, vr: str, raw: bytes, *, whole: bool) -> list[Value]:
        text, decodable = decode(raw, level.charset if vr in _TEXT else DEFAULT, vr)
        if not decodable and whole:
            self._undecodable[key] = None
        trim: Callable[[str], str] = str.rstrip if vr in _KEEPS_LEADING_BLANKS else str.strip
        texts = [trim(text)] if vr in _SINGLE or "\\" not in text else [trim(part) for part in text.split("\\")]
        if texts == [""]:
            return []
        if len(text) > self._limits.value_bytes // 4:
            texts = [self._shortened(key, value) for value in texts]
        return list(texts)

    def _shortened(self, key: str, value: str) -> str:
        encoded = value.encode()
        if len(encoded) <= self._limits.value_bytes:
            return value
        self._mark_cut(key)
        return encoded[: self._limits.value_bytes].decode(errors="ignore")

    def _mark_cut(self, key: str) -> None:
        if key in self._cut:
            return
        self._cut_bytes += len(key) + 3
        self._cut[key if self._cut_bytes <= _MAX_CUT_BYTES else ANY_OTHER] = None


def _printable(raw: bytes, using: Charset) -> list[Value]:
    """The values of bytes that are text, trimmed as LO is; null if they are not. One NUL at the end is padding."""
    kept = raw[:-1] if raw.endswith(b"\0") else raw
    text, decodable = decode(kept, using, "LO")
    if not kept or b"\0" in kept or not decodable or not text.translate(_OTHER_BLANKS).isprintable():
        return [None]
    texts: list[Value] = [part.strip() for part in text.split("\\")]
    return [] if texts == [""] else texts


_OTHER_BLANKS: Final = {0x00A0: " ", 0x3000: " "}
"""No-break and ideographic space, which Python does not call printable."""


def _unpacked(number: Struct, raw: bytes) -> list[Value]:
    if len(raw) == number.size:
        values = number.unpack(raw)
    else:
        values = tuple(value for (value,) in number.iter_unpack(raw[: len(raw) - len(raw) % number.size]))
    if number.format[-1] in "fd":
        return [value if math.isfinite(value) else None for value in values]
    return list(values)


@lru_cache(maxsize=8192)
def _named_key(group: int, creator: str, element: int) -> str:
    return f"{group:04X}:{creator}:{element:02X}"


def _cost(key: str, values: list[Value]) -> int:
    """Bytes of an entry in JSON, near enough."""
    total = len(key) + 6
    for value in values:
        total += (len(value.encode()) if not value.isascii() else len(value)) + 3 if isinstance(value, str) else 8
    return total

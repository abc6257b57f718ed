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

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO, Final, Protocol

from services.dicom.charsets import DEFAULT, Charset, charset, clean, decode
from services.dicom.dictionary import implicit_vr
from services.dicom.elements import ITEM, UNDEFINED, UnparsableDataSet, Walker
from services.dicom.fact_values import NUMBERS, Value, cost, printable, unpacked

Facts = dict[str, Any]
Changed = tuple[int, str, bytes]
"""Tag, VR and value of an element of the main data set, in little endian."""

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


@dataclass(frozen=True)
class Header:
    """What one pass over a data set finds. UIDs are empty when missing; they are as sent, not checked."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    facts: Facts
    pixel_data_bytes: int | None
    facts_size: int
    """What the facts take of the limit for all, in bytes."""
    creators: Mapping[int, str]
    """Private creators of the main data set by group and block (``gggg << 8 | block``)."""


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
    return _header(
        collector.index_values, collector.facts(), walker.pixel_data_bytes, collector.size, collector.creators
    )


def resolver(header: Header) -> Callable[[int, int], str]:
    """VRs of elements without one of the data set that was read: of the main data set, UN for those in items."""
    signed = header.facts["values"].get(f"{_PIXEL_REPRESENTATION:08X}") == [1]

    def resolve(tag: int, depth: int) -> str:
        return "UN" if depth else implicit_vr(tag, header.creators, signed=signed and tag > _PIXEL_REPRESENTATION)

    return resolve


def with_changed(before: Header, changed: Iterable[Changed]) -> Header | None:
    """Header of a data set in which only these elements have other values than in the one before.

    They are of the main data set, stand there once, and decide nothing about others. None if not all facts have room or
    some text cannot be decoded: such a data set has to be read as a whole.
    """
    values: dict[str, list[Value]] = before.facts["values"]
    collector = _Collector(_FACTS, None, before)
    for tag, vr, value in changed:
        collector.take(tag, vr, value)
    found = collector.facts()
    less = sum(cost(key, values[key]) for key in found["values"])
    total = before.facts_size + collector.size - less
    if total > _MAX_VALUES_BYTES or found["cut"] or found["undecodable"]:
        return None
    values = values | found["values"]
    facts = {"values": values, "cut": [], "undecodable": []}
    return _header(values, facts, before.pixel_data_bytes, total, before.creators)


def _header(
    values: Mapping[str, list[Value]],
    facts: Facts,
    pixel_data_bytes: int | None,
    size: int,
    creators: Mapping[int, str],
) -> Header:
    """``values`` are those of the index keys at least."""

    def first(key: str) -> str:
        return str(values[key][0]) if values.get(key) else ""

    return Header(
        first("00080016"), first("00080018"), first("0020000D"), first("0020000E"),
        facts, pixel_data_bytes, size, creators,
    )  # fmt: skip


def read_elements(source: BinaryIO, offset: int, size: int, transfer_syntax: str, paths: Collection[str]) -> Facts:
    """Read elements by their fact keys from an object, at any depth and with values up to 1 MiB, as facts.

    Raises:
        UnparsableDataSet: the data set is truncated or its structure cannot be followed.
    """
    collector = _Collector(_ELEMENTS, frozenset(paths))
    collector.collect(Walker(source, offset, size, transfer_syntax, collector.resolve))
    return collector.facts()


class _Values(Protocol):
    """Where values are read."""

    @property
    def big_endian(self) -> bool:
        """Their byte order."""

    def value(self, position: int, length: int) -> bytes:
        """A value of the element just handed out."""


class _Single:
    """One value in little endian."""

    big_endian: Final = False

    def __init__(self, value: bytes) -> None:
        self._value = value

    def value(self, position: int, length: int) -> bytes:
        return self._value[position : position + length]


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

    def __init__(self, limits: _Limits, wanted: frozenset[str] | None, before: Header | None = None) -> None:
        """``before``: a header whose character set and private creators are those of what is taken."""
        self._limits = limits
        self._wanted = wanted
        self._levels = [_Level("", DEFAULT)]
        if before is not None:
            self._levels[0].creators.update(before.creators)
            terms = before.facts["values"].get(f"{_CHARACTER_SET:08X}")
            if terms is not None:
                self._levels[0].charset = charset(tuple(map(str, terms)))
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

    def take(self, tag: int, vr: str, value: bytes) -> None:
        """Take one element of the main data set that is known by itself."""
        self._take(_Single(value), self._levels[0], tag, vr, 0, len(value), 0)

    @property
    def index_values(self) -> Mapping[str, list[Value]]:
        """Values of the index keys."""
        return self._ranks[0].values

    @property
    def size(self) -> int:
        """What has been taken, in bytes of JSON."""
        return sum(rank.bytes for rank in self._ranks)

    @property
    def creators(self) -> Mapping[int, str]:
        """Private creators of the main data set."""
        return self._levels[0].creators

    def facts(self) -> Facts:
        """The facts, the most important first, within the limit for all."""
        kept: dict[str, list[Value]] = {}
        if self.size <= self._limits.total_bytes and not self._undecodable:
            for rank in self._ranks:
                kept |= rank.values
            return {"values": kept, "cut": list(self._cut), "undecodable": []}
        total = 0
        for rank in self._ranks:
            for key, values in rank.values.items():
                more = cost(key, values) + (len(key) if key in self._undecodable else 0)
                if total + more > self._limits.total_bytes:
                    self._mark_cut(key)
                    continue
                total += more
                kept[key] = values
        undecodable = [key for key in self._undecodable if key in kept]
        return {"values": kept, "cut": list(self._cut), "undecodable": undecodable}

    def _take(self, walker: _Values, level: _Level, tag: int, vr: str, position: int, length: int, depth: int) -> None:
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

    def _private_key(self, walker: _Values, level: _Level, tag: int, position: int, length: int) -> str:
        element = tag & 0xFFFF
        if element < 0x1000:
            if 0x10 <= element <= 0xFF and length != UNDEFINED:
                creator = walker.value(position, min(length, 64))
                level.creators[tag >> 16 << 8 | element] = clean(creator.decode("latin_1")).strip()
            return f"{tag:08X}"
        creator_name = level.creators.get(tag >> 8)
        return _named_key(tag >> 16, creator_name, tag & 0xFF) if creator_name else f"{tag:08X}"

    def _keep(
        self, walker: _Values, level: _Level, rank: _Rank, key: str, vr: str, position: int, length: int
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
        rank.bytes += cost(key, found)
        return found

    def _decoded(self, walker: _Values, level: _Level, key: str, vr: str, position: int, length: int) -> list[Value]:
        if vr == _UNKNOWN_PRIVATE and length <= _MAX_UNKNOWN_BYTES:
            return printable(walker.value(position, length), level.charset)
        numbers = NUMBERS.get(vr)
        if numbers is None and vr not in _READABLE:
            return [None]
        raw = walker.value(position, min(length, self._limits.element_bytes))
        if len(raw) < length:
            self._mark_cut(key)
        if numbers is not None:
            return unpacked(numbers[walker.big_endian], raw)
        if vr == "AT":
            pairs = unpacked(NUMBERS["US"][walker.big_endian], raw[: len(raw) & ~3])
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


@lru_cache(maxsize=8192)
def _named_key(group: int, creator: str, element: int) -> str:
    return f"{group:04X}:{creator}:{element:02X}"

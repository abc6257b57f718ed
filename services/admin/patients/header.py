"""The header of a stored instance as a table. Reads headers by range, steps over bulk data, and never reads pixels."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Final, Literal

from pydicom._private_dict import private_dictionaries
from pydicom.uid import UID

from services.admin.errors import Refused
from services.admin.patients.hiding import HIDDEN, names_a_person
from services.dicom.charsets import DEFAULT, Charset, charset, clean, decode
from services.dicom.contexts import IMPLICIT_LITTLE_ENDIAN
from services.dicom.dictionary import keyword_of, private_vr, repeating_keyword_of, stated_private_element
from services.dicom.elements import ITEM, UNDEFINED, UnparsableDataSet, Walker
from services.dicom.transcoding_elements import Vrs, pixel_representation
from services.dicom.transforming.values import NUMBERS, SINGLE, TEXT, textual
from services.runtime.errors import ObjectMissing
from services.runtime.objects import ObjectStore

LONGEST_TEXT: Final = 400
"""Characters that are shown of a value."""
MOST_ROWS: Final = 5000
_MOST_BYTES: Final = 1 << 14
_CHARACTER_SET: Final = 0x00080005
_CODE: Final = {0x00080100: "value", 0x00080102: "scheme", 0x00080104: "meaning"}


@dataclass(frozen=True)
class Row:
    """An element, or an item of a sequence (``tag`` empty). ``depth``: how many sequences it stands in. ``name``: its
    keyword, or what the private dictionaries call it, then with its ``creator``. ``cut``: more of the value is there.
    ``bytes``: the length of the value; None where the data set leaves it open."""

    depth: int
    tag: str
    name: str
    vr: str
    value: str
    creator: str = ""
    bytes: int | None = None
    cut: bool = False


@dataclass(frozen=True)
class Header:
    """``more``: there are more elements than are told."""

    rows: list[Row]
    more: bool = False


async def header(objects: ObjectStore, instance: Mapping[str, Any], *, hide_names: bool) -> Header:
    """The header of an instance as ``search.instance`` tells it. Raises ``Refused`` if its object is gone or cannot be
    followed, ``StoreFailed``, ``Unavailable``."""
    try:
        return await asyncio.to_thread(_read, objects, instance, hide_names)
    except ObjectMissing:
        raise Refused(f"instance {instance['sop_instance_uid']}: its object is gone; have it sent again") from None
    except UnparsableDataSet as fault:
        raise Refused(f"instance {instance['sop_instance_uid']}: its data set cannot be read: {fault}") from None


def _read(objects: ObjectStore, instance: Mapping[str, Any], hide_names: bool) -> Header:
    with objects.open(instance["object_key"]) as source:
        place = (source, instance["data_set_offset"], instance["size"], instance["transfer_syntax_uid"])
        return rows_of(*place, hide_names=hide_names)


def rows_of(source: BinaryIO, offset: int, size: int, transfer_syntax: str, *, hide_names: bool) -> Header:
    """The rows of a data set. Raises ``UnparsableDataSet`` where not even its first element can be read; what comes
    after a fault further on is left out."""
    signed = transfer_syntax == IMPLICIT_LITTLE_ENDIAN and pixel_representation(source, offset, size, transfer_syntax)
    vrs = Vrs(signed=signed)
    walker = Walker(source, offset, size, transfer_syntax, vrs.resolve)
    reader = _Reader(walker, vrs, hide_names=hide_names)
    try:
        for row in reader.rows():
            if len(reader.told) >= MOST_ROWS:
                return Header(reader.told, more=True)
            reader.told.append(row)
    except UnparsableDataSet:
        if not reader.told:
            raise
        return Header(reader.told, more=True)
    return Header(reader.told)


class _Reader:
    """One walk: what is open, level by level."""

    def __init__(self, walker: Walker, vrs: Vrs, *, hide_names: bool) -> None:
        self.told: list[Row] = []
        self._walker, self._vrs, self._hide = walker, vrs, hide_names
        self._charsets: list[Charset] = [DEFAULT]
        self._creators: list[dict[int, str]] = [{}]
        self._items: list[int] = [0]
        """How many items of the sequence that is open at each depth were told."""
        self._item_rows: list[int] = [0]
        self._codes: list[dict[str, str]] = [{}]
        self._hidden_from: int | None = None

    def rows(self) -> Iterator[Row]:
        """Every element and item in their order."""
        for tag, vr, position, length, depth in self._walker:
            if tag == ITEM:
                yield self._item(depth)
                continue
            self._vrs.seen(self._walker, tag, position, length, depth)
            if self._hidden_from is not None and depth <= self._hidden_from:
                self._hidden_from = None
            if vr == "SQ":
                self._items[depth + 1 :] = [0]
                if self._hide and names_a_person(tag, vr):
                    self._hidden_from = depth
            yield self._element(tag, vr, position, length, depth)

    def _item(self, depth: int) -> Row:
        self._vrs.item(depth)
        self._items[depth] += 1
        self._charsets[depth:] = [self._charsets[depth - 1]]
        self._creators[depth:] = [{}]
        self._codes[depth:] = [{}]
        self._item_rows[depth:] = [len(self.told)]
        return Row(depth - 1, "", f"Item {self._items[depth]}", "", "")

    def _element(self, tag: int, vr: str, position: int, length: int, depth: int) -> Row:
        creator = self._creators[depth].get(tag >> 8, "") if tag & 0x10000 and tag & 0xFFFF > 0xFF else ""
        if vr == "UN" and creator:
            vr = private_vr(creator, tag >> 16, tag & 0xFF)
        value, cut = self._value(tag, vr, position, length, depth)
        if tag & 0x10000 and 0x10 <= tag & 0xFFFF <= 0xFF:
            self._creators[depth][tag >> 16 << 8 | tag & 0xFF] = value.strip()
        elif self._hide and value and (self._hidden_from is not None or names_a_person(tag, vr)):
            value, cut = HIDDEN, False
        if tag in _CODE and depth:
            self._coded(tag, value, depth)
        count = None if length == UNDEFINED else length
        return Row(depth, f"({tag >> 16:04X},{tag & 0xFFFF:04X})", _name(tag, creator), vr, value, creator, count, cut)

    def _coded(self, tag: int, value: str, depth: int) -> None:
        """An item that is a code says what it means beside its number (PS3.3 8.1)."""
        code = self._codes[depth]
        code[_CODE[tag]] = value
        place = self._item_rows[depth]
        if code.get("meaning") and place < len(self.told):
            told = f"{code['meaning']} ({code.get('value', '')}, {code.get('scheme', '')})"
            self.told[place] = replace(self.told[place], value=told)

    def _value(self, tag: int, vr: str, position: int, length: int, depth: int) -> tuple[str, bool]:
        if vr == "SQ" or not length:
            return "", False
        if length == UNDEFINED:
            return "in fragments", False
        if not (textual(vr) or vr in NUMBERS or vr == "AT"):
            return f"{length} bytes", False
        raw = self._walker.value(position, min(length, _MOST_BYTES))
        if tag == _CHARACTER_SET:
            terms = raw.decode("latin_1").strip("\0 ")
            self._charsets[depth] = charset(tuple(term.strip("\0 ") for term in terms.split("\\")) if terms else ())
        text = _text(raw, vr, self._charsets[depth]) if textual(vr) else _numbers(raw, vr, big=self._walker.big_endian)
        return (text[:LONGEST_TEXT], True) if len(text) > LONGEST_TEXT or length > _MOST_BYTES else (text, False)


def _text(raw: bytes, vr: str, using: Charset) -> str:
    text = clean(decode(raw, using if vr in TEXT else DEFAULT, vr)[0]).strip("\0 ")
    if vr == "UI":
        return "\\".join(_named(uid.strip("\0 ")) for uid in text.split("\\"))
    return text if vr in SINGLE else "\\".join(part.strip() for part in text.split("\\"))


def _named(uid: str) -> str:
    name = UID(uid).name if uid.startswith("1.2.840.10008.") else uid
    return uid if name == uid else f"{uid} ({name})"


def _numbers(raw: bytes, vr: str, *, big: bool) -> str:
    order: Literal["big", "little"] = "big" if big else "little"
    if vr == "AT":
        words = [int.from_bytes(raw[at : at + 2], order) for at in range(0, len(raw) & ~3, 2)]
        return "\\".join(f"({words[at]:04X},{words[at + 1]:04X})" for at in range(0, len(words), 2))
    number = NUMBERS[vr]
    whole = raw[: len(raw) - len(raw) % number.size]
    if big:
        whole = b"".join(whole[at : at + number.size][::-1] for at in range(0, len(whole), number.size))
    return "\\".join(f"{value:.9g}" if vr in ("FL", "FD") else str(value) for (value,) in number.iter_unpack(whole))


def _name(tag: int, creator: str) -> str:
    """Keyword, or what a private dictionary calls it."""
    if tag & 0x10000:
        if not tag & 0xFFFF:
            return "GroupLength"
        if tag & 0xFFFF <= 0xFF:
            return "PrivateCreator"
        return _private_name(creator, tag >> 16, tag & 0xFF)
    return keyword_of(tag) or repeating_keyword_of(tag) or ("" if tag & 0xFFFF else "GroupLength")


def _private_name(creator: str, group: int, element: int) -> str:
    own = stated_private_element(creator, group, element)
    if own is not None:
        return own[1]
    entries = private_dictionaries.get(creator, {})
    entry = entries.get(f"{group:04x}xx{element:02x}") or entries.get(f"{group:04X}xx{element:02X}")
    return entry[2] if entry is not None else ""

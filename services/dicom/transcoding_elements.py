"""Writing a walked data set again in Explicit or Implicit VR Little Endian, bulk data in chunks (PS3.5 7.1, 7.5)."""

from array import array
from struct import Struct
from typing import BinaryIO, Final, NamedTuple, Protocol

from services.dicom.dictionary import private_vr, signed_by_pixel_representation, standard_vr
from services.dicom.elements import ITEM, UNDEFINED, Walker
from services.dicom.transcoding_errors import NotConvertible

PIXEL_DATA: Final = 0x7FE00010
PIXEL_REPRESENTATION: Final = 0x00280103
_EXTENDED_OFFSETS: Final = frozenset({0x7FE00001, 0x7FE00002})
_LONG_VRS: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_WORDS: Final = {
    **dict.fromkeys(("US", "SS", "AT", "OW"), "H"),
    **dict.fromkeys(("UL", "SL", "FL", "OF", "OL"), "I"),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), "Q"),
}
"""What is swapped, by VR; AT is a pair of 16 bit numbers (PS3.5 7.3)."""
_SHORT_HEADER: Final = Struct("<HH2sH")
_LONG_HEADER: Final = Struct("<HH2sxxL")
_IMPLICIT_HEADER: Final = Struct("<HHL")
ITEM_BEGIN: Final = _IMPLICIT_HEADER.pack(0xFFFE, 0xE000, UNDEFINED)
ITEM_END: Final = _IMPLICIT_HEADER.pack(0xFFFE, 0xE00D, 0)
SEQUENCE_END: Final = _IMPLICIT_HEADER.pack(0xFFFE, 0xE0DD, 0)
_END_OF_SEQUENCE: Final = (0xFFFE, 0xE0DD)
_LONGEST_SHORT: Final = 0xFFFF
_CHUNK: Final = 1 << 16  # a multiple of every word


class Pixels(Protocol):
    """Decompressed pixel data, and what has to be said otherwise about it."""

    changed: dict[int, bytes]
    """Values of top level elements by tag, little endian."""
    vr: str

    def write(self, target: BinaryIO, largest: int) -> int:
        """Write all frames, so that the target has at most ``largest`` bytes; how many there are. Raises
        NotConvertible."""


class _Level(NamedTuple):
    """Private creators by block, and whether pixels are signed, in one data set."""

    creators: dict[int, str]
    signed: bool


class Vrs:
    """VRs of elements that come without one: the dictionaries', with what the data set itself decides."""

    def __init__(self, *, signed: bool = False) -> None:
        self._levels = [_Level({}, signed)]

    def resolve(self, tag: int, depth: int) -> str:
        """As the walker asks."""
        if not tag & 0x10000:
            vr = standard_vr(tag)
            signed = vr == "US" and self._levels[depth].signed and signed_by_pixel_representation(tag)
            return "SS" if signed else vr
        element = tag & 0xFFFF
        if element < 0x1000:
            return "LO" if 0x10 <= element <= 0xFF else "UL" if not element else "UN"
        creator = self._levels[depth].creators.get(tag >> 8)
        return private_vr(creator, tag >> 16, tag & 0xFF) if creator else "UN"

    def item(self, depth: int) -> None:
        """An item begins: its own blocks, the enclosing signedness."""
        self._levels[depth:] = [_Level({}, self._levels[depth - 1].signed)]

    def seen(self, walker: Walker, tag: int, position: int, length: int, depth: int) -> None:
        """Remember what decides about later elements of the same data set."""
        if tag == PIXEL_REPRESENTATION and length == 2:
            signed = any(walker.value(position, 2))
            self._levels[depth] = self._levels[depth]._replace(signed=signed)
        elif tag & 0x10000 and 0x10 <= tag & 0xFFFF <= 0xFF and length <= 64:
            creator = walker.value(position, length).decode("latin_1").strip("\0 ")
            self._levels[depth].creators[tag >> 16 << 8 | tag & 0xFF] = creator


def pixel_representation(source: BinaryIO, offset: int, size: int, transfer_syntax: str) -> bool:
    """Whether pixels are signed, asked ahead: elements of smaller tags depend on it (PS3.3 C.7.6.3.1)."""
    walker = Walker(source, offset, size, transfer_syntax, lambda tag, depth: standard_vr(tag))
    for tag, _, position, length, depth in walker:
        if not depth and tag >= PIXEL_REPRESENTATION:
            return tag == PIXEL_REPRESENTATION and length == 2 and any(walker.value(position, 2))
    return False


class Writer:
    """Writes one data set. ``largest`` limits what is written, in bytes."""

    def __init__(self, target: BinaryIO, source: BinaryIO, offset: int, *, implicit: bool, largest: int) -> None:
        self._target, self._source, self._offset = target, source, offset
        self._implicit, self._largest = implicit, largest
        self._open: list[tuple[int, bytes]] = []
        """Levels and delimiters of what is open. An item is one level deeper than its sequence, and that one level
        deeper than the data set it stands in, which is level 2 * depth."""

    def write(self, walker: Walker, vrs: Vrs, pixels: Pixels | None) -> None:
        """Everything the walker finds. Raises NotConvertible, and UnparsableDataSet as the walker."""
        for tag, vr, position, length, depth in walker:
            if tag == ITEM:
                self._close_above(2 * depth - 1)
                vrs.item(depth)
                self._begin(2 * depth, ITEM_BEGIN, ITEM_END)
                continue
            self._close_above(2 * depth)
            vrs.seen(walker, tag, position, length, depth)
            if not tag & 0xFFFF or (pixels is not None and not depth and self._replaced(tag, vr, pixels)):
                continue
            if vr == "SQ" and length:
                self._begin(2 * depth + 1, self._header(tag, "SQ", UNDEFINED), SEQUENCE_END)
            elif length == UNDEFINED:
                self._fragments(tag, vr, position)
            else:
                self._element(walker, tag, vr, position, length)
        self._close_above(0)

    def _fragments(self, tag: int, vr: str, position: int) -> None:
        """Compressed pixel data that nobody decompressed."""
        raise NotConvertible(f"element {tag:08X} has fragments, which its transfer syntax does not know")

    def _begin(self, level: int, header: bytes, delimiter: bytes) -> None:
        self._target.write(header)
        self._open.append((level, delimiter))

    def _close_above(self, level: int) -> None:
        while self._open and self._open[-1][0] > level:
            self._end()

    def _end(self) -> None:
        self._target.write(self._open.pop()[1])

    def _replaced(self, tag: int, vr: str, pixels: Pixels) -> bool:
        """Write a top level element that decompression changes; whether it was one."""
        if tag in _EXTENDED_OFFSETS:
            return True
        if tag in pixels.changed:
            self._target.write(self._header(tag, vr, len(pixels.changed[tag])) + pixels.changed[tag])
            return True
        if tag != PIXEL_DATA:
            return False
        place = self._target.tell()
        self._target.write(self._header(tag, pixels.vr, UNDEFINED))
        size = pixels.write(self._target, self._largest)
        if size >= UNDEFINED:
            raise NotConvertible(f"decompressed, the pixel data has {size} bytes, more than an element holds")
        self._target.seek(place)
        self._target.write(self._header(tag, pixels.vr, size))
        self._target.seek(0, 2)
        return True

    def _element(self, walker: Walker, tag: int, vr: str, position: int, length: int) -> None:
        if vr not in _LONG_VRS and length > _LONGEST_SHORT:
            vr = "UN"
        self._target.write(self._header(tag, vr, length))
        self._check_room(length)
        word = _WORDS.get(vr) if walker.big_endian else None
        for start in range(0, length, _CHUNK):
            data = self._read(walker, position + start, min(_CHUNK, length - start))
            self._target.write(_swapped(data, word) if word else data)

    def _check_room(self, length: int) -> None:
        if self._target.tell() + length > self._largest:
            raise NotConvertible(f"the data set becomes larger than {self._largest} bytes")

    def _read(self, walker: Walker, position: int, length: int) -> bytes:
        if length < _CHUNK:
            return walker.value(position, length)
        self._source.seek(self._offset + position)
        data = self._source.read(length)
        if len(data) != length:
            raise NotConvertible(f"the object ends early, at byte {position} of its data set")
        return data

    def _header(self, tag: int, vr: str, length: int) -> bytes:
        group, element = tag >> 16, tag & 0xFFFF
        if self._implicit:
            return _IMPLICIT_HEADER.pack(group, element, length)
        if vr in _LONG_VRS:
            return _LONG_HEADER.pack(group, element, vr.encode(), length)
        return _SHORT_HEADER.pack(group, element, vr.encode(), length)


class Copier(Writer):
    """Takes compressed pixel data over as it is."""

    def _fragments(self, tag: int, vr: str, position: int) -> None:
        self._target.write(self._header(tag, vr, UNDEFINED))
        self._source.seek(self._offset + position)
        while True:
            header = self._source.read(_IMPLICIT_HEADER.size)
            if len(header) < _IMPLICIT_HEADER.size:
                raise NotConvertible(f"the fragments of element {tag:08X} have no end")
            self._target.write(header)
            group, element, length = _IMPLICIT_HEADER.unpack(header)
            if (group, element) == _END_OF_SEQUENCE:
                return
            self._copy(length)

    def _copy(self, left: int) -> None:
        while left:
            data = self._source.read(min(_CHUNK, left))
            if not data:
                raise NotConvertible("the object ends within a fragment")
            self._target.write(data)
            left -= len(data)


def _swapped(data: bytes, word: str) -> bytes:
    """The whole words of it with their bytes the other way round."""
    words = array(word)
    whole = len(data) - len(data) % words.itemsize
    words.frombytes(data[:whole])
    words.byteswap()
    return words.tobytes() + data[whole:]

"""Walking an encoded data set element by element without recursion and without reading bulk data (PS3.5 section 7).

Every length is checked against what encloses it before anything is read, so a declared length costs nothing, and the
whole structure is followed to its end, so truncation is found. What is merely odd (unknown VRs, an item that switches
to implicit VR, stray delimiters, padding) is tolerated for as long as the structure stays readable.
"""

import io
import zlib
from collections.abc import Callable, Iterator
from struct import Struct
from typing import BinaryIO, Final, NamedTuple

from services.runtime.errors import GatewayError

Element = tuple[int, str, int, int, int]
"""Tag, VR, position and length of the value, depth of the data set it stands in (0: not inside a sequence).

Positions count from the beginning of the data set. The length is UNDEFINED where the data set says so. Items appear
with the tag ITEM and the depth of their elements. The VR is what the data set says; with implicit VR, what ``resolve``
says; an unknown VR is UN.
"""

ITEM: Final = 0xFFFEE000
UNDEFINED: Final = 0xFFFFFFFF
MAX_DEPTH: Final = 64
MAX_ELEMENTS: Final = 4_000_000
MAX_INFLATED_BYTES: Final = 1 << 20

IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"

_ITEM_END: Final = 0xFFFEE00D
_SEQUENCE_END: Final = 0xFFFEE0DD
_PIXEL_DATA: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_NEAR: Final = 1 << 16
_FAR: Final = 1 << 12
_SHORT: Final = {
    vr.encode(): vr
    for vr in (
        *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO"),
        *("LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"),
    )
}
SHORT_VRS: Final = frozenset(_SHORT.values())
"""VRs whose length has 16 bits where the data set gives VRs (PS3.5 7.1.2)."""
_LONG: Final = {
    vr.encode(): vr for vr in ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
}


class UnparsableDataSet(GatewayError):
    """The structure of a data set or object cannot be read.

    ``reason`` is one of a few constants, ``offset`` where it was found, in bytes from the beginning. No values.
    """

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} at byte {offset}")
        self.reason, self.offset = reason, offset


class _Encoding(NamedTuple):
    """How headers are read: byte order and whether they carry a VR."""

    big: bool
    implicit: bool
    header: Struct
    long: Struct
    group: bytes


def _encoding(*, big: bool, implicit: bool) -> _Encoding:
    order = ">" if big else "<"
    header = Struct(order + ("HHL" if implicit else "HH2sH"))
    return _Encoding(big, implicit, header, Struct(order + "L"), b"\xff\xfe" if big else b"\xfe\xff")


_EXPLICIT_LITTLE_HEADERS: Final = _encoding(big=False, implicit=False)
_EXPLICIT_BIG_HEADERS: Final = _encoding(big=True, implicit=False)
_IMPLICIT_HEADERS: Final = _encoding(big=False, implicit=True)
_IMPLICIT_BIG_HEADERS: Final = _encoding(big=True, implicit=True)


class _Frame:
    """What encloses the present position: a data set or, with ``items``, a sequence."""

    __slots__ = ("depth", "encoding", "end", "items", "undefined")

    def __init__(self, end: int, depth: int, encoding: _Encoding, *, items: bool, undefined: bool) -> None:
        self.end = end
        self.depth = depth
        self.encoding = encoding
        self.items = items
        self.undefined = undefined


class _EndOfInflated(Exception):
    """The part of a deflated data set that is looked at ends here; what follows stays unread."""


class Walker:
    """One pass over a data set.

    ``resolve`` names the VR of a tag at a depth where the data set has none; it is asked after everything before that
    element was handed out. After the pass ``pixel_data_bytes`` is the length of the pixel data (of all fragments when
    encapsulated, the Basic Offset Table not counted), or None without pixel data. ``misencoded`` is the tag of the
    first element with a VR where the transfer syntax has none, or without one where it demands one (PS3.5 7.1, A.1,
    A.2), which is read all the same; None if there is no such element.
    """

    def __init__(
        self, source: BinaryIO, offset: int, size: int, transfer_syntax: str, resolve: Callable[[int, int], str]
    ) -> None:
        self.pixel_data_bytes: int | None = None
        self.misencoded: int | None = None
        self._resolve = resolve
        self._capped = False
        if transfer_syntax == DEFLATED:
            source, offset, size, self._capped = _inflated(source, offset, size)
        self._source, self._offset, self._size = source, offset, size
        self._base, self._buffer = 0, b""
        self._position = 0
        end = 1 << 63 if self._capped else size
        self._frames = [_Frame(end, 0, self._headers(transfer_syntax), items=False, undefined=False)]

    @property
    def big_endian(self) -> bool:
        """Byte order of the values of the data set that the walk is in."""
        return self._frames[-1].encoding.big

    def __iter__(self) -> Iterator[Element]:
        """Hand out the elements in their order.

        Raises:
            UnparsableDataSet: the structure cannot be followed to the end of the data set.
        """
        try:
            for _ in range(MAX_ELEMENTS):
                frame = self._frames[-1]
                if self._position >= frame.end:
                    if not self._leave(frame):
                        return
                    continue
                found = self._item(frame) if frame.items else self._element(frame)
                if found is not None:
                    yield found
        except _EndOfInflated:
            return
        raise self._fault("too-many-elements")

    def value(self, position: int, length: int) -> bytes:
        """A value of the element just handed out; for small values only."""
        index = position - self._base
        if index < 0 or index + length > len(self._buffer):
            try:
                index = self._fill(position, length)
            except _EndOfInflated:
                return b""
        return self._buffer[index : index + length]

    def _headers(self, transfer_syntax: str) -> _Encoding:
        if transfer_syntax == EXPLICIT_BIG:
            return _EXPLICIT_BIG_HEADERS
        if transfer_syntax != IMPLICIT_LITTLE:
            return _EXPLICIT_LITTLE_HEADERS
        # A first element longer than 16 KiB does not exist: two letters here are a VR, whatever was negotiated.
        first = self.value(0, min(8, self._size))
        if first[4:6] not in _SHORT and first[4:6] not in _LONG:
            return _IMPLICIT_HEADERS
        if len(first) == 8:
            group, number, _ = _IMPLICIT_HEADERS.header.unpack(first)
            self.misencoded = group << 16 | number
        return _EXPLICIT_LITTLE_HEADERS

    def _element(self, frame: _Frame) -> Element | None:
        position = self._position
        index = position - self._base
        if index < 0 or index + 12 > len(self._buffer):
            if frame.end - position < 8:
                self._rest(frame)
                return None
            index = self._fill(position, min(12, frame.end - position))
        if frame.encoding.implicit:
            group, number, length = frame.encoding.header.unpack_from(self._buffer, index)
            vr, start = "", position + 8
        else:
            group, number, code, length = frame.encoding.header.unpack_from(self._buffer, index)
            vr, start = _SHORT.get(code, "?"), position + 8
            if vr == "?":
                vr, length, start = self._unusual(frame, group, code, index)
        tag = group << 16 | number
        if group == 0xFFFE:
            self._delimiter(frame, tag, length)
            return None
        if start + length > frame.end and length != UNDEFINED:
            raise self._beyond(frame)
        if not vr:
            vr = self._resolve(tag, frame.depth)
        if length == UNDEFINED or (vr == "SQ" and length):
            return self._enter(frame, tag, vr, start, length)
        if tag in _PIXEL_DATA and not frame.depth:
            self.pixel_data_bytes = length
        self._position = start + length
        return tag, vr, start, length, frame.depth

    def _unusual(self, frame: _Frame, group: int, code: bytes, index: int) -> tuple[str, int, int]:
        """VR, length and value position where the VR is none of those with a 16 bit length.

        A VR nobody knows has a 32 bit length if its reserved bytes are zero (PS3.5 7.1.2), else one of 16 bits; what is
        no text at all, or fits neither way, is taken for a length without VR.
        """
        position, buffer, long = self._position, self._buffer, frame.encoding.long
        room = frame.end - position
        if code in _LONG:
            if index + 12 > len(buffer):
                raise self._fault("truncated")
            return _LONG[code], long.unpack_from(buffer, index + 8)[0], position + 12
        if group != 0xFFFE and code.isascii() and code.decode().isprintable():
            if buffer[index + 6 : index + 8] == b"\0\0" and index + 12 <= len(buffer):
                length: int = long.unpack_from(buffer, index + 8)[0]
                if 12 + length <= room:
                    return "UN", length, position + 12
            length = frame.encoding.header.unpack_from(buffer, index)[3]
            if 8 + length <= room:
                return "UN", length, position + 8
        if group != 0xFFFE and self.misencoded is None:
            self.misencoded = group << 16 | frame.encoding.header.unpack_from(buffer, index)[1]
        return "", long.unpack_from(buffer, index + 4)[0], position + 8

    def _delimiter(self, frame: _Frame, tag: int, length: int) -> None:
        if tag not in (_ITEM_END, _SEQUENCE_END) or length:
            raise self._fault("unexpected-item")
        self._position += 8
        if tag == _ITEM_END and frame.undefined:
            self._frames.pop()

    def _enter(self, frame: _Frame, tag: int, vr: str, start: int, length: int) -> Element:
        """Step into a sequence, or over encapsulated pixel data."""
        if length == UNDEFINED and (vr in ("OB", "OW") or tag in _PIXEL_DATA):
            fragments = self._fragments(frame, start)
            if tag in _PIXEL_DATA and not frame.depth:
                self.pixel_data_bytes = fragments
            return tag, "OB", start, length, frame.depth
        undefined = length == UNDEFINED
        if not undefined and self.value(start, min(2, length)) != frame.encoding.group:
            self._position = start + length
            return tag, "UN", start, length, frame.depth
        encoding = _IMPLICIT_HEADERS if vr == "UN" else frame.encoding
        end = frame.end if undefined else start + length
        self._frames.append(_Frame(end, frame.depth, encoding, items=True, undefined=undefined))
        self._position = start
        return tag, "SQ", start, length, frame.depth

    def _item(self, frame: _Frame) -> Element | None:
        tag, length = self._item_header(frame)
        start = self._position + 8
        if tag == _SEQUENCE_END:
            self._position = start
            if frame.undefined:
                self._frames.pop()
            return None
        undefined = length == UNDEFINED
        end = frame.end if undefined else start + length
        if tag != ITEM or end > frame.end:
            raise self._fault("not-an-item") if tag != ITEM else self._beyond(frame)
        if frame.depth >= MAX_DEPTH:
            raise self._fault("too-deep")
        self._frames.append(_Frame(end, frame.depth + 1, frame.encoding, items=False, undefined=undefined))
        self._position = start
        return ITEM, "", start, length, frame.depth + 1

    def _fragments(self, frame: _Frame, start: int) -> int:
        """Step over the fragments of encapsulated pixel data; their bytes in all (PS3.5 A.4)."""
        self._position = start
        total = 0
        for number in range(MAX_ELEMENTS):
            tag, length = self._item_header(frame)
            self._position += 8
            if tag == _SEQUENCE_END:
                return total
            if tag != ITEM:
                raise self._fault("not-an-item")
            if self._position + length > frame.end:
                raise self._beyond(frame)
            self._position += length
            total += length if number else 0
        raise self._fault("too-many-elements")

    def _item_header(self, frame: _Frame) -> tuple[int, int]:
        if frame.end - self._position < 8:
            raise self._fault("truncated")
        index = self._position - self._base
        if index < 0 or index + 8 > len(self._buffer):
            index = self._fill(self._position, 8)
        headers = _IMPLICIT_BIG_HEADERS if frame.encoding.big else _IMPLICIT_HEADERS
        group, number, length = headers.header.unpack_from(self._buffer, index)
        return group << 16 | number, length

    def _leave(self, frame: _Frame) -> bool:
        """Close what ends here; false at the end of the data set."""
        if frame.undefined:
            raise self._fault("truncated")
        self._frames.pop()
        return bool(self._frames)

    def _rest(self, frame: _Frame) -> None:
        """Fewer bytes than a header: padding if all are zero, and at the end of the data set only."""
        length = frame.end - self._position
        if frame.depth or self.value(self._position, length).strip(b"\0"):
            raise self._fault("truncated")
        self._position = frame.end

    def _fill(self, position: int, need: int) -> int:
        """Bring ``need`` bytes at the position into the buffer; the index of the first."""
        near = 0 <= position - self._base <= len(self._buffer) + _NEAR
        wanted = max(need, min(_NEAR if near else _FAR, self._size - position))
        self._source.seek(self._offset + position)
        self._buffer, self._base = _read(self._source, wanted), position
        if len(self._buffer) < need:
            if self._capped:
                raise _EndOfInflated
            raise self._fault("truncated")
        return 0

    def _beyond(self, frame: _Frame) -> UnparsableDataSet:
        """A length that reaches beyond what encloses it: beyond the end of the data set, that is truncation."""
        return self._fault("truncated" if frame.end >= self._size else "length-beyond-parent")

    def _fault(self, reason: str) -> UnparsableDataSet:
        return UnparsableDataSet(reason, self._position)


def _read(source: BinaryIO, length: int) -> bytes:
    """Read that many bytes, fewer only at the end."""
    data = source.read(length)
    while data and len(data) < length:
        more = source.read(length - len(data))
        if not more:
            break
        data += more
    return data


def _inflated(source: BinaryIO, offset: int, size: int) -> tuple[BinaryIO, int, int, bool]:
    """The first MiB of a deflated data set (PS3.5 A.5), and whether more follows."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    source.seek(offset)
    inflated = bytearray()
    left = size
    try:
        while not inflate.eof and len(inflated) < MAX_INFLATED_BYTES:
            data = inflate.unconsumed_tail or _read(source, min(_NEAR, left))
            left -= 0 if inflate.unconsumed_tail else len(data)
            if not data:
                raise UnparsableDataSet("truncated", size)
            inflated += inflate.decompress(data, MAX_INFLATED_BYTES - len(inflated))
    except zlib.error as fault:
        raise UnparsableDataSet("not-deflated", size - left) from fault
    return io.BytesIO(inflated), 0, len(inflated), not inflate.eof

"""Identifiers of queries and retrievals (PS3.4 C.4): requests and responses, ours and those of others.

They are decoded tolerantly, with an error of their own for what is no data set.
"""

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.dicom.association import Request
from services.dicom.charsets import DEFAULT, Charset, charset, decode, encode
from services.dicom.contexts import IMPLICIT_LITTLE_ENDIAN
from services.dicom.dictionary import standard_vr
from services.dicom.elements import ITEM, UNDEFINED, UnparsableDataSet, Walker
from services.runtime.errors import GatewayError

SPECIFIC_CHARACTER_SET: Final = 0x00080005
QUERY_RETRIEVE_LEVEL: Final = 0x00080052

LARGEST_READ: Final = 8 << 20
"""Bytes above which reading ends with an abort; what is smaller but above ``LARGEST`` gets an answer."""
LARGEST: Final = 1 << 20
"""Bytes of an identifier: room for 16,000 UIDs."""

LARGEST_VALUE: Final = 0xFFFE
"""Bytes of a value with a 16 bit length."""
UTF_8: Final = "ISO_IR 192"

_ITEM_HEADER = struct.Struct("<HHI")
_TEXT: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_ASCII: Final = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})


class IdentifierFault(GatewayError):
    """An identifier that cannot be answered. ``reason`` is a constant without any value from the wire."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Identifier:
    """What was asked, or answered. ``keys`` are the standard elements of the data set by tag, with their text, trimmed,
    several values separated by backslash; "" asks for any value (PS3.4 C.2.2.2.3). Binary values but US count as none.

    ``others`` are sequences and private elements: asked of us, but never supported. ``items`` is what the first item of
    a sequence holds, by the tags of sequence and element. ``terms`` are the values of Specific Character Set, which is
    no key, as the level is none.
    """

    level: str
    keys: Mapping[int, str]
    others: frozenset[int] = frozenset()
    terms: tuple[str, ...] = ()
    items: Mapping[tuple[int, int], str] = field(default_factory=dict, compare=False)

    def values(self, tag: int) -> list[str]:
        """The values of a key that has any."""
        text = self.keys.get(tag, "")
        return text.split("\\") if text else []


def read_identifier(request: Request) -> Identifier:
    """The identifier of a request, read from the peer.

    Raises ``IdentifierFault``; DataSetTooLarge for more than LARGEST_READ; and the errors of the association.
    """
    data = request.read_data_set(LARGEST_READ)
    return decode_identifier(data, request.context.transfer_syntax)


def decode_identifier(data: bytes, transfer_syntax: str) -> Identifier:
    """Decode (pure). Group lengths, repeated and unordered elements and odd padding are tolerated.

    Raises ``IdentifierFault``, for whatever bytes.
    """
    if not data:
        raise IdentifierFault("identifier is missing")
    if len(data) > LARGEST:
        raise IdentifierFault("identifier is too large")
    try:
        return _collected(Walker(io.BytesIO(data), 0, len(data), transfer_syntax, _resolve))
    except UnparsableDataSet as error:
        raise IdentifierFault(f"identifier is unreadable: {error.reason}") from error


def _resolve(tag: int, _: int) -> str:
    return standard_vr(tag)


def _collected(walker: Walker) -> Identifier:
    keys: dict[int, str] = {}
    items: dict[tuple[int, int], str] = {}
    others: set[int] = set()
    terms: tuple[str, ...] = ()
    sequence = 0
    for tag, vr, position, length, depth in walker:
        if depth > 1 or tag == ITEM or not tag & 0xFFFF or (not depth and tag in keys):
            continue
        if tag & 0x10000 or vr == "SQ" or length == UNDEFINED:
            if not depth:
                others.add(tag)
                sequence = tag
            continue
        text = _text(walker.value(position, length), _kind(tag, vr), charset(terms), big=walker.big_endian)
        if depth:
            items.setdefault((sequence, tag), text)
            continue
        keys[tag] = text
        if tag == SPECIFIC_CHARACTER_SET:
            terms = tuple(text.split("\\"))
    keys.pop(SPECIFIC_CHARACTER_SET, None)
    return Identifier(keys.pop(QUERY_RETRIEVE_LEVEL, "").upper(), keys, frozenset(others), terms, items)


def _kind(tag: int, vr: str) -> str:
    """The dictionary's VR, whatever the peer calls it; its own for what the dictionary does not know."""
    known = standard_vr(tag)
    return vr if known == "UN" else known


def _text(raw: bytes, vr: str, using: Charset, *, big: bool) -> str:
    if vr == "US" and len(raw) == 2:
        return str(int.from_bytes(raw, "big" if big else "little"))
    if vr not in _TEXT and vr not in _ASCII:
        return ""
    text, _ = decode(raw, using if vr in _TEXT else DEFAULT, vr)
    return "\\".join(part.strip() for part in text.split("\\"))


def encode_identifier(
    level: str,
    keys: Mapping[int, str],
    transfer_syntax: str,
    *,
    character_set: str = UTF_8,
    sequences: Mapping[int, Sequence[int]] | None = None,
) -> bytes:
    """The identifier of a C-FIND or C-MOVE of ours in one of the two little endian syntaxes, without padding of groups.

    ``keys`` are values by tag, several separated by backslash, "" to be told; of ``sequences``, by their tags, the
    elements of an item to be told. Specific Character Set, ``character_set``, is there only if a value is not ASCII
    (R125). Raises UnicodeError for a value that it cannot hold, ValueError for one that is longer than 65534 bytes.
    """
    header = element_header(transfer_syntax)
    using = charset((character_set,))
    values = {tag: _value(tag, text, using) for tag, text in {**keys, QUERY_RETRIEVE_LEVEL: level}.items()}
    if not all(value.isascii() and b"\x1b" not in value for value in values.values()):
        values[SPECIFIC_CHARACTER_SET] = _padded(character_set.encode("ascii"), "CS")
    parts = {tag: header(tag, standard_vr(tag), len(value)) + value for tag, value in values.items()}
    for tag, asked in (sequences or {}).items():
        item = b"".join(header(each, standard_vr(each), 0) for each in sorted(asked))
        content = _ITEM_HEADER.pack(ITEM >> 16, ITEM & 0xFFFF, len(item)) + item
        parts[tag] = header(tag, "SQ", len(content)) + content
    return b"".join(parts[tag] for tag in sorted(parts))


def element_header(transfer_syntax: str) -> Callable[[int, str, int], bytes]:
    """What writes the header of an element from its tag, VR and length, for values with a 16 bit length and SQ."""
    return _implicit if transfer_syntax == IMPLICIT_LITTLE_ENDIAN else _explicit


def _value(tag: int, text: str, using: Charset) -> bytes:
    vr = standard_vr(tag)
    value = _padded(encode(text, using if vr in _TEXT else DEFAULT, vr), vr)
    if len(value) > LARGEST_VALUE:
        raise ValueError(f"the value of ({tag >> 16:04X},{tag & 0xFFFF:04X}) is longer than {LARGEST_VALUE} bytes")
    return value


def _padded(value: bytes, vr: str) -> bytes:
    return value + (b"\0" if vr == "UI" else b" ") if len(value) % 2 else value


def _explicit(tag: int, vr: str, length: int) -> bytes:
    if vr == "SQ":
        return struct.pack("<HH2s2xI", tag >> 16, tag & 0xFFFF, b"SQ", length)
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode("ascii"), length)


def _implicit(tag: int, _: str, length: int) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length)

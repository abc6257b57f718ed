"""Identifiers of queries and retrievals (PS3.4 C.4): decoded tolerantly, with its own error for what is no data set."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.dicom.association import Request
from services.dicom.charsets import DEFAULT, Charset, charset, decode
from services.dicom.dictionary import standard_vr
from services.dicom.elements import ITEM, UNDEFINED, UnparsableDataSet, Walker
from services.runtime.errors import GatewayError

SPECIFIC_CHARACTER_SET: Final = 0x00080005
QUERY_RETRIEVE_LEVEL: Final = 0x00080052

LARGEST_READ: Final = 8 << 20
"""Bytes above which reading ends with an abort; what is smaller but above ``LARGEST`` gets an answer."""
LARGEST: Final = 1 << 20
"""Bytes of an identifier: room for 16,000 UIDs."""

_TEXT: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_ASCII: Final = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})


class IdentifierFault(GatewayError):
    """An identifier that cannot be answered. ``reason`` is a constant without any value from the wire."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Identifier:
    """What was asked. ``keys`` are the standard elements of the data set by tag, with their text, trimmed, several
    values separated by backslash; "" asks for any value (PS3.4 C.2.2.2.3). Binary values count as none.

    ``others`` are sequences and private elements: asked for, but never supported. ``terms`` are the values of Specific
    Character Set, which is no key, as the level is none.
    """

    level: str
    keys: Mapping[int, str]
    others: frozenset[int] = frozenset()
    terms: tuple[str, ...] = ()

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
    others: set[int] = set()
    terms: tuple[str, ...] = ()
    for tag, vr, position, length, depth in walker:
        if depth or tag == ITEM or not tag & 0xFFFF or tag in keys:
            continue
        if tag & 0x10000 or vr == "SQ" or length == UNDEFINED:
            others.add(tag)
            continue
        keys[tag] = _text(walker.value(position, length), _kind(tag, vr), charset(terms))
        if tag == SPECIFIC_CHARACTER_SET:
            terms = tuple(keys[tag].split("\\"))
    keys.pop(SPECIFIC_CHARACTER_SET, None)
    return Identifier(keys.pop(QUERY_RETRIEVE_LEVEL, "").upper(), keys, frozenset(others), terms)


def _kind(tag: int, vr: str) -> str:
    """The dictionary's VR, whatever the peer calls it; its own for what the dictionary does not know."""
    known = standard_vr(tag)
    return vr if known == "UN" else known


def _text(raw: bytes, vr: str, using: Charset) -> str:
    if vr not in _TEXT and vr not in _ASCII:
        return ""
    text, _ = decode(raw, using if vr in _TEXT else DEFAULT, vr)
    return "\\".join(part.strip() for part in text.split("\\"))

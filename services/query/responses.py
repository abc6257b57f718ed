"""Identifiers of C-FIND responses, encoded without a data set in between: 2,000 a second leave one association.

Specific Character Set is there only when a text value is not ASCII (R124 to R127). Profile xeleris names its configured
set and replaces what that cannot hold; profile gateway names the requester's, or else UTF-8.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schemas.dicom.query_keys import QueryAttribute
from services.dicom.charsets import Charset, charset, encode
from services.dicom.identifiers import (
    LARGEST_VALUE,
    QUERY_RETRIEVE_LEVEL,
    SPECIFIC_CHARACTER_SET,
    UTF_8,
    element_header,
)
from services.dicom.profile import Profile
from services.query.questions import RETRIEVE_AE_TITLE, Question

_TEXT: Final = frozenset({"LO", "PN", "SH"})
_NUMBER = struct.Struct("<H")


@dataclass(frozen=True)
class Language:
    """A character set that responses may be written in. ``lossy`` replaces what it cannot hold by question marks."""

    terms: tuple[str, ...]
    lossy: bool = False

    @property
    def charset(self) -> Charset:
        """How it is encoded."""
        return charset(self.terms)


def languages(profile: Profile, requested: tuple[str, ...]) -> tuple[Language, ...]:
    """What responses may be written in, the last one holding any text."""
    if profile.xeleris:
        return (Language((profile.character_set,), lossy=True),)
    return (Language(requested), Language((UTF_8,)))


class Encoder:
    """Encodes the responses of one query: a row in the order of ``question.returned``."""

    def __init__(self, question: Question, aet: str, spoken: Sequence[Language], transfer_syntax: str) -> None:
        self._languages = spoken
        self._header = element_header(transfer_syntax)
        fixed = {
            QUERY_RETRIEVE_LEVEL: self._element(QUERY_RETRIEVE_LEVEL, "CS", question.level.encode()),
            RETRIEVE_AE_TITLE: self._element(RETRIEVE_AE_TITLE, "AE", aet.encode("ascii", "replace")),
        }
        places = {attribute.tag: (place, attribute) for place, attribute in enumerate(question.returned)}
        self._plan: list[bytes | tuple[int, QueryAttribute]] = [
            fixed.get(tag) or places[tag] for tag in sorted(fixed.keys() | places.keys())
        ]

    def encode(self, row: Sequence[str]) -> bytes:
        """One response."""
        for language in self._languages[:-1]:
            try:
                return self._encode(row, language)
            except (UnicodeError, LookupError):
                continue
        return self._encode(row, self._languages[-1])

    def _encode(self, row: Sequence[str], language: Language) -> bytes:
        parts, foreign = [b""], False
        for planned in self._plan:
            if isinstance(planned, bytes):
                parts.append(planned)
                continue
            place, attribute = planned
            text = row[place]
            foreign |= attribute.vr in _TEXT and not text.isascii()
            parts.append(self._element(attribute.tag, attribute.vr, _value(text, attribute.vr, language)))
        if foreign:
            parts[0] = self._element(SPECIFIC_CHARACTER_SET, "CS", "\\".join(language.terms).encode("ascii", "replace"))
        return b"".join(parts)

    def _element(self, tag: int, vr: str, value: bytes) -> bytes:
        if len(value) > LARGEST_VALUE:
            value = value[:LARGEST_VALUE].rpartition(b"\\")[0]
        if len(value) % 2:
            value += b"\0" if vr == "UI" else b" "
        return self._header(tag, vr, len(value)) + value


def _value(text: str, vr: str, language: Language) -> bytes:
    if vr == "US":
        return _NUMBER.pack(min(int(text), 0xFFFF)) if text else b""
    if text.isascii():
        return text.encode("ascii")
    if vr not in _TEXT:
        return text.encode("ascii", "replace")
    using = language.charset
    return text.encode(using.encodings[0], "replace") if language.lossy else encode(text, using, vr)

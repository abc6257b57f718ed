"""Decoding and encoding of text by Specific Character Set (0008,0005), code extensions included.

Source: PS3.5 section 6.1, PS3.3 C.12.1.1.2.

Decoding never fails: what cannot be decoded is decoded as well as possible and said to be undecodable.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pydicom.charset import CODES_TO_ENCODINGS, encode_string, handled_encodings, python_encoding

_ESCAPE: Final = 0x1B
_FRAGMENT = re.compile(rb"^[^\x1b]+|\x1b[^\x1b]*")
_DELIMITERS: Final = {"PN": b"\\^=\t\n\f\r"}
_DEFAULT_DELIMITERS: Final = b"\\\t\n\f\r"
_DEFAULT_REPERTOIRE: Final = frozenset({"", "ISO_IR 6", "ISO 2022 IR 6"})
_DEFAULT_ENCODING: Final = python_encoding[""]
_REFUSED_BY_JSON = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class Charset:
    """How the text of one data set is encoded.

    ``encodings`` are Python codecs, the first one being in force until an escape sequence. ``known`` is false when a
    term of the element is none of the standard's: every value that is not plain ASCII is then undecodable.
    """

    encodings: tuple[str, ...]
    known: bool = True
    ascii_only: bool = False


DEFAULT: Final = Charset(("latin_1",), ascii_only=True)


@lru_cache(maxsize=256)
def charset(terms: tuple[str, ...]) -> Charset:
    """The character set that the values of (0008,0005) name; an absent or empty element is the default repertoire."""
    names = [_spelled(term) for term in terms] or [""]
    encodings = tuple(python_encoding[name] for name in names if name in python_encoding)
    known = len(encodings) == len(names)
    ascii_only = all(name in _DEFAULT_REPERTOIRE for name in names)
    return Charset(encodings or DEFAULT.encodings, known, ascii_only)


def _spelled(term: str) -> str:
    """A term as the standard spells it: ``ISO IR 100``, ``ISO-IR 100`` and ``ISO_2022_IR_100`` are met in the field."""
    text = term.strip().upper()
    if text in python_encoding:
        return text
    blanks = re.sub(r"[_\- ]+", " ", text)
    return next((name for name in (blanks, blanks.replace("ISO IR", "ISO_IR")) if name in python_encoding), text)


def decode(raw: bytes, using: Charset, vr: str) -> tuple[str, bool]:
    """Decode one value field; the flag says whether every byte could be decoded.

    Delimiters (backslash, and in names ``^`` and ``=``) return to the first character set, as PS3.5 6.1.2.5.3 says, so
    values may be split at backslashes afterwards, also where the second byte of a character has that code.
    """
    if raw.isascii() and _ESCAPE not in raw:
        return raw.decode("ascii").replace("\0", ""), True
    if not using.known or using.ascii_only:
        return clean(_guess(raw)), False
    try:
        return clean(_decode(raw, using.encodings, vr)), True
    except (UnicodeError, LookupError):
        return clean(raw.decode(using.encodings[0], errors="replace")), False


def encode(text: str, using: Charset, vr: str) -> bytes:
    """Encode one value field, its values separated by backslashes. Raises UnicodeError if the character set cannot."""
    if text.isascii():
        return text.encode("ascii")
    if not using.known or using.ascii_only:
        raise UnicodeError("character set cannot hold the text")
    if len(using.encodings) == 1:
        return text.encode(using.encodings[0])
    return _extended(text, using, vr)


def _extended(text: str, using: Charset, vr: str) -> bytes:
    """With code extensions: each part between delimiters begins in the first character set (PS3.5 6.1.2.5.3)."""
    if not all(any(_holds(encoding, character) for encoding in using.encodings) for character in text):
        raise UnicodeError("character set cannot hold the text")
    delimiters = _DELIMITERS.get(vr, _DEFAULT_DELIMITERS).decode()
    parts = re.split(f"([{re.escape(delimiters)}])", text)
    encoded = [encode_string(part, using.encodings) for part in parts]
    if using.encodings[0] == _DEFAULT_ENCODING:
        # Codecs call the default repertoire Latin-1, but it has no character above ASCII.
        for each in encoded:
            each.partition(b"\x1b")[0].decode("ascii")
    if decode(b"".join(encoded), using, vr) != (text, True):
        raise UnicodeError("character set cannot hold the text")
    return b"".join(encoded)


def _holds(encoding: str, character: str) -> bool:
    try:
        return bool(character.encode(encoding))
    except UnicodeError:
        return False


def clean(text: str) -> str:
    """The text without what PostgreSQL and JSON refuse: NUL and lone surrogates."""
    return _REFUSED_BY_JSON.sub("", text)


def _guess(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin_1")


def _decode(raw: bytes, encodings: Sequence[str], vr: str) -> str:
    if _ESCAPE not in raw:
        return raw.decode(encodings[0])
    delimiters = _DELIMITERS.get(vr, _DEFAULT_DELIMITERS)
    return "".join(_fragment(part, encodings, delimiters) for part in _FRAGMENT.findall(raw))


def _fragment(part: bytes, encodings: Sequence[str], delimiters: bytes) -> str:
    """Decode a run that begins with an escape sequence or is the first run."""
    if part[0] != _ESCAPE:
        return part.decode(encodings[0])
    width = 4 if part.startswith((b"\x1b$(", b"\x1b$)")) else 3
    encoding = CODES_TO_ENCODINGS.get(part[:width])
    if encoding is None:
        raise UnicodeError("escape sequence of no character set of the standard")
    if encoding in handled_encodings:
        return part.decode(encoding)
    run = part[width:]
    end = next((place for place, byte in enumerate(run) if byte in delimiters), len(run))
    return run[:end].decode(encoding) + run[end:].decode(encodings[0])

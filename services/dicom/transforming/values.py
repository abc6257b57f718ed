"""Values of elements as text and numbers, and back to bytes in little endian (PS3.5 section 6.2).

What is written has to be what its VR allows: what is too long, or no such number or date, is never sent.
"""

import re
from collections.abc import Sequence
from struct import Struct, error
from typing import Final

from services.dicom.charsets import DEFAULT, Charset, decode, encode
from services.dicom.rules import values as meanings
from services.dicom.transforming.errors import NotTransformable
from services.dicom.transforming.tree import Element, Tree, described
from services.dicom.uids import valid_uid

Value = str | int | float

TEXT: Final = frozenset({"SH", "LO", "PN", "UC", "ST", "LT", "UT"})
"""VRs whose text is in the character set of the data set."""
ASCII: Final = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
SINGLE: Final = frozenset({"ST", "LT", "UT", "UR"})
"""VRs in which a backslash separates no values."""
NUMBERS: Final = {
    vr: Struct("<" + code)
    for vr, code in {
        "US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d",
    }.items()
}  # fmt: skip
_PAIR: Final = Struct("<HH")
_AT: Final = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")
_LONGEST: Final = {
    "AE": 16, "AS": 4, "CS": 16, "DA": 8, "DS": 16, "DT": 26, "IS": 12, "LO": 64, "LT": 10240, "SH": 16, "ST": 1024,
    "TM": 14, "UI": 64,
}  # fmt: skip
_LONGEST_NAME_PART: Final = 64
_FORMS: Final = {
    "AS": re.compile(r"[0-9]{3}[DWMY]"),
    "CS": re.compile(r"[A-Z0-9_ ]*"),
    "DS": re.compile(r" *[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)? *"),
    "IS": re.compile(r" *[+-]?[0-9]+ *"),
}


class Unwritable(ValueError):
    """No such value fits; the message says why, without the value."""


def textual(vr: str) -> bool:
    """Whether values of that VR are text."""
    return vr in TEXT or vr in ASCII


def writable(vr: str) -> bool:
    """Whether a step can write values of that VR."""
    return textual(vr) or vr in NUMBERS or vr == "AT"


def values_of(tree: Tree, tag: int, element: Element, using: Charset, vr: str = "") -> list[Value]:
    """The values of an element; none if it is empty. ``vr`` is what it is, where the data set does not say it.

    Raises NotTransformable for what is no text or number, and for text that is not in its character set.
    """
    raw, vr = tree.raw(tag, element), vr or element.vr
    if vr in NUMBERS:
        number = NUMBERS[vr]
        return [value for (value,) in number.iter_unpack(raw[: len(raw) - len(raw) % number.size])]
    if vr == "AT":
        return [f"{group:04X}{number:04X}" for group, number in _PAIR.iter_unpack(raw[: len(raw) & ~3])]
    return list(texts_of(raw, vr, using, described(tag)))


def texts_of(raw: bytes, vr: str, using: Charset, what: str) -> list[str]:
    """The values of bytes that are text, without padding. Raises NotTransformable naming ``what``."""
    if not textual(vr):
        raise NotTransformable(f"{what} is no text ({vr})")
    text, decodable = decode(raw, using if vr in TEXT else DEFAULT, vr)
    if not decodable:
        raise NotTransformable(f"the text of {what} is not in the character set that the data set names")
    if not text.rstrip(" \0"):
        return []
    trim = str.rstrip if vr in SINGLE or vr == "UC" else str.strip
    return [trim(text)] if vr in SINGLE else [trim(part) for part in text.split("\\")]


def encoded(vr: str, values: Sequence[Value], using: Charset) -> bytes:
    """The bytes of values, padded to an even length.

    Raises Unwritable: not what the VR allows, or not in the character set.
    """
    if vr in NUMBERS:
        return b"".join(_number(vr, value) for value in values)
    if vr == "AT":
        return b"".join(_tag(str(value)) for value in values)
    texts = [_text(vr, value) for value in values]
    for text in texts:
        _check(vr, text)
    try:
        raw = encode("\\".join(texts), using if vr in TEXT else DEFAULT, vr)
    except UnicodeError:
        raise Unwritable(
            "the character set of the data set cannot hold the text; change it by a step charset"
        ) from None
    return raw + (b"\0" if vr == "UI" else b" ") * (len(raw) % 2)


def _text(vr: str, value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.10g}" if vr == "DS" else str(value)
    return str(value)


def _number(vr: str, value: Value) -> bytes:
    number = meanings.number(value)
    try:
        return NUMBERS[vr].pack(number if vr in ("FL", "FD") else int(number) if number == int(number or 0) else None)
    except (error, OverflowError, TypeError, ValueError):
        raise Unwritable(f"it is no number that {vr} holds") from None


def _tag(value: str) -> bytes:
    match = _AT.fullmatch(value.strip())
    if match is None:
        raise Unwritable("it is no tag (gggg,eeee)")
    return _PAIR.pack(int(match[1], 16), int(match[2], 16))


def _check(vr: str, text: str) -> None:
    """Raises Unwritable for what the VR does not allow."""
    if not text:
        return
    if vr not in SINGLE and "\\" in text:
        raise Unwritable("a backslash separates values: give a list")
    if not _formed(vr, text):
        raise Unwritable(f"it is no {_NAMES.get(vr, vr)}")
    longest = _LONGEST.get(vr)
    if longest is not None and len(text) > longest:
        raise Unwritable(f"it has more than the {longest} characters that {vr} holds")
    if vr == "PN" and (text.count("=") > 2 or any(len(part) > _LONGEST_NAME_PART for part in text.split("="))):
        raise Unwritable(f"a name has up to three groups of at most {_LONGEST_NAME_PART} characters")
    if any(ord(letter) < 0x20 and letter not in "\r\n\f\t\x1b" for letter in text):
        raise Unwritable("it has control characters")


_NAMES: Final = {
    "AS": "age such as 045Y (AS)",
    "CS": "code: capitals, digits, blanks and _ (CS)",
    "DA": "date such as 20260131 (DA)",
    "DS": "decimal number (DS)",
    "DT": "date and time such as 20260131123000 (DT)",
    "IS": "whole number (IS)",
    "TM": "time such as 123000 (TM)",
    "UI": "UID",
}


def _formed(vr: str, text: str) -> bool:
    if vr == "DA":
        return text.isdigit() and meanings.day(text) is not None
    if vr == "TM":
        return ":" not in text and meanings.clock(text.strip()) is not None
    if vr == "DT":
        return "T" not in text and "-" not in text[:8] and ":" not in text and meanings.moment(text.strip()) is not None
    if vr == "UI":
        return valid_uid(text)
    form = _FORMS.get(vr)
    return form is None or form.fullmatch(text) is not None

"""Values of facts: numbers and text of unknown elements made JSON, and what they cost (see services.dicom.facts)."""

import math
from struct import Struct
from typing import Final

from services.dicom.charsets import Charset, decode

Value = str | int | float | None

NUMBERS: Final = {
    vr: (Struct("<" + code), Struct(">" + code))
    for vr, code in {
        "US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d",
    }.items()
}  # fmt: skip
_OTHER_BLANKS: Final = {0x00A0: " ", 0x3000: " "}
"""No-break and ideographic space, which Python does not call printable."""


def printable(raw: bytes, using: Charset) -> list[Value]:
    """The values of bytes that are text, trimmed as LO is; null if they are not. One NUL at the end is padding."""
    kept = raw[:-1] if raw.endswith(b"\0") else raw
    text, decodable = decode(kept, using, "LO")
    if not kept or b"\0" in kept or not decodable or not text.translate(_OTHER_BLANKS).isprintable():
        return [None]
    texts: list[Value] = [part.strip() for part in text.split("\\")]
    return [] if texts == [""] else texts


def unpacked(number: Struct, raw: bytes) -> list[Value]:
    """All whole numbers of this format in the bytes; null for what JSON has no number for."""
    if len(raw) == number.size:
        values = number.unpack(raw)
    else:
        values = tuple(value for (value,) in number.iter_unpack(raw[: len(raw) - len(raw) % number.size]))
    if number.format[-1] in "fd":
        return [value if math.isfinite(value) else None for value in values]
    return list(values)


def cost(key: str, values: list[Value]) -> int:
    """Bytes of an entry in JSON, near enough."""
    total = len(key) + 6
    for value in values:
        total += (len(value.encode()) if not value.isascii() else len(value)) + 3 if isinstance(value, str) else 8
    return total

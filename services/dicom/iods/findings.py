"""What the IOD check finds, as stored with an instance and as said to people."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.dicom.dictionary import keyword_of, repeating_keyword_of, stated_private_element

STANDARD: Final = "standard"
XELERIS: Final = "xeleris"
PIXEL_DATA_MISSING: Final = "pixel-data-missing"
PIXEL_DATA_SHORT: Final = "pixel-data-short"
ENCODING: Final = "encoding"
PIXEL_DATA_FAULTS: Final = (PIXEL_DATA_MISSING, PIXEL_DATA_SHORT)
MAX_STORED_BYTES: Final = 3072

RULES: Final = {
    "type-1-missing": "is missing, but must be there and have a value (type 1)",
    "type-1-empty": "is empty, but must have a value (type 1)",
    "type-1C-missing": "is missing, but its condition holds, so it must be there and have a value (type 1C)",
    "type-1C-empty": "is empty, but must have a value where it is present (type 1C)",
    "type-2-missing": "is missing, but must be there, if only empty (type 2)",
    "type-2C-missing": "is missing, but its condition holds, so it must be there, if only empty (type 2C)",
    ENCODING: "is not encoded as the transfer syntax of its presentation context says",
    "vr": "has another VR than the dictionary says",
    "length": "has a length that its VR does not allow",
    "format": "is not written as its VR demands",
    "value": "has a value that is not allowed there",
    "not-empty": "has a value, but must be empty",
    "code": "has a code that its code table does not list",
    "item-count": "has another number of items than the attribute that counts them says",
    "bits": "does not agree with the other bits of a pixel",
    PIXEL_DATA_MISSING: "is missing or empty",
    PIXEL_DATA_SHORT: "is shorter than rows, columns, frames, samples and bits say",
    "pixel-length": "is longer than rows, columns, frames, samples and bits say",
    "frame-pointer": "does not name the vectors that the Image Type demands",
    "vector-length": "does not have one value for each frame",
    "vector-value": "has a value outside the number of what it counts",
}
"""All rules by code, each as the end of a sentence about the attribute."""

_LETTERS: Final = {STANDARD: "S", XELERIS: "X"}
_CHECKS: Final = {letter: check for check, letter in _LETTERS.items()}
_SOURCES: Final = {STANDARD: "PS3.3", XELERIS: "Xeleris, table"}
_CUT: Final = "+"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an object does not keep to. It holds no values of the object.

    ``check`` is ``standard`` or ``xeleris``, ``rule`` one of RULES, ``path`` the attribute as the key of a fact
    (services.dicom.facts), ``reference`` the section of PS3.3 or the table of the Xeleris statement.
    """

    check: str
    rule: str
    path: str
    reference: str

    def __str__(self) -> str:
        """The form that is stored: four words."""
        return f"{_LETTERS[self.check]} {self.rule} {self.path} {self.reference}"


def stored(findings: Iterable[Finding]) -> list[str]:
    """The findings as stored in a receipt, at most 3 KiB of them; the last entry then counts the others: ``+12``."""
    texts = [str(finding) for finding in findings]
    size = 0
    for place, text in enumerate(texts):
        size += len(text) + 3
        if size > MAX_STORED_BYTES - 8:
            return [*texts[:place], f"{_CUT}{len(texts) - place}"]
    return texts


def pixel_data_fault(findings: Iterable[Finding]) -> str | None:
    """``pixel-data-missing`` or ``pixel-data-short`` if that was found: the object cannot be shown."""
    return next((f.rule for f in findings if f.rule in PIXEL_DATA_FAULTS), None)


def count(texts: Iterable[str]) -> int:
    """How many findings there were of those stored, with those that are not."""
    return sum(_not_stored(text) or 1 for text in texts)


def explained(text: str) -> str:
    """A stored finding as a sentence; what is not of that form comes back as it is."""
    if others := _not_stored(text):
        return f"{others} more findings are not stored."
    letter, rule, path, reference = (text.split(" ") + [""] * 4)[:4]
    if letter not in _CHECKS or rule not in RULES or text.count(" ") != 3:
        return text
    keys = path.split("/")
    names = " / ".join(_name(key) for key in keys)
    source = reference if reference.startswith("PS3") else f"{_SOURCES[_CHECKS[letter]]} {reference}"
    return f"{names} {_printed(keys[-1])} {RULES[rule]} ({source})."


def _not_stored(text: str) -> int:
    """How many others the entry stands for; 0: it is a finding itself."""
    return int(text[1:]) if text.startswith(_CUT) and text[1:].isdigit() else 0


def _name(key: str) -> str:
    group, _, rest = key.partition(":")
    if rest:
        creator, _, element = rest.rpartition(":")
        known = _private(creator, group, element)
        return known or key
    tag = _hexadecimal(key)
    return (keyword_of(tag) or repeating_keyword_of(tag) or key) if tag is not None else key


def _private(creator: str, group: str, element: str) -> str:
    group_number, element_number = _hexadecimal(group), _hexadecimal(element)
    if group_number is None or element_number is None:
        return ""
    known = stated_private_element(creator, group_number, element_number)
    return known[1] if known else ""


def _printed(key: str) -> str:
    if ":" in key:
        group, _, rest = key.partition(":")
        creator, _, element = rest.rpartition(":")
        return f"({group},xx{element}) {creator}"
    return f"({key[:4]},{key[4:]})"


def _hexadecimal(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None

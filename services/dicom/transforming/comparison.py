"""What became of a data set, element by element, for people. Holds values of the data set."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.dicom.charsets import Charset, decode
from services.dicom.elements import UNDEFINED
from services.dicom.transforming.errors import NotTransformable
from services.dicom.transforming.tree import LARGEST_VALUE, DataSet, Element, Tree, described
from services.dicom.transforming.values import NUMBERS, textual, values_of

_MOST_SHOWN: Final = 200


@dataclass(frozen=True)
class Difference:
    """``before`` and ``after`` are None where the element is not there."""

    element: str
    name: str
    vr: str
    before: str | None
    after: str | None


def shown(tree: Tree) -> dict[str, tuple[str, str, str]]:
    """Name, VR and value of every element by its path; items count from 1."""
    return dict(_shown(tree, tree.root, tree.charset_of(tree.root), ""))


def _shown(tree: Tree, data_set: DataSet, using: Charset, path: str) -> Iterator[tuple[str, tuple[str, str, str]]]:
    for tag in sorted(data_set):
        element = data_set[tag]
        place = f"{path}({tag >> 16:04X},{tag & 0xFFFF:04X})"
        yield place, (described(tag), element.vr, _value(tree, tag, element, using))
        for number, item in enumerate(element.items or (), start=1):
            yield from _shown(tree, item, tree.charset_of(item, using), f"{place}[{number}]/")


def _value(tree: Tree, tag: int, element: Element, using: Charset) -> str:
    if element.items is not None:
        return f"{len(element.items)} items" if len(element.items) != 1 else "1 item"
    if element.length == UNDEFINED and element.value is None:
        return "fragments"
    if element.value is None and element.length > LARGEST_VALUE:
        return f"{element.length} bytes"
    if textual(element.vr) or element.vr in NUMBERS or element.vr == "AT":
        return _text(tree, tag, element, using)
    raw = tree.raw(tag, element)
    return f"{len(raw)} bytes, SHA-256 {hashlib.sha256(raw).hexdigest()[:16]}…" if raw else ""


def _text(tree: Tree, tag: int, element: Element, using: Charset) -> str:
    try:
        text = "\\".join(str(value) for value in values_of(tree, tag, element, using))
    except NotTransformable:
        text = f"{decode(tree.raw(tag, element), using, element.vr)[0]} (not in its character set)"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def differences(before: dict[str, tuple[str, str, str]], after: dict[str, tuple[str, str, str]]) -> list[Difference]:
    """What differs, in the order of the elements (pure)."""
    found = []
    for element in sorted(before.keys() | after.keys()):
        old, new = before.get(element), after.get(element)
        name, vr, _ = new or old or ("", "", "")
        values = (old[2] if old else None, new[2] if new else None)
        if values[0] != values[1]:
            found.append(Difference(element, name, vr, *values))
    return found

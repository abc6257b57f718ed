"""What an instance repeats of the one before it is not read again.

The instances of a series differ in a few short values and in their pixels. Once one of them has been read and checked
in full, the next is compared with it byte by byte; if nothing differs but values that stand alone, the facts of the
others and the findings of the whole are those of the one before. What cannot be told that way is read in full: every
difference in structure, in a sequence, in a value that a rule of the IOD looks into, in what decides how others are
read. The outcome is that of reading in full, always.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, Final

from services.dicom.elements import (
    DEFLATED,
    EXPLICIT_BIG,
    IMPLICIT_LITTLE,
    ITEM,
    SHORT_VRS,
    UNDEFINED,
    Walker,
)
from services.dicom.facts import Changed, Header, resolver, with_changed
from services.dicom.iods.check import decisive, form
from services.dicom.iods.findings import Finding

_LARGEST_HEAD: Final = 32 * 1024
"""Bytes before the pixel data; every association remembers so many at most."""
_FIRST_BULK: Final = 0x7FE00000
_LAST_COMMAND_OR_META: Final = 0x0002FFFF
_IN_VAIN: Final = 4
"""Instances in a row that were not like the one before: then only every sixteenth is remembered."""
_SELDOM: Final = 16


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Bytes that must be the same, then a value that need not.

    ``length_bytes`` at the end of ``same`` are the value's length, which may differ too.
    """

    same: bytes
    length_bytes: int
    tag: int
    vr: str
    value: bytes
    form: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Remembered:
    """One instance: its head in stretches, what follows the last of them, and the bytes of its pixel data."""

    transfer_syntax: str
    stretches: tuple[_Stretch, ...]
    rest: bytes
    pixels: int
    head: int
    header: Header
    findings: tuple[Finding, ...]


class Predecessor:
    """The last instance of an association that was read in full. One thread uses it."""

    def __init__(self) -> None:
        self._before: _Remembered | None = None
        self._in_vain = 0

    def successor(
        self, source: BinaryIO, offset: int, size: int, transfer_syntax: str
    ) -> tuple[Header, tuple[Finding, ...]] | None:
        """Header and findings of a data set that is like the one before; None if it has to be read in full."""
        before = self._before
        if before is None or before.transfer_syntax != transfer_syntax:
            return None
        source.seek(offset)
        head = source.read(min(size, before.head + _LARGEST_HEAD // 8))
        changed = _changed(before, head, size)
        header = None if changed is None else with_changed(before.header, changed)
        if header is None:
            return None
        self._in_vain = 0
        return header, before.findings

    def remember(
        self,
        source: BinaryIO,
        offset: int,
        size: int,
        transfer_syntax: str,
        header: Header,
        findings: tuple[Finding, ...],
    ) -> None:
        """Keep a data set that was read in full, unless the last ones were kept in vain."""
        self._in_vain += 1
        if self._in_vain > _IN_VAIN and self._in_vain % _SELDOM:
            self._before = None
        else:
            self._before = _remembered(source, offset, size, transfer_syntax, header, findings)


def _changed(before: _Remembered, head: bytes, size: int) -> list[Changed] | None:
    """The elements that differ from those before; None if they may mean more than themselves."""
    changed: list[Changed] = []
    position = 0
    for stretch in before.stretches:
        start = position + len(stretch.same)
        length = len(stretch.value)
        same = head[position:start]
        if same != stretch.same:
            cut = len(stretch.same) - stretch.length_bytes
            if not stretch.length_bytes or len(same) < len(stretch.same) or same[:cut] != stretch.same[:cut]:
                return None
            length = int.from_bytes(same[cut:], "little")
        position = start + length
        value = head[start:position]
        if value != stretch.value:
            if len(value) != length or form(stretch.tag, stretch.vr, value) != stretch.form:
                return None
            changed.append((stretch.tag, stretch.vr, value))
    end = position + len(before.rest)
    return changed if head[position:end] == before.rest and end + before.pixels == size else None


def _remembered(
    source: BinaryIO, offset: int, size: int, transfer_syntax: str, header: Header, findings: tuple[Finding, ...]
) -> _Remembered | None:
    """A data set in stretches; None for one that others cannot be compared with."""
    if transfer_syntax in (DEFLATED, EXPLICIT_BIG) or header.facts["cut"] or header.facts["undecodable"]:
        return None
    walker = Walker(source, offset, size, transfer_syntax, resolver(header))
    elements = [found[:4] for found in walker if not found[4] and found[0] != ITEM]
    tags = [tag for tag, *_ in elements]
    pixels = 0
    if elements and tags[-1] >= _FIRST_BULK:
        pixels = elements[-1][3]
    head = size - pixels
    if walker.misencoded is not None or pixels == UNDEFINED or head > _LARGEST_HEAD or tags != sorted(set(tags)):
        return None
    source.seek(offset)
    data = source.read(head)
    stretches, end = _stretches(data, elements, header.sop_class_uid, implicit=transfer_syntax == IMPLICIT_LITTLE)
    return _Remembered(transfer_syntax, stretches, data[end:], pixels, head, header, findings)


def _stretches(
    data: bytes, elements: Iterable[tuple[int, str, int, int]], sop_class_uid: str, *, implicit: bool
) -> tuple[tuple[_Stretch, ...], int]:
    """The stretches and where the last of them ends."""
    stretches, end = [], 0
    fixed = decisive(sop_class_uid)
    for tag, vr, position, length in elements:
        if vr in ("SQ", "UN") or tag >= _FIRST_BULK or not _stands_alone(tag) or fixed(tag):
            continue
        value = data[position : position + length]
        length_bytes = 4 if implicit else 2 if vr in SHORT_VRS else 0
        stretches.append(_Stretch(data[end:position], length_bytes, tag, vr, value, form(tag, vr, value)))
        end = position + length
    return tuple(stretches), end


def _stands_alone(tag: int) -> bool:
    """No group length, and no private creator, which names the elements of its block."""
    if tag <= _LAST_COMMAND_OR_META or not tag & 0xFFFF:
        return False
    return not tag & 0x10000 or tag & 0xFFFF >= 0x1000

"""The IOD check (R93): one pass over a data set, each item judged and forgotten as it ends."""

from collections.abc import Callable
from functools import lru_cache
from typing import BinaryIO, Final

from services.dicom.charsets import clean
from services.dicom.dictionary import implicit_vr, standard_vrs, stated_private_element
from services.dicom.elements import DEFLATED, ITEM, UNDEFINED, UnparsableDataSet, Walker
from services.dicom.iods.attributes import check_code, check_counts, check_level
from services.dicom.iods.data_sets import MAX_ELEMENTS, UNITS, DataSet, Element, name_of
from services.dicom.iods.definitions import Definition, Key, standard, xeleris
from services.dicom.iods.findings import ENCODING, PIXEL_DATA_FAULTS, STANDARD, XELERIS, Finding
from services.dicom.iods.images import LOOKED_AT, PIXEL_DATA, check_frames, check_pixels
from services.dicom.iods.origin import WANTED, made_by_xeleris

MAX_FINDINGS: Final = 200
_MAX_VALUE_BYTES: Final = 64
_MAX_WANTED_BYTES: Final = 1024
_MAX_VECTOR_BYTES: Final = 128 * 1024
_LAST_COMMAND_OR_META: Final = 0x0002FFFF
_CHARACTER_SET: Final = 0x00080005
_SOP_CLASS_UID: Final = 0x00080016
_PIXEL_REPRESENTATION: Final = 0x00280103
_BULK: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN", "SQ"})
_STRICT: Final = frozenset({*UNITS, "UI", "DA", "TM", "IS", "DS", "CS", "AS"})


def check(source: BinaryIO, offset: int, size: int, transfer_syntax: str, sop_class_uid: str) -> tuple[Finding, ...]:
    """What an object does not keep to, of PS3.3 and, if a Xeleris made it, of that product's own tables (R149 to R157).

    ``source`` holds the data set of ``size`` bytes at ``offset``. No findings for SOP classes without tables and for
    data sets that cannot be followed to their end, which services.dicom.facts.read_header refuses. It raises nothing
    that reading ``source`` does not raise.
    """
    definition = standard(sop_class_uid)
    if definition is None:
        return ()
    collector = _Collector(definition, xeleris(sop_class_uid), transfer_syntax)
    try:
        return collector.findings(Walker(source, offset, size, transfer_syntax, collector.resolve))
    except UnparsableDataSet:
        return ()


@lru_cache(maxsize=256)
def decisive(sop_class_uid: str) -> Callable[[int], bool]:
    """Whether findings depend on more of an element of the main data set than its ``form``, by tag."""
    definition, own = standard(sop_class_uid), xeleris(sop_class_uid)
    wanted = {_CHARACTER_SET, _SOP_CLASS_UID, _PIXEL_REPRESENTATION, *WANTED, *LOOKED_AT}
    for each in (definition, own):
        wanted |= each.wanted if each is not None else frozenset()
    private = own is not None
    return lambda tag: tag in wanted or 0x50000000 <= tag < 0x50200000 or (private and bool(tag & 0x10000))


def form(tag: int, vr: str, value: bytes) -> tuple[bool, bool, int]:
    """What the check sees of a value in little endian that is not ``decisive``: where forms are equal, findings are."""
    element = Element(vr, len(value), value[:_MAX_VALUE_BYTES] if vr not in _BULK else b"", big=False)
    return element.empty, bool(tag & 0x10000) or element.well_formed(), len(value) % UNITS.get(vr, 1)


class _Collector:
    """Takes elements from a walk, keeps the data sets that are open, and judges each when it ends."""

    def __init__(self, definition: Definition, own: Definition | None, transfer_syntax: str) -> None:
        self._definition, self._own = definition, own
        self._transfer_syntax = transfer_syntax
        self._wanted = definition.wanted | WANTED | (own.wanted if own else frozenset())
        self._main = DataSet("", (definition.level, own.level if own else None))
        self._open = [self._main]
        self._found: dict[Finding, None] = {}
        self._signed = False
        frames = definition.frames
        self._counted = {path for path in frames.counts.values() if len(path) == 2} if frames else set()

    def resolve(self, tag: int, depth: int) -> str:
        """VR of a tag that the data set gives none for."""
        self._close(depth)
        return implicit_vr(tag, self._open[depth].creators, signed=self._signed)

    def findings(self, walker: Walker) -> tuple[Finding, ...]:
        """Walk to the end of the data set and judge it."""
        for tag, vr, position, length, depth in walker:
            if tag == ITEM:
                self._close(depth - 1)
                self._enter(self._open[depth - 1])
                continue
            self._close(depth)
            here = self._open[depth]
            here.sequence = 0
            if tag & 0xFFFF and tag > _LAST_COMMAND_OR_META:
                self._take(walker, here, tag, vr, position, length)
        self._close(0)
        if self._transfer_syntax == DEFLATED and PIXEL_DATA not in self._main.elements and self._definition.pixels:
            return ()  # only the first part of a deflated data set is looked at
        self._judge(self._main)
        check_counts(self._main, self._standard)
        if self._definition.pixels:
            check_pixels(self._definition, self._main, self._transfer_syntax, self._standard)
        if self._definition.frames is not None:
            check_frames(self._definition.frames, self._main, self._standard)
        if walker.misencoded is not None:  # stands for the whole data set, so it comes first and is never cut off
            finding = Finding(STANDARD, ENCODING, name_of(walker.misencoded), "PS3.5:7.1")
            self._found = {finding: None, **self._found}
        stated = self._own is not None and made_by_xeleris(self._main)
        return tuple(finding for finding in self._found if stated or finding.check == STANDARD)

    def _close(self, depth: int) -> None:
        """End the items that are deeper."""
        while len(self._open) - 1 > depth:
            item = self._open.pop()
            self._judge(item)
            parent = self._open[-1]
            if len(self._open) == 1:
                self._count(parent, item)
            for level, report in zip(parent.levels, (self._standard, self._xeleris), strict=True):
                rule = level.rules.get(parent.sequence) if level is not None else None
                if rule is not None and rule.codes is not None:
                    check_code(rule, item, item.path[:-1], report)

    def _enter(self, parent: DataSet) -> None:
        key = parent.sequence
        sequence = parent.elements.get(key)
        if sequence is not None:
            sequence.items += 1
        rules = [level.rules.get(key) if level is not None else None for level in parent.levels]
        levels = tuple(rule.items if rule is not None else None for rule in rules)
        self._open.append(DataSet(f"{parent.path}{name_of(key)}/", levels))

    def _take(self, walker: Walker, here: DataSet, tag: int, vr: str, position: int, length: int) -> None:
        key: Key = tag
        if tag & 0x10000:
            key = self._private(walker, here, tag, vr, position, length)
        else:
            if 0x50000000 <= tag < 0x50200000:
                key = tag & 0xFF00FFFF  # the first curve stands for all
            vrs = standard_vrs(tag)
            if vr not in vrs and vr != "UN" and vrs:
                self._standard("vr", here.path + name_of(tag), "PS3.6")
        if vr == "UN":
            vr = implicit_vr(tag, here.creators, signed=self._signed)
            vr = vr if vr != "SQ" else "UN"
        if vr == "SQ":
            here.sequence = key
        if key in here.elements or (len(here.elements) >= MAX_ELEMENTS and key not in self._wanted):
            return
        element = here.elements[key] = Element(vr, length, b"", big=walker.big_endian)
        if length and length != UNDEFINED and vr not in _BULK:
            element.raw = walker.value(position, min(length, self._longest(here, key)))
        if tag == _PIXEL_REPRESENTATION and here is self._main:
            self._signed = element.integer() == 1
        if vr in _STRICT and length:
            self._check_form(here, tag, element)

    def _longest(self, here: DataSet, key: Key) -> int:
        """How much of a value is kept, in bytes."""
        if key not in self._wanted:
            return _MAX_VALUE_BYTES
        return _MAX_VECTOR_BYTES if here is self._main else _MAX_WANTED_BYTES

    def _private(self, walker: Walker, here: DataSet, tag: int, vr: str, position: int, length: int) -> Key:
        """The key of a private element; its VR is checked where the tables of the Xeleris say one."""
        number = tag & 0xFFFF
        if number < 0x1000:
            if 0x10 <= number <= 0xFF and length != UNDEFINED:
                creator = walker.value(position, min(length, 64)).decode("latin_1")
                here.creators[tag >> 16 << 8 | number] = clean(creator).strip()
            return tag
        creator = here.creators.get(tag >> 8, "")
        stated = stated_private_element(creator, tag >> 16, tag & 0xFF) if creator else None
        if stated is None:
            return tag
        key = f"{tag >> 16:04X}:{creator}:{tag & 0xFF:02X}"
        if vr not in (stated[0], "UN"):
            self._xeleris("vr", here.path + key, "dictionary")
        return key

    def _check_form(self, here: DataSet, tag: int, element: Element) -> None:
        if tag & 0x10000:
            return
        unit = UNITS.get(element.vr)
        if unit is not None:
            if element.length % unit:
                self._standard("length", here.path + name_of(tag), "PS3.5:6.2")
        elif not element.well_formed():
            self._standard("format", here.path + name_of(tag), "PS3.5:6.2")

    def _count(self, parent: DataSet, item: DataSet) -> None:
        for sequence, key in self._counted:
            number = item.integer(key) if parent.sequence == sequence else None
            if number is not None:
                parent.largest[sequence, key] = max(number, parent.largest.get((sequence, key), 0))

    def _judge(self, here: DataSet) -> None:
        for level, report in zip(here.levels, (self._standard, self._xeleris), strict=True):
            if level is not None:
                check_level(level, here, self._main, report)

    def _standard(self, rule: str, path: str, reference: str) -> None:
        self._report(STANDARD, rule, path, reference)

    def _xeleris(self, rule: str, path: str, reference: str) -> None:
        self._report(XELERIS, rule, path, reference)

    def _report(self, name: str, rule: str, path: str, reference: str) -> None:
        if len(self._found) < MAX_FINDINGS or rule in PIXEL_DATA_FAULTS:  # those refuse the object, so none is lost
            self._found[Finding(name, rule, path, reference)] = None

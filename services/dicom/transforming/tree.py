"""A data set as a tree that can be changed, its values left in the file they are in until somebody asks for them.

Memory grows with the number of elements, not with their values; pixel data is copied from file to file when the tree is
written. What nobody changed keeps its bytes. As in ``services.dicom.transcoding`` sequences and items get undefined
lengths and group lengths are left out.
"""

from collections.abc import Iterator
from typing import BinaryIO, Final

from services.dicom.charsets import DEFAULT, Charset, charset
from services.dicom.contexts import IMPLICIT_LITTLE_ENDIAN
from services.dicom.dictionary import keyword_of
from services.dicom.elements import ITEM, UNDEFINED, UnparsableDataSet, Walker
from services.dicom.transcoding_elements import (
    ITEM_BEGIN,
    ITEM_END,
    SEQUENCE_END,
    Copier,
    Vrs,
    pixel_representation,
)
from services.dicom.transforming.errors import NotTransformable

MOST_ELEMENTS: Final = 1_000_000
LARGEST_VALUE: Final = 4 << 20
"""Bytes of a value that a step may look at."""
CHARACTER_SET: Final = 0x00080005
_LONG_VRS: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SV", "UC", "UN", "UR", "UT", "UV"})


class Element:
    """``value`` is None while the value is the ``length`` bytes at ``position``; a sequence has ``items``."""

    __slots__ = ("items", "length", "position", "value", "vr")

    def __init__(self, vr: str, position: int = 0, length: int = 0, value: bytes | None = None) -> None:
        self.vr, self.position, self.length, self.value = vr, position, length, value
        self.items: list[DataSet] | None = [] if vr == "SQ" else None


DataSet = dict[int, Element]
"""Elements by tag."""


class Tree:
    """One data set of ``size`` bytes at ``offset`` of ``source``, in little endian or encapsulated, not deflated.

    Raises NotTransformable when it cannot be followed, has too many elements, or one twice in the same data set.
    """

    def __init__(self, source: BinaryIO, offset: int, size: int, transfer_syntax: str) -> None:
        self.source, self.offset = source, offset
        self.transfer_syntax = transfer_syntax
        self.root: DataSet = {}
        try:
            self._read(size)
        except UnparsableDataSet as error:
            raise NotTransformable(f"the data set cannot be followed: {error}") from error

    @property
    def implicit(self) -> bool:
        """Whether VRs are not written."""
        return self.transfer_syntax == IMPLICIT_LITTLE_ENDIAN

    def _read(self, size: int) -> None:
        syntax = self.transfer_syntax
        signed = self.implicit and pixel_representation(self.source, self.offset, size, syntax)
        vrs = Vrs(signed=signed)
        walker = Walker(self.source, self.offset, size, syntax, vrs.resolve)
        levels: list[DataSet] = [self.root]
        sequences: list[Element | None] = [None]
        for number, (tag, vr, position, length, depth) in enumerate(walker):
            if number >= MOST_ELEMENTS:
                raise NotTransformable(f"the data set has more than {MOST_ELEMENTS} elements")
            if tag == ITEM:
                vrs.item(depth)
                item: DataSet = {}
                levels[depth:], sequences[depth:] = [item], [None]
                enclosing = sequences[depth - 1]
                if enclosing is not None and enclosing.items is not None:
                    enclosing.items.append(item)
                continue
            vrs.seen(walker, tag, position, length, depth)
            if not tag & 0xFFFF:
                continue
            if tag in levels[depth]:
                raise NotTransformable(f"{described(tag)} occurs twice")
            sequences[depth] = levels[depth][tag] = Element(vr, position, length)

    def raw(self, tag: int, element: Element) -> bytes:
        """The bytes of a value. Raises NotTransformable for fragments, sequences, and what is too large to look at."""
        if element.value is not None:
            return element.value
        if element.length == UNDEFINED or element.items is not None or element.length > LARGEST_VALUE:
            raise NotTransformable(f"{described(tag)} is too large to be looked at, or no text")
        self.source.seek(self.offset + element.position)
        data = self.source.read(element.length)
        if len(data) != element.length:
            raise NotTransformable("the object ends early")
        return data

    def charset_of(self, data_set: DataSet, enclosing: Charset = DEFAULT) -> Charset:
        """The character set of a data set: its own, else that of what encloses it (PS3.3 C.12.1.1.2)."""
        element = data_set.get(CHARACTER_SET)
        if element is None:
            return enclosing
        raw = self.raw(CHARACTER_SET, element).decode("latin_1")
        return charset(tuple(term.strip("\0 ") for term in raw.split("\\")) if raw.strip("\0 ") else ())

    def levels(self) -> Iterator[tuple[DataSet, Charset]]:
        """Every data set, an enclosing one before those within it."""
        open_ = [(self.root, self.charset_of(self.root))]
        while open_:
            data_set, using = open_.pop()
            yield data_set, using
            for element in list(data_set.values()):
                open_ += [(item, self.charset_of(item, using)) for item in element.items or ()]

    def write(self, target: BinaryIO, largest: int) -> None:
        """Write it in its transfer syntax, at most ``largest`` bytes. Raises NotConvertible if it has more."""
        _TreeWriter(target, self.source, self.offset, implicit=self.implicit, largest=largest).data_set(self.root)


class _TreeWriter(Copier):
    """Writes a tree; values that nobody changed are copied."""

    def data_set(self, data_set: DataSet) -> None:
        """The elements in the order of their tags."""
        for tag in sorted(data_set):
            element = data_set[tag]
            if element.items:
                self._begin(0, self._header(tag, "SQ", UNDEFINED), SEQUENCE_END)
                for item in element.items:
                    self._begin(0, ITEM_BEGIN, ITEM_END)
                    self.data_set(item)
                    self._end()
                self._end()
            elif element.items is not None:
                self._target.write(self._header(tag, "SQ", 0))
            elif element.value is not None:
                self._changed(tag, element.vr, element.value)
            elif element.length == UNDEFINED:
                self._fragments(tag, element.vr, element.position)
            else:
                self._stored(tag, element)

    def _changed(self, tag: int, vr: str, value: bytes) -> None:
        self._target.write(self._header(tag, vr if vr in _LONG_VRS or len(value) <= 0xFFFF else "UN", len(value)))
        self._target.write(value)

    def _stored(self, tag: int, element: Element) -> None:
        vr = element.vr if element.vr in _LONG_VRS or element.length <= 0xFFFF else "UN"
        self._target.write(self._header(tag, vr, element.length))
        self._check_room(element.length)
        self._source.seek(self._offset + element.position)
        self._copy(element.length)


def described(tag: int) -> str:
    """What people call an element: its keyword, else its number."""
    return keyword_of(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"

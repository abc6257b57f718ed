"""What a station gets of a level 1 object that has the option (R92): less than was received, the original stays.

Of the level 1 classes (NM, stand-alone curve, SC, multi-frame SC) the statement keeps all type 1 and 2 elements, chosen
type 3 ones and the private elements of its dictionary; schemas/dicom/level_1_elements.json names them by module table.
The same is kept inside the sequences that are kept. Sequences and items get undefined lengths, group lengths are left
out (services.dicom.transcoding).
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Final, Optional, cast

from services.dicom.contexts import DEFLATED_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, IMPLICIT_LITTLE_ENDIAN, UNCOMPRESSED
from services.dicom.dictionary import in_private_dictionary
from services.dicom.elements import ITEM, MAX_DEPTH, Element, UnparsableDataSet, Walker
from services.dicom.transcoding_elements import Copier, Vrs, pixel_representation
from services.dicom.transcoding_errors import NotConvertible

_IN_MEMORY: Final = 1 << 20

Table = Mapping[str, Optional["Table"]]
"""What is kept of a data set: tags in hexadecimal (x: any digit), with what the items keep; None: all of them."""


def reducible(sop_class_uid: str) -> bool:
    """Whether it is a level 1 class."""
    return sop_class_uid in level_1_tables()


@contextmanager
def reduced(
    source: BinaryIO,
    offset: int,
    size: int,
    transfer_syntax: str,
    wanted: str,
    sop_class_uid: str,
    *,
    folder: Path,
    largest: int,
) -> Iterator[tuple[BinaryIO, int]]:
    """The data set of ``size`` bytes at ``offset`` with the kept elements alone: a file to read from 0, and its size.

    ``wanted`` is ``transfer_syntax``, or Explicit or Implicit VR Little Endian. Up to 1 MiB is kept in memory, more in
    a nameless file in ``folder``.

    Raises:
        NotConvertible: big endian and deflated data sets, compressed ones in another syntax, what cannot be followed.
        OSError: of the source or the folder.
    """
    native = transfer_syntax in UNCOMPRESSED and wanted in UNCOMPRESSED
    if not native and (wanted != transfer_syntax or wanted in (EXPLICIT_BIG_ENDIAN, DEFLATED_LITTLE_ENDIAN)):
        raise NotConvertible(f"an object in transfer syntax {transfer_syntax} is not reduced for {wanted}")
    with SpooledTemporaryFile(_IN_MEMORY, mode="w+b", dir=str(folder)) as spool:
        target = cast("BinaryIO", spool)
        try:
            implicit = transfer_syntax == IMPLICIT_LITTLE_ENDIAN
            vrs = Vrs(signed=implicit and pixel_representation(source, offset, size, transfer_syntax))
            walker = _KeptElements(source, offset, size, transfer_syntax, vrs, level_1_tables()[sop_class_uid])
            writer = Copier(target, source, offset, implicit=wanted == IMPLICIT_LITTLE_ENDIAN, largest=largest)
            writer.write(walker, vrs, None)
        except UnparsableDataSet as error:
            raise NotConvertible(f"the data set cannot be followed: {error}") from error
        length = target.seek(0, 2)
        if not length:
            raise NotConvertible("no elements are left")
        yield target, length


class _KeptElements(Walker):
    """Hands out the kept elements only."""

    def __init__(self, source: BinaryIO, offset: int, size: int, transfer_syntax: str, vrs: Vrs, table: Table) -> None:
        super().__init__(source, offset, size, transfer_syntax, vrs.resolve)
        self._vrs = vrs
        self._tables: list[Table | None] = [table]
        """By depth."""
        self._creators: list[dict[int, str]] = [{}]
        """By depth: private creators by group and block."""

    def __iter__(self) -> Iterator[Element]:
        """As the walker; what stands in a sequence that is left out is left out."""
        left_out = MAX_DEPTH + 1
        for element in super().__iter__():
            tag, _, position, length, depth = element
            if depth > left_out:
                if tag == ITEM:
                    self._vrs.item(depth)  # for VRs within it, which tell where it ends
                continue
            left_out = MAX_DEPTH + 1
            if tag == ITEM:
                self._creators[depth:] = [{}]
            elif tag & 0x10000:
                self._tables[depth + 1 :] = [None]
                if not self._keeps_private(tag, position, length, depth):
                    left_out = depth
                    continue
            elif (kept := self._found(tag, depth)) is not None:
                self._tables[depth + 1 :] = [kept or None]
            else:
                left_out = depth
                continue
            yield element

    def _found(self, tag: int, depth: int) -> Table | None:
        """What the items of a standard element keep, empty for all; None when the element is left out."""
        table = self._tables[depth]
        if table is None:
            return {}
        name = f"{tag:08X}"
        for known in (name, f"{name[:2]}xx{name[4:]}"):
            if known in table:
                return table[known] or {}
        return None

    def _keeps_private(self, tag: int, position: int, length: int, depth: int) -> bool:
        group, element = tag >> 16, tag & 0xFFFF
        if 0x10 <= element <= 0xFF:
            creator = self.value(position, length).decode("latin_1").strip("\0 ") if length <= 64 else ""
            self._creators[depth][group << 8 | element] = creator
            return in_private_dictionary(creator, group)
        creator = self._creators[depth].get(group << 8 | element >> 8, "")
        return element >= 0x1000 and in_private_dictionary(creator, group, element & 0xFF)


@cache
def level_1_tables() -> dict[str, Table]:
    """What is kept of each level 1 class."""
    text = files("schemas.dicom").joinpath("level_1_elements.json").read_text(encoding="utf-8")
    document = json.loads(text)
    merged: dict[str, Table] = {}
    for sop_class_uid, names in document["classes"].items():
        whole: dict[str, Table | None] = {}
        for name in names:
            for tag, items in document["tables"][name].items():
                whole[tag] = {**(whole.get(tag) or {}), **items}
        merged[sop_class_uid] = whole
    return merged

"""In which transfer syntax an instance goes to a peer, and its conversion when the peer accepts no other.

What is stored goes out untouched wherever the received transfer syntax is accepted (P4). Else the data set is written
again in Explicit or Implicit VR Little Endian: element by element as the walk finds it, values and their order kept,
private elements included. What cannot stay as it is:

* Sequences and items get undefined lengths with delimiters, so that no length has to be known ahead (PS3.5 7.5).
* Group lengths are left out: they are retired and would be wrong (PS3.5 7.2).
* Implicit to explicit: VRs come from the dictionaries, UN where nobody knows them or where a value does not fit the
  16 bit length of its VR (PS3.5 6.2.2).
* Big endian: the numbers are swapped as their VR says; UN values stay as they are.
* Compressed pixel data is decompressed, if the codecs are installed (services.dicom.transcoding_pixels).
"""

import tempfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from services.dicom import transcoding_pixels
from services.dicom.contexts import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    UNCOMPRESSED,
)
from services.dicom.elements import UnparsableDataSet, Walker
from services.dicom.transcoding_elements import Vrs, Writer, pixel_representation
from services.dicom.transcoding_errors import NotConvertible

__all__ = ["NotConvertible", "choose", "converted", "ways"]

_NATIVE: Final = frozenset((*UNCOMPRESSED, EXPLICIT_BIG_ENDIAN, DEFLATED_LITTLE_ENDIAN))
_CHUNK: Final = 1 << 20
_SPOOL_IN_MEMORY: Final = 1 << 20


def ways(received: str) -> tuple[str, ...]:
    """The transfer syntaxes in which we can send what was received in ``received``, the best first."""
    if received in _NATIVE or transcoding_pixels.readable(received):
        return (received, *(syntax for syntax in UNCOMPRESSED if syntax != received))
    return (received,)


def choose(received: str, accepted: Collection[str]) -> str | None:
    """The transfer syntax to send in: the received one, else explicit, else implicit little endian; None: no way (pure
    but for the codecs that are installed)."""
    return next((syntax for syntax in ways(received) if syntax in accepted), None)


def why_not(received: str) -> str:
    """Words for a person when ``choose`` found no way."""
    if received in _NATIVE:
        return f"the destination accepts neither {received} nor explicit or implicit VR little endian"
    missing = transcoding_pixels.missing(received)
    hint = f" ({missing})" if missing else ""
    return f"the destination accepts nothing that {received} can be sent in{hint}"


@contextmanager
def converted(
    source: BinaryIO, offset: int, size: int, transfer_syntax: str, wanted: str, *, folder: Path, largest: int
) -> Iterator[tuple[BinaryIO, int]]:
    """The data set of ``size`` bytes at ``offset`` in another transfer syntax: a file to read from 0, and its size.

    ``wanted`` is Explicit or Implicit VR Little Endian. Up to 1 MiB is kept in memory, more in a nameless file in
    ``folder``, of at most ``largest`` bytes; both are gone when the context ends.

    Raises:
        NotConvertible: the data set cannot be followed, does not decode, or becomes too large. No values of it.
        Unavailable: the process that decompresses cannot be had now.
        OSError: of the source or the folder.
    """
    if wanted not in UNCOMPRESSED:
        raise NotConvertible(f"nothing is converted to transfer syntax {wanted}")
    with _spool(folder) as target:
        try:
            if transfer_syntax == DEFLATED_LITTLE_ENDIAN:
                _from_deflated(source, offset, size, target, wanted, folder, largest)
            else:
                _convert(source, offset, size, transfer_syntax, target, wanted, folder, largest)
        except UnparsableDataSet as error:
            raise NotConvertible(f"the data set cannot be followed: {error}") from error
        length = target.seek(0, 2)
        if not length:
            raise NotConvertible("no elements are left")
        yield target, length


def _spool(folder: Path) -> BinaryIO:
    return tempfile.SpooledTemporaryFile(_SPOOL_IN_MEMORY, mode="w+b", dir=str(folder))  # type: ignore[return-value]


def _convert(
    source: BinaryIO, offset: int, size: int, transfer_syntax: str, target: BinaryIO, wanted: str, folder: Path,
    largest: int,
) -> None:  # fmt: skip
    implicit = transfer_syntax == IMPLICIT_LITTLE_ENDIAN
    vrs = Vrs(signed=pixel_representation(source, offset, size, transfer_syntax) if implicit else False)
    walker = Walker(source, offset, size, transfer_syntax, vrs.resolve)
    writer = Writer(target, source, offset, implicit=wanted == IMPLICIT_LITTLE_ENDIAN, largest=largest)
    if transfer_syntax in _NATIVE:
        writer.write(walker, vrs, None)
        return
    with transcoding_pixels.decoded(source, offset, size, transfer_syntax, folder) as pixels:
        writer.write(walker, vrs, pixels)


def _from_deflated(
    source: BinaryIO, offset: int, size: int, target: BinaryIO, wanted: str, folder: Path, largest: int
) -> None:
    """What is inside is Explicit VR Little Endian as it stands (PS3.5 A.5)."""
    if wanted == EXPLICIT_LITTLE_ENDIAN:
        _inflate(source, offset, size, target, largest)
        inflated = target.tell()
        for _ in Walker(target, 0, inflated, EXPLICIT_LITTLE_ENDIAN, Vrs().resolve):
            continue
        return
    with _spool(folder) as plain:
        _inflate(source, offset, size, plain, largest)
        _convert(plain, 0, plain.tell(), EXPLICIT_LITTLE_ENDIAN, target, wanted, folder, largest)


def _inflate(source: BinaryIO, offset: int, size: int, target: BinaryIO, largest: int) -> None:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    source.seek(offset)
    left = size
    try:
        while not inflate.eof:
            data = inflate.unconsumed_tail
            if not data:
                data = source.read(min(_CHUNK, left))
                left -= len(data)
            if not data:
                raise NotConvertible("the deflated data set ends early")
            target.write(inflate.decompress(data, _CHUNK))
            if target.tell() > largest:
                raise NotConvertible(f"inflated, the data set has more than {largest} bytes")
    except zlib.error as error:
        raise NotConvertible("the data set is not deflated") from error

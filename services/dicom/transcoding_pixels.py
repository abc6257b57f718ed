"""Decompressing pixel data frame by frame, with the codecs of the optional extra ``dicom-gateway[codecs]``.

What they are is asked of pydicom.pixels with the first compressed object, so that nobody pays who needs none; they
decode in a process of their own (services.dicom.decoding).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO, Final

from services.dicom import gdcm_codec
from services.dicom.decoding import PROCESSES, Frames, open_file
from services.dicom.decoding_process import LARGEST_FRAME
from services.dicom.dictionary import standard_vr
from services.dicom.elements import UNDEFINED, Walker
from services.dicom.transcoding_errors import NotConvertible

JPEG_EXTENDED: Final = "1.2.840.10008.1.2.4.51"
_ROWS, _COLUMNS, _SAMPLES, _FRAMES = 0x00280010, 0x00280011, 0x00280002, 0x00280008
_PHOTOMETRIC, _PLANAR, _ALLOCATED, _STORED, _SIGNED = 0x00280004, 0x00280006, 0x00280100, 0x00280101, 0x00280103
_PIXEL_DATA: Final = 0x7FE00010
_NUMBER: Final = Struct("<H")
_NUMBERS: Final = {
    _SAMPLES: "samples_per_pixel",
    _PLANAR: "planar_configuration",
    _ROWS: "rows",
    _COLUMNS: "columns",
    _ALLOCATED: "bits_allocated",
    _STORED: "bits_stored",
    _SIGNED: "pixel_representation",
}

CODECS: Final = "GATEWAY_EXTRAS=codecs deploy/local/up"
"""What installs the codecs, as an operator types it."""


def readable(transfer_syntax: str) -> bool:
    """Whether pixel data in that compressed transfer syntax can be decompressed here."""
    decoder = _decoder(transfer_syntax)
    return decoder is not None and (bool(decoder.is_available) or gdcm_codec.decompresses(transfer_syntax))


def missing(transfer_syntax: str) -> str:
    """What to install, if that would help; else empty."""
    if _decoder(transfer_syntax) is None or readable(transfer_syntax):
        return ""
    return f"install the codecs to have it decompressed ({CODECS}, or dicom-gateway[codecs])"


@cache
def _decoder(transfer_syntax: str) -> Any:
    """pydicom's decoder; None where it has none (video, referenced pixel data, unknown syntaxes)."""
    from pydicom.pixels.decoders.base import get_decoder

    try:
        return get_decoder(transfer_syntax)
    except NotImplementedError:
        return None


class DecodedPixels:
    """The frames of one instance. ``changed`` and ``vr`` as services.dicom.transcoding_elements.Pixels wants them."""

    def __init__(self, frames: Frames, number: int) -> None:
        self._frames, self._number = frames, number
        properties = frames.properties
        photometric = _photometric(properties, frames.size).encode()
        self.changed = {_PHOTOMETRIC: photometric + b" " * (len(photometric) % 2)}
        for tag in (_PLANAR, _ALLOCATED):
            value = properties.get(_NUMBERS[tag])
            if value is not None:
                self.changed[tag] = _NUMBER.pack(value)
        self.vr = "OB" if properties["bits_allocated"] <= 8 else "OW"

    def write(self, target: BinaryIO, largest: int) -> int:
        """Write all frames, padded to an even length; the number of bytes."""
        size, frames = self._frames.write(target, largest)
        if frames != self._number:
            raise NotConvertible(f"{frames} frames of {self._number} are there")
        return size + target.write(b"\0" * (size % 2))


def _photometric(properties: dict[str, Any], frame_bytes: int) -> str:
    """Of the decompressed frame: decoders give every pixel its own colours back (PS3.3 C.7.6.3.1.2)."""
    photometric = str(properties["photometric_interpretation"])
    samples = frame_bytes * 8 // (properties["rows"] * properties["columns"] * properties["bits_allocated"])
    return "YBR_FULL" if photometric == "YBR_FULL_422" and samples == 3 else photometric


@contextmanager
def decoded(
    source: BinaryIO, offset: int, size: int, transfer_syntax: str, folder: Path
) -> Iterator[DecodedPixels | None]:
    """The decompressed pixel data of a data set; None if it has none. A source that is no file is copied to ``folder``.

    Raises NotConvertible, UnparsableDataSet for a data set that cannot be followed, and Unavailable where the process
    that decompresses cannot be had.
    """
    if not readable(transfer_syntax):
        raise NotConvertible(f"{transfer_syntax} cannot be decompressed here: {missing(transfer_syntax) or 'no codec'}")
    found = _described(source, offset, size, transfer_syntax)
    if found is None:
        yield None
        return
    position, options = found
    frame_bytes = _check(options)
    _check_supported(transfer_syntax, options)
    with (
        PROCESSES.lent() as process,
        open_file(source, offset + position, offset + size, folder) as (descriptor, place),
    ):
        frames = Frames(process, descriptor, place, transfer_syntax, frame_bytes, options)
        yield DecodedPixels(frames, options["number_of_frames"])


def _described(source: BinaryIO, offset: int, size: int, transfer_syntax: str) -> tuple[int, dict[str, Any]] | None:
    """Where the pixel data begins in the data set, and what decoding needs to know; None if there is none."""
    options: dict[str, Any] = {"number_of_frames": 1, "pixel_keyword": "PixelData", "pixel_vr": "OB"}
    walker = Walker(source, offset, size, transfer_syntax, lambda tag, _: standard_vr(tag))
    for tag, _, position, length, depth in walker:
        if depth:
            continue
        if tag == _PIXEL_DATA:
            if length != UNDEFINED:
                raise NotConvertible("the pixel data is not encapsulated, as its transfer syntax wants it")
            return position, options
        if tag in _NUMBERS and length == 2:
            options[_NUMBERS[tag]] = _NUMBER.unpack(walker.value(position, 2))[0]
        elif tag == _PHOTOMETRIC and length <= 16:
            options["photometric_interpretation"] = walker.value(position, length).decode("latin-1").strip("\0 ")
        elif tag == _FRAMES and 0 < length <= 16:
            options["number_of_frames"] = _frames(walker.value(position, length))
    return None


def _frames(value: bytes) -> int:
    try:
        return max(1, int(value))
    except ValueError:
        raise NotConvertible("Number of Frames is no number") from None


def _check(options: dict[str, Any]) -> int:
    """Bytes of a decompressed frame. Raises NotConvertible when something is missing that decoding needs, or a frame
    would be too large."""
    needed = {"rows", "columns", "samples_per_pixel", "bits_allocated", "bits_stored", "photometric_interpretation"}
    if options.get("samples_per_pixel", 1) > 1:
        needed |= {"planar_configuration"}
    if lacking := sorted((needed | {"pixel_representation"}) - options.keys()):
        raise NotConvertible(f"the image says nothing about {', '.join(lacking)}")
    bits: int = options["rows"] * options["columns"] * options["samples_per_pixel"] * options["bits_allocated"]
    if not 0 < bits <= LARGEST_FRAME * 8:
        raise NotConvertible(f"a decompressed frame would have {bits // 8} bytes")
    return -(-bits // 8)


def _check_supported(transfer_syntax: str, options: dict[str, Any]) -> None:
    """Raises NotConvertible for samples of more than 8 bits in JPEG Extended where only GDCM is there (ADR 0016)."""
    bits = options["bits_stored"]
    if transfer_syntax == JPEG_EXTENDED and bits > 8 and set(_decoder(transfer_syntax).available_plugins) <= {"gdcm"}:
        raise NotConvertible(
            f"the codecs that are installed decode {transfer_syntax} (JPEG Extended) with 8 bits stored "
            f"only, not with {bits}"
        )

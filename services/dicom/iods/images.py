"""Pixels and frames: length of pixel data, bits, frame pointers and their vectors (PS3.3 C.7.6.3, C.7.6.6, C.8.4.8)."""

from typing import Final

from services.dicom.elements import DEFLATED, EXPLICIT_BIG, IMPLICIT_LITTLE, UNDEFINED
from services.dicom.iods.attributes import Report
from services.dicom.iods.data_sets import UNITS, DataSet, Element, name_of
from services.dicom.iods.definitions import Definition, Frames
from services.dicom.iods.findings import PIXEL_DATA_MISSING, PIXEL_DATA_SHORT

PIXEL_DATA: Final = 0x7FE00010
_PROVIDER: Final = 0x00287FE0
_IMAGE_TYPE: Final = 0x00080008
_POINTER: Final = 0x00280009
_FRAMES: Final = 0x00280008
_SAMPLES, _PHOTOMETRIC, _ROWS, _COLUMNS = 0x00280002, 0x00280004, 0x00280010, 0x00280011
_ALLOCATED, _STORED, _HIGH = 0x00280100, 0x00280101, 0x00280102
LOOKED_AT: Final = frozenset({
    PIXEL_DATA, _PROVIDER, _IMAGE_TYPE, _POINTER, _FRAMES, _SAMPLES, _PHOTOMETRIC, _ROWS, _COLUMNS, _ALLOCATED, _STORED,
    _HIGH,
})  # fmt: skip
"""Attributes whose values matter here."""
_NATIVE: Final = frozenset({IMPLICIT_LITTLE, "1.2.840.10008.1.2.1", EXPLICIT_BIG, DEFLATED})
_SUBSAMPLED: Final = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422"})
_SECTION: Final = "C.7.6.3"
_VECTORS: Final = "C.8.4.8"


def check_pixels(definition: Definition, main: DataSet, transfer_syntax: str, report: Report) -> None:
    """Check the pixel data of an image; of encapsulated pixel data only that it is there."""
    pixels = main.elements.get(PIXEL_DATA)
    path = name_of(PIXEL_DATA)
    if pixels is None or not pixels.length:
        if _PROVIDER not in main.elements:
            report(PIXEL_DATA_MISSING, path, _SECTION)
        return
    _check_bits(main, report)
    bits = _bits(definition, main)
    if bits is None or pixels.length == UNDEFINED or transfer_syntax not in _NATIVE:
        return
    expected = (bits + 7) // 8
    if pixels.length < expected:
        report(PIXEL_DATA_SHORT, path, _SECTION)
    elif pixels.length > expected + expected % 2:
        report("pixel-length", path, _SECTION)


def check_frames(frames: Frames, main: DataSet, report: Report) -> None:
    """Check the Frame Increment Pointer against the Image Type (R153), and the vectors against frames and counts."""
    pointer, kind = main.elements.get(_POINTER), main.elements.get(_IMAGE_TYPE)
    named = pointer.values() if pointer is not None else ()
    expected = frames.pointers.get(kind.values()[2]) if kind is not None and len(kind.values()) > 2 else None
    if expected is not None and named and named != expected:
        report("frame-pointer", name_of(_POINTER), _VECTORS)
    for tag, limit in frames.counts.items():
        vector = main.elements.get(tag)
        if vector is not None and vector.vr == "US" and not vector.empty and f"{tag:08X}" in named:
            _check_vector(tag, vector, _limit(limit, main), main.integer(_FRAMES), report)


def _check_vector(tag: int, vector: Element, limit: int | None, frames: int | None, report: Report) -> None:
    if frames is not None and vector.length // UNITS["US"] != frames:
        report("vector-length", name_of(tag), _VECTORS)
    values = [int(value) for value in vector.values()]
    if min(values) < 1 or (limit is not None and max(values) > limit):
        report("vector-value", name_of(tag), _VECTORS)


def _limit(path: tuple[int, ...], main: DataSet) -> int | None:
    """The count that limits a vector: of the main data set, or the largest of the items of a sequence."""
    if len(path) == 1:
        return main.integer(path[0])
    return main.largest.get((path[0], path[1]))


def _check_bits(main: DataSet, report: Report) -> None:
    allocated, stored, high = main.integer(_ALLOCATED), main.integer(_STORED), main.integer(_HIGH)
    if stored is not None and allocated is not None and stored > allocated:
        report("bits", name_of(_STORED), _SECTION)
    elif stored is not None and high is not None and high != stored - 1:
        report("bits", name_of(_HIGH), _SECTION)


def _bits(definition: Definition, main: DataSet) -> int | None:
    """Bits of all pixels; None when they cannot be told."""
    frames = main.integer(_FRAMES)
    if frames is None and _FRAMES not in main.elements and _FRAMES not in definition.level.rules:
        frames = 1
    samples = main.integer(_SAMPLES)
    photometric = main.elements.get(_PHOTOMETRIC)
    if samples == 3 and photometric is not None and photometric.first() in _SUBSAMPLED:
        samples = 2  # two pixels share their chrominance (PS3.3 C.7.6.3.1.2)
    factors = (main.integer(_ROWS), main.integer(_COLUMNS), frames, samples, main.integer(_ALLOCATED))
    bits = 1
    for factor in factors:
        if factor is None:
            return None
        bits *= factor
    return bits

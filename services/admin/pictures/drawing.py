"""One frame of a stored object as a PNG: decoded, windowed, made smaller. Runs in the process that makes pictures."""

import struct
import zlib
from typing import Any, BinaryIO, Final

from services.dicom.transcoding_pixels import CODECS, missing

LARGEST_FRAME: Final = 128 << 20
"""Bytes of a decoded frame."""
_TAGS: Final = (
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored",
    "PixelRepresentation", "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth",
    "SmallestImagePixelValue", "LargestImagePixelValue", "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
)  # fmt: skip

_DEFLATED: Final = "1.2.840.10008.1.2.1.99"


class NoPicture(Exception):
    """There is none; the text says why, without any value of the data set."""


def load() -> None:
    """Load the decoders, which takes longer than a picture."""
    import numpy  # noqa: F401
    from pydicom.pixels.utils import pixel_array  # noqa: F401


def drawn(source: BinaryIO, frame: int, longest: int) -> bytes:
    """Frame ``frame`` (from 0) of a Part 10 file, at most ``longest`` pixels wide and high. Raises ``NoPicture``."""
    import pydicom
    from pydicom.pixels.utils import pixel_array

    head = pydicom.dcmread(source, stop_before_pixels=True, specific_tags=list(_TAGS))
    _check(head, frame)
    source.seek(0)
    try:
        # What is deflated has no frame to go to: it is read as a whole.
        deflated = head.file_meta.get("TransferSyntaxUID") == _DEFLATED
        pixels: Any = pixel_array(pydicom.dcmread(source) if deflated else source, index=frame)
    except Exception as fault:  # noqa: BLE001 - codecs raise anything
        raise NoPicture(_why(fault, str(head.file_meta.get("TransferSyntaxUID", "")))) from None
    return png(_smaller(_eight_bits(pixels, head), longest))


def _check(head: Any, frame: int) -> None:
    rows, columns = head.get("Rows"), head.get("Columns")
    if not rows or not columns:
        raise NoPicture("it has no picture")
    frames = int(head.get("NumberOfFrames") or 1)
    if not 0 <= frame < frames:
        raise NoPicture(f"it has {frames} frames")
    if rows * columns * (head.get("SamplesPerPixel") or 1) * (head.get("BitsAllocated") or 16) > LARGEST_FRAME * 8:
        raise NoPicture(f"a frame of {columns} x {rows} pixels is too large for a picture")


def _why(fault: Exception, syntax: str) -> str:
    if isinstance(fault, AttributeError):
        return "it has no picture, or says too little about it"
    if missing(syntax):
        return f"transfer syntax {syntax} needs the codecs: {CODECS}"
    if isinstance(fault, NotImplementedError):
        return f"transfer syntax {syntax} is not decoded here"
    return f"its pixels in transfer syntax {syntax} are damaged, or in a form that is not decoded here"


def _eight_bits(pixels: Any, head: Any) -> Any:
    """Grey or RGB, eight bits each."""
    import numpy as np

    if head.get("PhotometricInterpretation") == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut

        pixels = apply_color_lut(pixels, head)
        return (pixels >> 8).astype(np.uint8) if pixels.dtype.itemsize > 1 else pixels
    if pixels.ndim == 3:
        shift = max(0, int(head.get("BitsStored") or 8) - 8)
        return (pixels >> shift).astype(np.uint8)
    values = pixels.astype(np.float32)
    low, high = _window(values, head)
    grey = np.clip((values - low) * (255.0 / max(high - low, 1e-6)), 0, 255).astype(np.uint8)
    return 255 - grey if head.get("PhotometricInterpretation") == "MONOCHROME1" else grey


def _window(values: Any, head: Any) -> tuple[float, float]:
    """What is black and what is white, in stored values: the image's own window (PS3.3 C.11.2), else what it says of
    its values, which all its frames share, else the values themselves without the outermost."""
    import numpy as np

    slope, intercept = float(head.get("RescaleSlope") or 1), float(head.get("RescaleIntercept") or 0)
    center, width = _first(head.get("WindowCenter")), _first(head.get("WindowWidth"))
    if center is not None and width is not None and width >= 1 and slope:
        low, high = sorted(((edge - intercept) / slope) for edge in (center - width / 2, center + width / 2))
        return low, high
    largest = head.get("LargestImagePixelValue")
    if isinstance(largest, int) and largest > 0:
        smallest = head.get("SmallestImagePixelValue")
        return float(smallest if isinstance(smallest, int) else 0), float(largest)
    low, high = np.percentile(values[:: 1 + values.shape[0] // 512, :: 1 + values.shape[1] // 512], (0.5, 99.8))
    return float(low), float(high)


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    return float(value[0] if hasattr(value, "__getitem__") and not isinstance(value, str) else value)


def _smaller(pixels: Any, longest: int) -> Any:
    """Each block of pixels as its mean."""
    rows, columns = pixels.shape[:2]
    step = -(-max(rows, columns) // longest)
    if step <= 1:
        return pixels
    rows, columns = max(step, rows - rows % step), max(step, columns - columns % step)
    if pixels.shape[0] < step or pixels.shape[1] < step:
        return pixels[::step, ::step]
    blocks = pixels[:rows, :columns].reshape(rows // step, step, columns // step, step, *pixels.shape[2:])
    return blocks.mean(axis=(1, 3)).astype(pixels.dtype)


def png(pixels: Any) -> bytes:
    """Eight-bit grey or RGB pixels as a PNG (W3C PNG, third edition)."""
    rows, columns = pixels.shape[:2]
    colour = 2 if pixels.ndim == 3 else 0
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    parts = (
        (b"IHDR", struct.pack(">LLBBBBB", columns, rows, 8, colour, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines, 6)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data)) for kind, data in parts
    )

"""Instances with compressed frames that the codecs do not survive, and what runs to decode them.

Two are real frames of real codecs with one byte changed. What never ends, says nothing or takes all memory is left to a
codec of the tests' own, which pylibjpeg finds as it finds any other and uses for HTJ2K.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy
import openjpeg.utils
import pydicom.data
import pytest
from pydicom.encaps import encapsulate

from tests.factories import Instance, ct, storable_files

J2K, JPEG_LOSSLESS, HTJ2K = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.201"
_PIXELS: Final = b"\xe0\x7f\x10\x00OW"
_COMPRESSED_PIXELS: Final = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
_END: Final = b"\xfe\xff\xdd\xe0\0\0\0\0"
_SIZ_PRECISION: Final = 42
"""Where a J2K codestream says how many bits a sample of its first component has (ISO/IEC 15444-1 A.5.1)."""

TEST_CODEC: Final = '''
"""A codec of the gateway's tests: the frame says what becomes of who decodes it."""
import pathlib, time
asked = 0
def decode_pixel_data(src, version=1, **options):
    global asked
    asked += 1
    if src.startswith(b"suffers from what was before") and asked == 1:
        return bytearray(options["rows"] * options["columns"] * 2)
    if src.startswith(b"says nothing"):
        time.sleep(3600)
    while src.startswith(b"never ends"):
        pass
    kept = []
    try:
        while src.startswith(b"takes all memory"):
            kept.append(bytearray(1 << 20))
    except MemoryError:
        pathlib.Path(__file__).with_name("taken").write_text(str(len(kept)))
        raise
    raise ValueError("it is a frame of no kind")
'''


def install_test_codec(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """From here on, processes that this one starts have it."""
    (folder / "a_test_codec.py").write_text(TEST_CODEC)
    told = folder / "a_test_codec-1.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: a_test_codec\nVersion: 1\n")
    (told / "entry_points.txt").write_text(
        f"[pylibjpeg.pixel_data_decoders]\n{HTJ2K} = a_test_codec:decode_pixel_data\n"
    )
    patch.syspath_prepend(folder)


def good_frame(seed: int) -> bytes:
    """32 x 32 pixels of 16 bits in JPEG 2000."""
    return bytes(openjpeg.utils.encode_array(pixels(seed), bits_stored=16, photometric_interpretation=2))


def pixels(seed: int) -> numpy.ndarray:
    """What ``good_frame`` decodes to."""
    return numpy.random.default_rng(seed).integers(0, 1 << 16, (32, 32), numpy.uint16)


def aborting_frame() -> bytes:
    """Says that its samples have 128 bits: GDCM throws what nobody catches, and the process is ended by SIGABRT."""
    frame = bytearray(good_frame(0))
    frame[_SIZ_PRECISION] = 0xFF
    return bytes(frame)


def compressed(seed: int, *frames: bytes, transfer_syntax: str = J2K, study: int | None = None) -> Instance:
    """A CT image of 32 x 32 pixels of 16 bits with these frames."""
    instance = ct(seed, study=study, NumberOfFrames=len(frames))
    head = instance.data_set[: instance.data_set.rindex(_PIXELS)]
    fragments = encapsulate(list(frames), has_bot=False)
    return replace(instance, transfer_syntax_uid=transfer_syntax, data_set=head + _COMPRESSED_PIXELS + fragments + _END)


def segfaulting() -> Instance:
    """A lossless JPEG whose frame header says 255 bits a sample: GDCM reads and writes where nothing is (SIGSEGV)."""
    folder = Path(pydicom.data.__file__).parent / "test_files"
    (sample,) = [each for each in storable_files(folder) if each.path and each.path.name == "SC_rgb_jpeg_gdcm.dcm"]
    data = bytearray(sample.data_set)
    data[data.index(b"\xff\xc3") + 4] = 0xFF
    return replace(sample, data_set=bytes(data))

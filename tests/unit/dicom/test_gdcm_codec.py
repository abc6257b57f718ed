"""A process of services loads no GDCM, and what it has decompressed is decompressed as by one that has it."""

import hashlib
import io
import subprocess
import sys
from pathlib import Path

import pydicom.data
import pytest

from services.dicom.contexts import EXPLICIT_LITTLE_ENDIAN
from services.dicom.transcoding import converted
from tests.factories import Instance, storable_files

CHECKOUT = Path(__file__).resolve().parents[3]
JPEG_LOSSLESS, J2K = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"
LEFT_OUT = """
import sys
from services.dicom import gdcm_codec
gdcm_codec.leave_out()
import services.forwarder.main
from services.dicom.transcoding import ways
from tests.unit.dicom.test_gdcm_codec import digest
syntax, loaded = sys.argv[1], lambda: "_gdcm" in sys.modules
print(loaded(), len(ways(syntax)), loaded(), digest(sys.stdin.buffer.read(), syntax), loaded())
"""


def digest(data: bytes, syntax: str) -> str:
    """SHA-256 of a data set converted to Explicit VR Little Endian."""
    parts = io.BytesIO(data), 0, len(data), syntax, EXPLICIT_LITTLE_ENDIAN
    with converted(*parts, folder=Path("/tmp"), largest=1 << 30) as (file, _):
        file.seek(0)
        return hashlib.sha256(file.read()).hexdigest()


def _sample(syntax: str) -> Instance:
    files = storable_files(Path(pydicom.data.__file__).parent / "test_files")
    return next(each for each in files if each.transfer_syntax_uid == syntax)


@pytest.mark.parametrize("syntax", [JPEG_LOSSLESS, J2K])
def test_it_is_never_loaded_and_decompresses_all_the_same(syntax: str) -> None:
    sample = _sample(syntax)
    told = subprocess.run(
        [sys.executable, "-c", LEFT_OUT, syntax], input=sample.data_set, cwd=CHECKOUT, capture_output=True, timeout=60
    )
    assert told.stdout.decode().split() == ["False", "3", "False", digest(sample.data_set, syntax), "False"], (
        told.stderr
    )

"""GDCM, the largest of the codecs: 20 MB of every process that loads it, and pydicom does when it is loaded itself.

A process of services loads none: what it has to decompress is decoded by another one (services.dicom.decoding_process).
"""

import importlib
import sys
from functools import cache
from importlib.util import find_spec
from typing import Final

_NAME: Final = "gdcm"
_PLUGIN: Final = "pydicom.pixels.decoders.gdcm"


def leave_out() -> None:
    """Load pydicom as if there were no GDCM. Where pydicom has been loaded already, nothing changes."""
    if "pydicom" in sys.modules:
        return
    sys.modules[_NAME] = None  # type: ignore[assignment] # what is None there is not found (Python, "The import system")
    try:
        importlib.import_module("pydicom")
    finally:
        del sys.modules[_NAME]


def decompresses(transfer_syntax: str) -> bool:
    """Whether GDCM is installed and for that transfer syntax."""
    return transfer_syntax in importlib.import_module(_PLUGIN).DECODER_DEPENDENCIES and _installed()


@cache
def _installed() -> bool:
    return find_spec(_NAME) is not None

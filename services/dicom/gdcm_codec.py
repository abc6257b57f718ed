"""GDCM, the largest of the codecs: 20 MB of every process that loads it, and pydicom does when it is loaded itself.

A process of services defers it until it decompresses something; most never do.
"""

import importlib
import sys
import threading
from functools import cache
from importlib.util import find_spec
from typing import Any, Final

_NAME: Final = "gdcm"
_PLUGIN: Final = "pydicom.pixels.decoders.gdcm"
_FUNCTION: Final = "_decode_frame"
_loading = threading.Lock()


def defer() -> None:
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


def load_for(decoder: Any) -> None:
    """Let one of pydicom's decoders have GDCM, if it is installed and for its transfer syntax: after the others."""
    if not decompresses(decoder.UID):
        return
    with _loading:
        plugin = importlib.import_module(_PLUGIN)
        if not plugin.HAVE_GDCM:
            plugin = importlib.reload(plugin)
        if _NAME not in decoder.available_plugins and plugin.is_available(decoder.UID):
            decoder.remove_plugin(_NAME)
            decoder.add_plugin(_NAME, (_PLUGIN, _FUNCTION))

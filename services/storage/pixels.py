"""Whether two contents of one SOP instance hold the same pixel data, however they are encoded. Blocks: run in a thread.

Header facts say nothing of pixel data; asked only where everything else is the same (promise P5), which is rare.
"""

import hashlib
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

from services.dicom.contexts import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from services.dicom.dictionary import standard_vr
from services.dicom.elements import UNDEFINED, UnparsableDataSet, Walker
from services.dicom.transcoding import NotConvertible, converted
from services.runtime.errors import ObjectMissing
from services.runtime.objects import ObjectStore
from services.storage.dispositions import Content

UNCOMPRESSED: Final = frozenset(
    {EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, DEFLATED_LITTLE_ENDIAN}
)
_PIXEL_DATA: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_CHUNK: Final = 1 << 20


def differ(objects: ObjectStore, one: Content, other: Content) -> bool:
    """True if the pixel data are known to differ, or one of the objects is gone or unreadable.

    Compressed pixel data cannot be compared without decoding it: False. Raises ``StoreFailed``, ``Unavailable``.
    """
    if {one.transfer_syntax_uid, other.transfer_syntax_uid} - UNCOMPRESSED:
        return False
    try:
        return _digest(objects, one) != _digest(objects, other)
    except (ObjectMissing, NotConvertible, UnparsableDataSet):
        return True


def _digest(objects: ObjectStore, content: Content) -> str:
    """SHA-256 of the pixel data in little endian."""
    with ExitStack() as stack:
        source = stack.enter_context(objects.open(content.object_key))
        offset, size, syntax = content.data_set_offset, content.size, content.transfer_syntax_uid
        if syntax in (EXPLICIT_BIG_ENDIAN, DEFLATED_LITTLE_ENDIAN):
            folder = Path(tempfile.gettempdir())
            source, size = stack.enter_context(
                converted(source, offset, size, syntax, EXPLICIT_LITTLE_ENDIAN, folder=folder, largest=1 << 32)
            )
            offset, syntax = 0, EXPLICIT_LITTLE_ENDIAN
        return _pixel_digest(source, offset, size, syntax)


def _pixel_digest(source: BinaryIO, offset: int, size: int, transfer_syntax: str) -> str:
    digest = hashlib.sha256()
    for tag, _, position, length, depth in Walker(source, offset, size, transfer_syntax, lambda t, _: standard_vr(t)):
        if tag in _PIXEL_DATA and not depth and length != UNDEFINED:
            source.seek(offset + position)
            left = length
            while left and (data := source.read(min(_CHUNK, left))):
                digest.update(data)
                left -= len(data)
    return digest.hexdigest()

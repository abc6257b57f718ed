"""What pydicom raises where a file is damaged."""

import struct
from typing import Final

from pydicom.errors import BytesLengthException, InvalidDicomError

DAMAGED: Final = (
    InvalidDicomError, BytesLengthException, EOFError, ValueError, TypeError, AttributeError, LookupError,
    NotImplementedError, RecursionError, struct.error,
)  # fmt: skip


def is_damage(fault: Exception) -> bool:
    """Whether the file is damaged, or it could not be read: pydicom's OSErrors have no number, the system's have one
    (pure)."""
    return fault.errno is None if isinstance(fault, OSError) else isinstance(fault, DAMAGED)

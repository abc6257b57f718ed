"""What pydicom raises where a file is damaged, beside what reading it raises (OSError)."""

import struct
from typing import Final

from pydicom.errors import BytesLengthException, InvalidDicomError

DAMAGED: Final = (
    InvalidDicomError, BytesLengthException, EOFError, ValueError, TypeError, AttributeError, LookupError,
    NotImplementedError, RecursionError, struct.error,
)  # fmt: skip

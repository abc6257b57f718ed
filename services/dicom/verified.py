"""Reading an object while it is sent, and noticing before its last byte leaves that it is not what was received."""

import hashlib
import io
from typing import BinaryIO, Final

from services.runtime.errors import GatewayError

_CHUNK: Final = 1 << 20
_MISMATCH: Final = "the stored bytes do not match the SHA-256 of the receipt"


class ObjectDamaged(GatewayError):
    """The stored bytes are not those whose SHA-256 the receipt holds. The association is aborted before the end."""


class VerifiedSource(io.RawIOBase):
    """``size`` bytes of ``source`` from ``offset``, to be read once and in order.

    The last read raises ``ObjectDamaged`` instead of returning when SHA-256 does not match, so that no receiver ever
    completes a damaged object.
    """

    def __init__(self, source: BinaryIO, offset: int, size: int, sha256: str) -> None:
        super().__init__()
        self._source = source
        self._offset = offset
        self._left = size
        self._sha256 = sha256
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Only to the beginning of the data set, once."""
        if (offset, whence) != (self._offset, io.SEEK_SET):
            raise io.UnsupportedOperation("the data set is read from its beginning")
        return self._source.seek(offset)

    def read(self, size: int = -1) -> bytes:
        """The next bytes; empty when the object ends early."""
        data = self._source.read(self._left if size < 0 else min(size, self._left))
        self._digest.update(data)
        self._left -= len(data)
        if data and not self._left and self._digest.hexdigest() != self._sha256:
            raise ObjectDamaged(_MISMATCH)
        return data

    def close(self) -> None:
        """Close the object."""
        self._source.close()
        super().close()


def verify(source: BinaryIO, offset: int, size: int, sha256: str) -> None:
    """Read the data set once, for those who cannot take back what they began to send. Raises ``ObjectDamaged``."""
    if digest(source, offset, size) != sha256:
        raise ObjectDamaged(_MISMATCH)


def digest(source: BinaryIO, offset: int, size: int) -> str:
    """SHA-256 of a data set, read once. Raises ``ObjectDamaged`` when there is less of it."""
    found, left = hashlib.sha256(), size
    source.seek(offset)
    while left:
        data = source.read(min(left, _CHUNK))
        if not data:
            raise ObjectDamaged(f"the object ends {left} bytes early")
        found.update(data)
        left -= len(data)
    return found.hexdigest()

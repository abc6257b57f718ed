"""Reading an object while it is sent, and noticing before its last byte leaves that it is not what was received."""

import hashlib
import io
from typing import BinaryIO

from services.runtime.errors import GatewayError


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
            raise ObjectDamaged("the stored bytes do not match the SHA-256 of the receipt")
        return data

    def close(self) -> None:
        """Close the object."""
        self._source.close()
        super().close()

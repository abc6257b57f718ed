"""Reading an object while it is sent, and noticing before its last byte leaves that it is not what was received."""

import hashlib
import io
import os
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, Final

from services.runtime.errors import GatewayError

_CHUNK: Final = 1 << 20
_SMALL: Final = 1 << 17
"""Bytes that are hashed sooner than another thread has begun."""
_MISMATCH: Final = "the stored bytes do not match the SHA-256 of the receipt"

_hashers: Final = ThreadPoolExecutor(os.cpu_count(), "hash")


class ObjectDamaged(GatewayError):
    """The stored bytes are not those whose SHA-256 the receipt holds. The association is aborted before the end."""


class VerifiedSource(io.RawIOBase):
    """``size`` bytes of ``source`` from ``offset``, to be read once and in order.

    The last read raises ``ObjectDamaged`` instead of returning when SHA-256 does not match, so that no receiver ever
    completes a damaged object. Hashing takes longer than sending: of what is not small another thread does it, for up
    to a MiB that is read ahead.
    """

    def __init__(self, source: BinaryIO, offset: int, size: int, sha256: str) -> None:
        super().__init__()
        self._source = source
        self._offset = offset
        self._unread = self._left = size
        self._sha256 = sha256
        self._digest = hashlib.sha256()
        self._ahead: deque[bytes] = deque()
        self._hashing: Future[None] | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Only to the beginning of the data set, once."""
        if (offset, whence) != (self._offset, io.SEEK_SET):
            raise io.UnsupportedOperation("the data set is read from its beginning")
        return self._source.seek(offset)

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most ``size``; empty when the object ends early."""
        if not self._ahead:
            self._read_ahead(self._unread if size < 0 else size)
        if not self._ahead:
            return b""
        data = self._ahead.popleft()
        if 0 <= size < len(data):
            self._ahead.appendleft(data[size:])
            data = data[:size]
        self._left -= len(data)
        if not self._left:
            self._wait()
            if self._digest.hexdigest() != self._sha256:
                raise ObjectDamaged(_MISMATCH)
        return data

    def close(self) -> None:
        """Close the object."""
        self._wait()
        self._source.close()
        super().close()

    def _read_ahead(self, size: int) -> None:
        """Read as many pieces of this size as there is room for, and have them hashed."""
        self._wait()
        for _ in range(max(1, _CHUNK // max(1, size))):
            data = self._source.read(min(size, self._unread))
            if not data:
                break
            self._unread -= len(data)
            self._ahead.append(data)
        pieces = tuple(self._ahead)
        if sum(map(len, pieces)) < _SMALL:
            self._update(pieces)
        else:
            self._hashing = _hashers.submit(self._update, pieces)

    def _update(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self._digest.update(piece)

    def _wait(self) -> None:
        """Until what was read is hashed."""
        if self._hashing is not None:
            self._hashing.result()
            self._hashing = None


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

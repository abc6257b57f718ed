"""Copying objects from one store to another, hashed on the way, several at a time. Blocks: run it in a thread."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from services.admin.backup.object_lists import Listed
from services.admin.backup.repository import CHUNK_BYTES, sha256_of
from services.runtime.errors import GatewayError, ObjectMissing
from services.runtime.objects import ObjectStat, ObjectStore

AT_ONCE = 8

T = TypeVar("T")
U = TypeVar("U")


class Damaged(GatewayError):
    """An object cannot be read, or its bytes are not those that were listed."""


@dataclass(frozen=True)
class Copied:
    """What became of an object. ``listed``: None when the target has it not; ``new``: its bytes were copied;
    ``damaged``: one of the two stores has not got it as it was."""

    key: str
    size: int
    listed: Listed | None
    new: bool = False
    damaged: bool = False


@dataclass(frozen=True)
class Saving:
    """From where to where. ``there``: sizes of what the target has; ``known``: hashes of what the last backup listed;
    ``check``: both are read again, whatever they are said to hold."""

    source: ObjectStore
    target: ObjectStore
    there: Mapping[str, int]
    known: Mapping[str, str]
    check: bool

    def save(self, wanted: Sequence[ObjectStat]) -> list[Copied]:
        """Have objects in the target, in their order; left out is what was deleted meanwhile.

        What an earlier backup has is never replaced by anything else. Raises ``StoreFailed``, ``StoreFull``,
        ``Unavailable``.
        """
        return [each for each in at_once(self._save, wanted) if each is not None]

    def _save(self, wanted: ObjectStat) -> Copied | None:
        key, size, expected = wanted.key, wanted.size, self.known.get(wanted.key)
        try:
            if expected is None:
                return self._save_new(key, size)
            if not self.check and self.there.get(key) == size:
                return Copied(key, size, Listed(key, expected))
            if self.check and self._kept(key, expected):
                return Copied(key, size, Listed(key, expected), damaged=sha256_of(self.source, key) != expected)
            copy(self.source, self.target, key, expected)
            return Copied(key, size, Listed(key, expected), new=True)
        except ObjectMissing:
            return None
        except (Damaged, OSError):
            kept = expected is not None and self._kept(key, expected)
            return Copied(key, size, Listed(key, expected) if expected and kept else None, damaged=True)

    def _save_new(self, key: str, size: int) -> Copied:
        """It may be what a backup copied that was broken off."""
        if self.there.get(key) == size and self._kept(key, sha256 := sha256_of(self.source, key)):
            return Copied(key, size, Listed(key, sha256))
        return Copied(key, size, Listed(key, copy(self.source, self.target, key)), new=True)

    def _kept(self, key: str, sha256: str) -> bool:
        """Whether the target has these very bytes."""
        try:
            return key in self.there and sha256_of(self.target, key) == sha256
        except (ObjectMissing, OSError):
            return False


def at_once(work: Callable[[T], U], items: Sequence[T]) -> list[U]:
    """The results of ``work`` in the order of the items."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(work, items))


def bring_back(
    source: ObjectStore, target: ObjectStore, there: frozenset[str], listed: Sequence[Listed]
) -> list[Copied]:
    """Have listed objects in the target, each with the bytes that were listed; what is there already is read again.

    Raises ``StoreFailed``, ``StoreFull``, ``Unavailable``.
    """
    return at_once(partial(_bring_back, source, target, there), listed)


def _bring_back(source: ObjectStore, target: ObjectStore, there: frozenset[str], listed: Listed) -> Copied:
    try:
        if listed.key in there and sha256_of(target, listed.key) == listed.sha256:
            return Copied(listed.key, 0, listed)
        copy(source, target, listed.key, listed.sha256)
        return Copied(listed.key, target.stat(listed.key).size, listed, new=True)
    except (ObjectMissing, Damaged, OSError):
        return Copied(listed.key, 0, None, damaged=True)


def copy(source: ObjectStore, target: ObjectStore, key: str, sha256: str | None = None) -> str:
    """Copy one object; its hash. With ``sha256`` nothing is kept that has another one.

    Raises ``Damaged``, ``ObjectMissing``, ``StoreFailed``, ``StoreFull``, ``Unavailable``.
    """
    digest = hashlib.sha256()
    with source.open(key) as reader, target.create(key) as writer:
        while chunk := _read(reader.read, key):
            digest.update(chunk)
            view = memoryview(chunk)
            while view:
                view = view[os.write(writer.fd, view) :]
        if sha256 not in (None, digest.hexdigest()):
            raise Damaged(f"object {key} is not as it was listed")
        writer.commit()
    return digest.hexdigest()


def _read(read: Callable[[int], bytes], key: str) -> bytes:
    """Apart from the errors of writing: what cannot be read is one object, what cannot be written is the disk."""
    try:
        return read(CHUNK_BYTES)
    except OSError as error:
        raise Damaged(f"object {key} cannot be read") from error

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
    """What became of an object: ``listed`` is None when it cannot be read; ``new`` if its bytes were copied."""

    key: str
    size: int
    listed: Listed | None
    new: bool = True


def at_once(work: Callable[[T], U], items: Sequence[T]) -> list[U]:
    """The results of ``work`` in the order of the items."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(work, items))


def save(
    source: ObjectStore, target: ObjectStore, there: Mapping[str, int], known: Mapping[str, str],
    wanted: Sequence[ObjectStat],
) -> list[Copied]:  # fmt: skip
    """Have objects in the target, in their order; left out is what was deleted meanwhile.

    ``there``: sizes of what the target has; ``known``: hashes of what an earlier backup listed. What is there and not
    listed is what a backup copied that was broken off. Raises ``StoreFailed``, ``StoreFull``, ``Unavailable``.
    """
    done = at_once(partial(_save, source, target, there, known), wanted)
    return [each for each in done if each is not None]


def _save(
    source: ObjectStore, target: ObjectStore, there: Mapping[str, int], known: Mapping[str, str], wanted: ObjectStat
) -> Copied | None:
    key, size = wanted.key, wanted.size
    try:
        if there.get(key) == size:
            sha256 = known.get(key) or sha256_of(source, key)
            if key in known or sha256_of(target, key) == sha256:
                return Copied(key, size, Listed(key, sha256), new=False)
        return Copied(key, size, Listed(key, copy(source, target, key)))
    except ObjectMissing:
        return None
    except (Damaged, OSError):
        return Copied(key, size, None)


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
            return Copied(listed.key, 0, listed, new=False)
        copy(source, target, listed.key, listed.sha256)
        return Copied(listed.key, target.stat(listed.key).size, listed)
    except (ObjectMissing, Damaged, OSError):
        return Copied(listed.key, 0, None)


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

"""The list of a backup's objects, in the order of their keys: lines ``SHA-256, two blanks, key``, as sha256sum's."""

import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import groupby
from typing import BinaryIO, NamedTuple

from services.admin.backup.manifest import Manifest, list_key
from services.admin.backup.repository import Repository


class Listed(NamedTuple):
    """An object of a backup; ``sha256`` is that of all its bytes."""

    key: str
    sha256: str

    @property
    def folder(self) -> str:
        """The hour folder it lies in."""
        return self.key.rpartition("/")[0]


class ListWriter:
    """Writes a list and knows its hash."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest = file, hashlib.sha256()

    def write(self, listed: Iterable[Listed]) -> None:
        """Append."""
        text = "".join(f"{one.sha256}  {one.key}\n" for one in listed).encode()
        self._digest.update(text)
        self._file.write(text)

    def sha256(self) -> str:
        """Of what was written."""
        return self._digest.hexdigest()


def read_list(repository: Repository, manifest: Manifest) -> Iterator[Listed]:
    """Line by line. Raises ``StoreFailed`` at its end when it is not the list that was written."""
    digest = hashlib.sha256()
    key_of_list = list_key(manifest.name)
    with repository.unpacking(manifest.name, key_of_list) as lines:
        for line in lines:
            digest.update(line)
            sha256, _, key = line.decode().rstrip("\n").partition("  ")
            yield Listed(key, sha256)
    if digest.hexdigest() != manifest.list_sha256:
        raise repository.damaged(manifest.name, key_of_list)


class ByFolder:
    """A list that is asked folder by folder, in their order, holding one at a time."""

    def __init__(self, listed: Iterable[Listed]) -> None:
        self._groups = groupby(listed, key=lambda one: one.folder)
        self._next = next(self._groups, None)

    def of(self, folder: str) -> dict[str, str]:
        """SHA-256 by key; empty for a folder that is not listed."""
        while self._next is not None and self._next[0] < folder:
            self._next = next(self._groups, None)
        if self._next is None or self._next[0] != folder:
            return {}
        return {one.key: one.sha256 for one in self._next[1]}


async def missing_from(listed: Iterator[str], expected: AsyncIterator[str]) -> AsyncIterator[str]:
    """The expected keys that are not listed; both come in the order of keys."""
    key = next(listed, None)
    async for wanted in expected:
        while key is not None and key < wanted:
            key = next(listed, None)
        if key != wanted:
            yield wanted

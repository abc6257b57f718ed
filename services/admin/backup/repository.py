"""Where backups lie: a folder or an S3 prefix. Objects keep their keys and are there once, however many backups name
them; what belongs to one backup has its name."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from services.admin.backup.manifest import Manifest, list_key, manifest_key
from services.admin.backup.settings import BackupSettings
from services.admin.errors import NotFound
from services.runtime.errors import StoreFailed, Unavailable, UsageError
from services.runtime.objects import ObjectStore, open_store
from services.runtime.settings import RuntimeSettings

CHUNK_BYTES = 1 << 20


class PlaceAway(Unavailable):
    """The place of backups does not answer."""


class Repository:
    """Backups at one place; ``objects`` is the store they lie in."""

    def __init__(self, place: str, objects: ObjectStore) -> None:
        self.place, self.objects = place, objects

    def names(self) -> list[str]:
        """The backups, the oldest first. Raises ``StoreFailed``, ``PlaceAway``."""
        with self._naming_place():
            return [found.key.removeprefix("backups/").removesuffix(".json") for found in self.objects.list("backups")]

    def begin(self, name: str) -> None:
        """Have a list of its objects, still empty: the first that is written. Raises ``StoreFailed``, ``PlaceAway``."""
        with self._naming_place():
            self.objects.put_bytes(list_key(name), b"")

    def begun(self) -> list[str]:
        """The backups and what is left of those that were broken off. Raises ``StoreFailed``, ``Unavailable``."""
        return [found.key.removeprefix("lists/").removesuffix(".gz") for found in self.objects.list("lists")]

    def manifest(self, name: str | None) -> Manifest:
        """The backup of this name, without one the newest. Raises ``NotFound``, ``StoreFailed``, ``Unavailable``."""
        names = self.names()
        if not names:
            raise NotFound(f"{self.place} holds no backup: name the folder or s3://… that 'gateway backup' was given")
        name = name or names[-1]
        if name not in names:
            raise NotFound(f"{self.place} holds no backup {name}; the newest there is {names[-1]}")
        try:
            return Manifest.model_validate_json(self.objects.get_bytes(manifest_key(name)))
        except ValidationError:
            raise self.damaged(name, manifest_key(name)) from None

    @contextmanager
    def packing(self, key: str) -> Iterator[BinaryIO]:
        """A file to write to, packed by gzip, that is durable under ``key`` when the block ends well."""
        with self.objects.create(key) as writer:
            with (
                os.fdopen(os.dup(writer.fd), "wb") as file,
                gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed,
            ):
                yield cast(BinaryIO, packed)
            writer.commit()

    @contextmanager
    def unpacking(self, backup: str, key: str) -> Iterator[BinaryIO]:
        """What ``packing`` wrote for a backup. Raises ``ObjectMissing``, ``StoreFailed`` for what gzip cannot read."""
        with self.objects.open(key) as file, gzip.GzipFile(fileobj=file, mode="rb") as packed:
            try:
                yield cast(BinaryIO, packed)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise self.damaged(backup, key) from error

    @contextmanager
    def _naming_place(self) -> Iterator[None]:
        """What goes wrong within the block goes wrong there."""
        cure = "name a folder that this user may read and write"
        if self.place.startswith("s3:"):
            cure = "check bucket, endpoint, keys and what they may do there (GATEWAY_BACKUP_S3_…, else GATEWAY_S3_…)"
        try:
            yield
        except StoreFailed as error:
            raise StoreFailed(f"backups at {self.place}: {error}; {cure}") from error
        except Unavailable as error:
            raise PlaceAway(f"backups at {self.place}: {error}; {cure}") from error

    def damaged(self, backup: str, key: str) -> StoreFailed:
        """What to say of a file of a backup that is not as it was written (pure)."""
        return StoreFailed(
            f"{self.place}: {key} is not as it was written: take another backup than {backup}, or delete "
            f"{manifest_key(backup)} to go without it"
        )


def repository_at(target: str, settings: RuntimeSettings) -> Repository:
    """The repository that a folder's path or ``s3://bucket/prefix`` names.

    Raises ``UsageError`` for none, for another scheme, and for a folder that lies in the object store or holds it.
    """
    if not target.strip():
        raise UsageError(
            "the place of backups is empty: name a folder, such as /mnt/backups/gateway, or s3://bucket/prefix"
        )
    url = target if "://" in target else Path(target).absolute().as_uri()
    own = urlsplit(settings.objects_url)
    if own.scheme == urlsplit(url).scheme == "file":
        mine, theirs = (Path(unquote(urlsplit(each).path)).resolve() for each in (settings.objects_url, url))
        if mine.is_relative_to(theirs) or theirs.is_relative_to(mine):
            raise UsageError(f"{target}: the object store is {mine}; name a folder apart from it, best on another disk")
    elif url.rstrip("/") == settings.objects_url.rstrip("/"):
        raise UsageError(f"{target} is the object store itself; name another bucket or prefix")
    try:
        store = open_store(settings.model_copy(update=BackupSettings.load().store(url)))
    except UsageError:
        raise UsageError(f"{target} is no place for backups: name a folder or s3://bucket/prefix") from None
    return Repository(target, store)


def sha256_of(objects: ObjectStore, key: str) -> str:
    """Of the whole object. Raises ``ObjectMissing``, ``StoreFailed``, ``Unavailable``, ``OSError``."""
    digest = hashlib.sha256()
    with objects.open(key) as source:
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()

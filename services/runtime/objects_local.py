"""Objects as local files. An object is under its key only once it is durable (promise P1).

Order of one write: ``<key>.part`` in the final folder (O_EXCL, 0600, locked), fdatasync, rename, fsync of the folder,
and, for folders this process has not yet made durable, fsync of every parent. An fsync that failed is never repeated:
the kernel may have dropped the pages and would answer success, so the store refuses everything until a restart.
"""

import fcntl
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import structlog

from services.runtime import fail_points
from services.runtime.errors import ObjectMissing, StoreFailed, StoreFull
from services.runtime.metrics import OBJECT_COMMIT, OBJECTS_FREE, OBJECTS_REFUSED_BELOW
from services.runtime.objects import (
    FOLDER_DEPTH,
    FULL_ERRORS,
    PART_SUFFIX,
    SMALL_OBJECT_BYTES,
    WRITTEN_IN_AN_EMERGENCY,
    DiscardsUnlessCommitted,
    Folder,
    FreeSpace,
    ObjectStat,
    Watermark,
    checked_folder,
    checked_key,
    is_key,
    measured_skew,
    store_error,
)

FREE_SPACE_SECONDS = 1.0
FOLDERS_REMEMBERED = 100_000

log = structlog.get_logger(__name__)


class LocalStore:
    """Object store in a folder of one file system. Several processes may use the same folder."""

    def __init__(self, root: str | Path, watermark: Watermark) -> None:
        self.root = Path(root)
        self._watermark = watermark
        self._lock = threading.Lock()
        self._durable_folders: set[Path] = set()
        self._swept_folders: dict[str, datetime] = {}
        self._failure: str | None = None
        self._space: tuple[float, FreeSpace] | None = None
        self._skew: float | None = None
        self._root_folder: tuple[int, int] | None = None

    def create(self, key: str) -> "LocalWriter":
        """Begin an object. Raises ``StoreFull``, ``StoreFailed``."""
        self.check_failure()
        self._check_root()
        space = self.free()
        if self._watermark.refuses(space):
            raise StoreFull(self._full(space))
        path = self._path(key)
        return self._writer(key, path.with_name(path.name + PART_SUFFIX), path)

    def open(self, key: str) -> BinaryIO:
        """The object for reading. Raises ``ObjectMissing``, ``StoreFailed``."""
        try:
            return open(self._file(key), "rb")
        except FileNotFoundError:
            raise self._missing(key) from None
        except OSError as error:
            raise store_error("open", key, error) from error

    def stat(self, key: str) -> ObjectStat:
        """Size and mtime. Raises ``ObjectMissing``, ``StoreFailed``."""
        try:
            found = os.stat(self._file(key))
        except FileNotFoundError:
            raise self._missing(key) from None
        except OSError as error:
            raise store_error("stat", key, error) from error
        return ObjectStat(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def delete(self, key: str) -> None:
        """Unlink and fsync the folder, also when the file is gone: an earlier unlink may not be durable yet."""
        path = self._path(key)
        self._check_root()
        try:
            with suppress(FileNotFoundError):
                path.unlink()
            if path.parent.is_dir():
                self.sync_folder(path.parent)
        except OSError as error:
            raise store_error("delete", key, error) from error

    def folders(self, prefix: str) -> Iterator[Folder]:
        """Hour folders below ``prefix`` with their mtime, which changes with every object added or removed."""
        name = checked_folder(prefix)
        self._check_root()
        yield from self._folders(name, FOLDER_DEPTH - 1 - name.count("/"))

    def list(self, folder: str) -> Iterator[ObjectStat]:
        """Complete objects of a folder, in order of key."""
        name = checked_folder(folder)
        self._check_root()
        for file in self._names(name):
            if is_key(f"{name}/{file}"):
                with suppress(ObjectMissing):  # deleted since the folder was read
                    yield self.stat(f"{name}/{file}")

    def names(self, folder: str) -> Iterator[tuple[str, datetime | None]]:
        """Names of complete objects as the folder gives them: it may have hundreds of thousands."""
        name = checked_folder(folder)
        self._check_root()
        try:
            with os.scandir(self.root / name) as entries:
                yield from ((entry.name, None) for entry in entries if is_key(f"{name}/{entry.name}"))
        except FileNotFoundError:
            return
        except OSError as error:
            raise store_error("list", name, error) from error

    def put_bytes(self, key: str, data: bytes) -> None:
        """Write through a name of its own, so that two processes writing the same key do not meet."""
        self.check_failure()
        self._check_root()
        space = self.free()
        if self._watermark.spent(space) and not key.startswith(WRITTEN_IN_AN_EMERGENCY):
            raise StoreFull(self._full(space))
        path = self._path(key)
        part = path.with_name(f"{path.name}.{secrets.token_hex(8)}{PART_SUFFIX}")
        with self._writer(key, part, path) as writer:
            view = memoryview(data)
            while view:
                view = view[os.write(writer.fd, view) :]
            writer.commit()

    def get_bytes(self, key: str, limit: int = SMALL_OBJECT_BYTES) -> bytes:
        """A small object. Raises ``ObjectMissing``, ``StoreFailed``."""
        with self.open(key) as source:
            try:
                data = source.read(limit + 1)
            except OSError as error:
                raise store_error("read", key, error) from error
        if len(data) > limit:
            raise StoreFailed(f"object {key} has more than {limit} bytes")
        return data

    def sweep_abandoned(self, older_than_seconds: int) -> int:
        """Remove ``.part`` files without a write for that long whose writer is gone.

        A folder swept clean is looked at again only when its mtime has changed.
        """
        limit = time.time() - older_than_seconds
        return sum(self._sweep_folder(folder, limit) for folder in self._all_folders())

    def free(self) -> FreeSpace:
        """Space of the file system, at most a second old. Raises ``StoreFailed``."""
        with self._lock:
            if self._space and time.monotonic() - self._space[0] < FREE_SPACE_SECONDS:
                return self._space[1]
            try:
                found = os.statvfs(_existing(self.root))
            except OSError as error:
                raise store_error("measure free space of", str(self.root), error) from error
            free, total = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
            space = FreeSpace(free, total)
            self._space = (time.monotonic(), space)
            OBJECTS_FREE.set(free)
            OBJECTS_REFUSED_BELOW.set(self._watermark.of(total))
            return space

    def skew(self) -> float | None:
        """Seconds this clock is ahead of the one that stamps the files (another host's on a network file system)."""
        return self._skew

    def ready(self) -> str | None:
        """Why objects are refused, None if they are not."""
        try:
            space = self.free()
        except StoreFailed as error:
            return str(error)
        return self.usable() or (self._full(space) if self._watermark.refuses(space) else None)

    def usable(self) -> str | None:
        """Why nothing can be written, None if something can: below the watermark what is no instance still is."""
        if self._failure:
            return self._failure
        try:
            self._check_root()
        except StoreFailed as error:
            return str(error)
        if not os.access(_existing(self.root), os.W_OK | os.X_OK):
            return f"{self.root} cannot be written by this user"
        return None

    def _check_root(self) -> None:
        """Raises ``StoreFailed`` when the root is not the folder that it was: its volume is not mounted any more.

        What is written then would be hidden as soon as the volume is back, and nothing that is not found is gone.
        """
        try:
            at = os.stat(self.root)
        except FileNotFoundError:
            found = None
        except OSError as error:
            raise store_error("look at", str(self.root), error) from error
        else:
            found = (at.st_dev, at.st_ino)
        if self._root_folder is None:
            self._root_folder = found
        elif found != self._root_folder:
            said = "is gone" if found is None else "is another folder than before"
            raise StoreFailed(f"{self.root} {said}: mount its volume; if you replaced it, restart this process")

    def _missing(self, key: str) -> ObjectMissing | StoreFailed:
        """What it means that there is no such file."""
        try:
            self._check_root()
        except StoreFailed as error:
            return error
        return ObjectMissing(key)

    def check_failure(self) -> None:
        """Raises ``StoreFailed`` once an fsync has failed in this process."""
        if self._failure:
            raise StoreFailed(self._failure)

    def sync(self, fd: int, call: Callable[[int], None], what: str) -> None:
        """``os.fsync`` or ``os.fdatasync``. No room loses only this write; any other failure stops the store."""
        try:
            call(fd)
        except OSError as error:
            failed = store_error(f"{call.__name__} of", what, error)
            if error.errno not in FULL_ERRORS:
                self._failure = f"{failed}; objects are refused: check the disk, then restart this process"
                log.error("object_store_failed", reason=self._failure)
            raise failed from error

    def sync_folder(self, folder: Path) -> None:
        """fsync a folder and, once in the life of this process, its parents up to the one that holds the root.

        Not only folders made by this process: another may have made them and not have come to their fsync yet.
        """
        if folder in self._durable_folders:
            self._sync_one_folder(folder)
            return
        unknown = [at for at in (folder, *folder.parents) if at.is_relative_to(self.root)]
        unknown = [at for at in unknown if at not in self._durable_folders]
        for at in (folder, *(at.parent for at in unknown)):
            if at != self.root.parent or os.access(at, os.R_OK):
                self._sync_one_folder(at)
        with self._lock:
            if len(self._durable_folders) > FOLDERS_REMEMBERED:
                self._durable_folders.clear()
            self._durable_folders.update(unknown)

    def _sync_one_folder(self, folder: Path) -> None:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sync(fd, os.fsync, str(folder))
        finally:
            os.close(fd)

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key)

    def _file(self, key: str) -> str:
        """As ``_path``, for what is looked at again and again: pathlib interns each name, and a sweep of thousands of
        names each second makes Python renew its table of interned strings, megabytes long, once a minute."""
        return f"{self.root}/{checked_key(key)}"

    def _full(self, space: FreeSpace) -> str:
        free, total = ((each or 0) >> 20 for each in (space.free, space.total))
        return f"{self.root}: {free} of {total} MiB are free, less than the watermark; make room"

    def _writer(self, key: str, part: Path, final: Path) -> "LocalWriter":
        before = time.time()
        try:
            try:
                writer = LocalWriter(self, key, part, final)
            except FileNotFoundError:
                part.parent.mkdir(parents=True, exist_ok=True)
                self._check_root()  # else it would be made anew where the volume was mounted a moment ago
                writer = LocalWriter(self, key, part, final)
            self._skew = measured_skew(before, os.fstat(writer.fd).st_mtime, time.time())
        except OSError as error:
            raise store_error("create", key, error) from error
        return writer

    def _names(self, folder: str) -> Sequence[str]:
        try:
            return sorted(os.listdir(self.root / folder))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise store_error("list", folder, error) from error

    def _folders(self, name: str, depth: int) -> Iterator[Folder]:
        path = self.root / name
        try:
            modified = path.stat().st_mtime
            below = [e.name for e in os.scandir(path) if e.is_dir(follow_symlinks=False)] if depth > 0 else []
        except FileNotFoundError:
            return
        except OSError as error:
            raise store_error("list", name, error) from error
        if depth == 0:
            yield Folder(name, datetime.fromtimestamp(modified, UTC))
        for child in sorted(below):
            yield from self._folders(f"{name}/{child}", depth - 1)

    def _all_folders(self) -> Iterator[Folder]:
        if not self.root.is_dir():
            return
        for top in sorted(entry.name for entry in os.scandir(self.root) if entry.is_dir(follow_symlinks=False)):
            yield from self._folders(top, 0)
            yield from self._folders(top, FOLDER_DEPTH - 1)

    def _sweep_folder(self, folder: Folder, limit: float) -> int:
        if folder.modified is None or self._swept_folders.get(folder.name) == folder.modified:
            return 0
        parts = [name for name in self._names(folder.name) if name.endswith(PART_SUFFIX)]
        removed = sum(_remove_abandoned(self.root / folder.name / part, limit) for part in parts)
        if removed == len(parts) == 0 and folder.modified.timestamp() < limit:
            self._swept_folders[folder.name] = folder.modified
        return removed


class LocalWriter(DiscardsUnlessCommitted):
    """One object being written: a ``.part`` file beside its final name, locked while this writer lives."""

    def __init__(self, store: LocalStore, key: str, part: Path, final: Path) -> None:
        self.key = key
        self._store, self._part, self._final = store, part, final
        self.fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        self._open = True
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.discard()
            raise

    def commit(self) -> None:
        """Durable under its key when this returns. Raises ``StoreFull``, ``StoreFailed``."""
        with OBJECT_COMMIT.time():
            self._commit()

    def _commit(self) -> None:
        self._store.check_failure()
        fail_points.reached("objects.written")
        self._store.sync(self.fd, os.fdatasync, self.key)
        fail_points.reached("objects.synced")
        try:
            self._part.rename(self._final)
            fail_points.reached("objects.renamed")
            self._store.sync_folder(self._final.parent)
        except OSError as error:
            raise store_error("rename", self.key, error) from error
        fail_points.reached("objects.durable")
        self._close()

    def discard(self) -> None:
        """Remove the unfinished file; if that fails the sweep of abandoned writes does it later."""
        if not self._open:
            return
        try:
            self._part.unlink(missing_ok=True)
        except OSError as error:
            log.warning("object_discard_failed", key=self.key, reason=str(error))
        self._close()

    def _close(self) -> None:
        self._open = False
        os.close(self.fd)


def _existing(path: Path) -> Path:
    return next((at for at in (path, *path.parents) if at.exists()), path)


def _remove_abandoned(part: Path, limit: float) -> int:
    """1 if the file had no write since ``limit`` and no living writer holds its lock, else 0."""
    try:
        fd = os.open(part, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return 0  # finished or discarded since the folder was read
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_mtime >= limit or not os.path.samestat(os.fstat(fd), os.stat(part)):
            return 0
        part.unlink()
    except OSError:
        return 0  # its writer lives, or finished it meanwhile
    finally:
        os.close(fd)
    return 1

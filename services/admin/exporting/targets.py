"""Where files are written: a folder or a ZIP that gets its name when it is complete, and never replaces anything."""

import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol
from uuid import uuid4

from services.admin.errors import Refused
from services.runtime.errors import GatewayError, UsageError


class Target(Protocol):
    """Takes files by names of our own, with ``/`` between their parts."""

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a file. Raises ``OSError``, and what ``chunks`` raises."""

    def publish(self) -> None:
        """Give what was written its name, durably. Raises ``FileExistsError`` if that is taken, ``OSError``."""

    def discard(self) -> None:
        """Leave nothing behind."""


class FolderTarget:
    """A new folder."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, _part(path)
        self._part.mkdir(mode=0o700)

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """A file below the folder, flushed."""
        file = self._part / name
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with file.open("xb") as out:
            _write(out, chunks)
            out.flush()
            os.fsync(out.fileno())

    def publish(self) -> None:
        """Renaming onto a folder that has something in it fails; so does one onto a file."""
        if self._path.exists():
            raise FileExistsError(self._path)
        self._part.rename(self._path)
        _flush(self._path.parent)

    def discard(self) -> None:
        """Remove the part."""
        shutil.rmtree(self._part, ignore_errors=True)


class ZipTarget:
    """A new ZIP."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, _part(path)
        self._file = os.fdopen(os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, allowZip64=True)

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """A member."""
        with self._zip.open(name, "w", force_zip64=True) as out:
            _write(out, chunks)

    def publish(self) -> None:
        """A second name fails where the name is taken, which a rename would not."""
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.link(self._part, self._path)
        self._part.unlink()
        _flush(self._path.parent)

    def discard(self) -> None:
        """Remove the part. The ZIP is not completed: its end would be written for nothing."""
        self._zip.fp = None
        self._file.close()
        self._part.unlink(missing_ok=True)


@contextmanager
def target(path: Path) -> Iterator[Target]:
    """A ZIP if its name ends so, else a folder; within the block it is written, and gone unless it was published.

    Raises ``Refused`` if there is something of that name, ``UsageError`` if its folder is not there, ``GatewayError``
    for what the file system refuses.
    """
    if os.path.lexists(path):
        raise Refused(f"{path} exists already, and nothing is overwritten; name another, or remove it")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent}: no such folder; make it first")
    made: Target | None = None
    try:
        made = ZipTarget(path) if path.suffix.lower() == ".zip" else FolderTarget(path)
        yield made
    except FileExistsError:
        raise Refused(f"{path} was made by somebody else meanwhile, and nothing is overwritten") from None
    except OSError as fault:
        raise GatewayError(f"{path}: cannot be written: {fault.strerror or fault}") from fault
    finally:
        if made is not None:
            made.discard()


def _part(path: Path) -> Path:
    """Beside it, so that it can be renamed."""
    return path.with_name(f".{path.name}.{uuid4().hex}.part")


def _write(out: IO[bytes], chunks: Iterable[bytes]) -> None:
    for chunk in chunks:
        out.write(chunk)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

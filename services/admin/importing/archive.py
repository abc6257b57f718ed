"""Files of a ZIP, read member by member: names never become paths, and what a bomb would cost is refused before."""

import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Final

from services.admin.importing.found import Candidate, Found, Left, NotSent
from services.admin.importing.instances import HEAD_BYTES, recognised
from services.runtime.errors import UsageError

MOST_MEMBERS: Final = 100_000
MOST_DIRECTORY_BYTES: Final = 64 << 20
"""Of the central directory, which is read into memory as a whole."""
MOST_BYTES: Final = 200 << 30
"""Of all members unpacked."""
MOST_RATIO: Final = 200
"""Bytes unpacked for each byte of the ZIP; DICOM in ZIPs has 1 to 20."""
FREE_OF_RATIO_BYTES: Final = 64 << 20
"""A ZIP that unpacks to so little may have any ratio."""

_IN_MEMORY_BYTES: Final = 4 << 20
_CHUNK: Final = 1 << 20
_ENCRYPTED: Final = 1
_BROKEN: Final = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, LookupError, ValueError, RuntimeError,
)  # fmt: skip
"""What zipfile raises for archives that are damaged, or use what it does not know (NotImplementedError)."""
_END, _END_64, _LOCATOR_64 = b"PK\5\6", b"PK\6\6", b"PK\6\7"


def members(path: Path, largest: int, folder: Path) -> Iterator[Found]:
    """The members of a ZIP, folders left out; each may unpack to ``largest`` bytes, a large one in ``folder``.

    Raises ``UsageError`` for what is no ZIP, or goes beyond the limits, and for a folder that cannot be made.
    """
    _make(folder)
    try:
        _check_directory(path)
        archive = zipfile.ZipFile(path)  # closed with the last of its members, which others read after we are done
        _check(path, archive.infolist())
        files = [member for member in archive.infolist() if not member.is_dir()]
        if not files:
            yield Left(str(path), "a ZIP without files", fault=True)
        for member in files:
            yield _found(path, archive, member, largest, folder)
    except _BROKEN as fault:
        raise UsageError(f"{path}: cannot be read as ZIP ({fault}); make it anew") from None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise UsageError(
            f"{folder}: cannot be made ({fault.strerror}), and large members of a ZIP are unpacked there; let "
            "GATEWAY_HOME be a folder that may be written to"
        ) from None


def _found(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, largest: int, folder: Path) -> Found:
    name = f"{path}:{member.filename}"
    if member.flag_bits & _ENCRYPTED:
        return Left(name, "encrypted in the ZIP", fault=True)
    if member.file_size > largest:
        return Left(name, f"unpacks to more than {largest} bytes (GATEWAY_MAX_OBJECT_BYTES)", fault=True)
    return Candidate(name, partial(_opened, archive, member, folder))


@contextmanager
def _opened(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> Iterator[BinaryIO]:
    """A nameless copy of a member that can be sought in. It never grows beyond what the directory says of it."""
    with SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=str(folder)) as copy:
        try:
            with archive.open(member) as packed:
                head = packed.read(HEAD_BYTES)
                if not recognised(head):
                    raise NotSent("not DICOM")
                copy.write(head)
                while chunk := packed.read(_CHUNK):
                    copy.write(chunk)
        except _BROKEN as fault:
            raise NotSent(f"cannot be unpacked: {fault}", fault=True) from None
        yield copy  # type: ignore[misc]  # seeks, reads and tells as a file does


def _check(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse what would cost too much. Ratio by the file's own size: members of a bomb share their bytes."""
    unpacked = sum(entry.file_size for entry in entries)
    ratio = unpacked / max(path.stat().st_size, 1)
    if len(entries) > MOST_MEMBERS:
        raise _refused(path, f"has {len(entries)} members, {MOST_MEMBERS} at most are taken")
    if unpacked > MOST_BYTES:
        raise _refused(path, f"unpacks to {unpacked >> 30} GiB, {MOST_BYTES >> 30} GiB at most are taken")
    if unpacked > FREE_OF_RATIO_BYTES and ratio > MOST_RATIO:
        raise _refused(path, f"unpacks to {ratio:.0f} times its size, {MOST_RATIO} times at most is taken")


def _refused(path: Path, what: str) -> UsageError:
    return UsageError(f"{path}: {what}; unpack it yourself and import the folder")


def _check_directory(path: Path) -> None:
    """Refuse a central directory that does not fit into memory, before anything reads it (APPNOTE 4.3.14 to 4.3.16)."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 22 - 0xFFFF - 20))
        tail = file.read()
        end = tail.rfind(_END)
        if end < 0 or end + 22 > len(tail):
            raise zipfile.BadZipFile("it has no end of central directory")
        directory = int.from_bytes(tail[end + 12 : end + 16], "little")
        if end >= 20 and tail[end - 20 : end - 16] == _LOCATOR_64:
            file.seek(min(int.from_bytes(tail[end - 12 : end - 4], "little"), size))
            wide = file.read(56)
            directory = int.from_bytes(wide[40:48], "little") if wide[:4] == _END_64 else directory
    if directory > MOST_DIRECTORY_BYTES:
        raise _refused(path, f"has a directory of {directory >> 20} MiB, {MOST_DIRECTORY_BYTES >> 20} MiB at most")

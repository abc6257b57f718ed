"""What a person names for import: folders, ZIPs, DICOMDIRs, files."""

import itertools
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from services.admin.importing.archive import members
from services.admin.importing.found import Found
from services.admin.importing.media import is_media_directory, referenced
from services.admin.importing.regular import below, regular
from services.runtime.errors import UsageError


def sources(paths: Sequence[Path], largest: int, folder: Path) -> Iterator[Found]:
    """Every file of all paths, in their order. A DICOMDIR stands for the files it names, a folder for all below it.
    Large members of ZIPs are unpacked in ``folder``, nameless.

    Raises ``UsageError``: a path does not exist (before anything is handed out), or what it is cannot be read.
    """
    readers = [_reader(path, largest, folder) for path in paths]
    return itertools.chain.from_iterable(read() for read in readers)


def _reader(path: Path, largest: int, folder: Path) -> Callable[[], Iterator[Found]]:
    if path.is_dir():
        return lambda: below(path)
    if not path.is_file():
        what = "is no file and no folder" if path.exists() else "does not exist"
        raise UsageError(f"{path}: {what}; name a folder, a ZIP, a DICOMDIR or a file")
    if is_media_directory(path):
        return lambda: referenced(path)
    try:
        zipped = zipfile.is_zipfile(path) or _begins_as_zip(path)
    except OSError as fault:
        raise UsageError(f"{path}: cannot be read ({fault.strerror}); allow it to be read") from None
    return (lambda: members(path, largest, folder)) if zipped else (lambda: iter([regular(path, meant=True)]))


def _begins_as_zip(path: Path) -> bool:
    """Whether its first bytes are those of a ZIP's first member (APPNOTE 4.3.7): it may be cut off."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\3\4"

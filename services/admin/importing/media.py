"""The files that a DICOMDIR names (PS3.3 annex F, PS3.10 section 8)."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydicom import dcmread

from services.admin.damaged_files import DAMAGED
from services.admin.importing.found import Found, Left
from services.admin.importing.instances import MEDIA_DIRECTORY
from services.admin.importing.regular import regular
from services.runtime.errors import UsageError

MOST_DIRECTORY_BYTES: Final = 256 << 20
_NOT_IN_USE: Final = 0x0000


def is_media_directory(path: Path) -> bool:
    """Whether the file is a DICOMDIR, by its name (PS3.10 8.6)."""
    return path.name.upper() == "DICOMDIR"


def referenced(path: Path) -> Iterator[Found]:
    """Each file a DICOMDIR names, once; what is missing, or would lie outside its folder, is left with the reason.

    Raises ``UsageError`` for what cannot be read as DICOMDIR.
    """
    root = path.parent.resolve()
    seen: set[tuple[str, ...]] = set()
    for components in _file_ids(path):
        if components in seen:
            continue
        seen.add(components)
        yield _found(root, components)


def _found(root: Path, components: tuple[str, ...]) -> Found:
    name = str(root.joinpath(*components)) if all(map(_harmless, components)) else "/".join(components)
    if not all(map(_harmless, components)):
        return Left(name, "the DICOMDIR names a file outside its folder", fault=True)
    file = _in_any_case(root, components)
    if file is None:
        return Left(name, "named by the DICOMDIR and missing", fault=True)
    if not file.resolve().is_relative_to(root):
        return Left(name, "a link that leads out of the folder of the DICOMDIR", fault=True)
    return regular(file, meant=True)


def _harmless(component: str) -> bool:
    return bool(component) and component not in (".", "..") and "/" not in component and "\0" not in component


def _in_any_case(root: Path, components: tuple[str, ...]) -> Path | None:
    """The file, as written or in lower case: what copied it from the medium may have changed that."""
    for wanted in (components, tuple(part.lower() for part in components)):
        file = root.joinpath(*wanted)
        if file.is_file():
            return file
    return None


def _file_ids(path: Path) -> list[tuple[str, ...]]:
    """Referenced File IDs (0004,1500) of the records in use."""
    cure = "import its folder instead"
    if path.stat().st_size > MOST_DIRECTORY_BYTES:
        raise UsageError(f"{path}: a DICOMDIR of more than {MOST_DIRECTORY_BYTES >> 20} MiB; {cure}")
    try:
        with warnings.catch_warnings(action="ignore"):
            directory: Any = dcmread(path)
            if directory.file_meta.get("MediaStorageSOPClassUID") == MEDIA_DIRECTORY:
                return [
                    _parts(record) for record in directory.get("DirectoryRecordSequence", ()) if _names_a_file(record)
                ]
    except (*DAMAGED, OSError) as fault:
        raise UsageError(f"{path}: cannot be read as DICOMDIR ({type(fault).__name__}); {cure}") from fault
    raise UsageError(f"{path}: is no DICOMDIR; {cure}")


def _names_a_file(record: Any) -> bool:
    return bool(record.get("ReferencedFileID")) and record.get("RecordInUseFlag", 0xFFFF) != _NOT_IN_USE


def _parts(record: Any) -> tuple[str, ...]:
    named = record.ReferencedFileID
    return (named,) if isinstance(named, str) else tuple(str(part) for part in named)

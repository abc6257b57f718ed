"""What is stored, as files to take away: one as it is, many as a ZIP that is made while it is sent."""

import zipfile
from collections.abc import Iterator, Sequence
from typing import Final

from services.admin.errors import Refused
from services.admin.exporting.contents import StoredContent
from services.admin.exporting.files import file_of
from services.dicom.part10 import file_head
from services.runtime.objects import ObjectStore

MOST_FILES: Final = 20_000
_QUICK: Final = 1
"""How hard a ZIP is packed: headers and counts pack well even so."""


class _Passing:
    """What a ZIP writes, until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep it."""
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def taken(self) -> bytes:
        """What was written since."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def length_of(content: StoredContent) -> int:
    """Bytes of its file."""
    return len(file_head(content.meta)) + content.size


def named(contents: Sequence[StoredContent]) -> list[tuple[str, StoredContent]]:
    """The files of a ZIP by name. Raises ``Refused`` for too many, and for a UID that is no name."""
    if len(contents) > MOST_FILES:
        raise Refused(
            f"{len(contents)} instances: at most {MOST_FILES} in one download; 'gateway studies export' does it"
        )
    return [(content.path(with_revision=False), content) for content in contents]


def as_file_set(
    objects: ObjectStore, contents: Sequence[StoredContent]
) -> tuple[list[tuple[str, StoredContent]], bytes]:
    """The files of a ZIP that is a file-set, by name, and its DICOMDIR. Blocks. Raises ``UsageError``, ``Refused``."""
    # Imported here: pydicom's file-sets are slow to load, and few downloads want one.
    from services.admin.exporting.file_set import file_set

    with file_set(objects, contents) as (directory, names):
        return [(names[each.sop_instance_uid], each) for each in contents], directory


def zipped(objects: ObjectStore, files: Sequence[tuple[str, StoredContent]], directory: bytes = b"") -> Iterator[bytes]:
    """A ZIP in parts of about a chunk of a file; memory does not grow with it. ``directory``: its DICOMDIR, if it has
    one. Blocks. Raises as ``file_of``: what was sent until then is no whole ZIP."""
    out = _Passing()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, allowZip64=True, compresslevel=_QUICK) as made:  # type: ignore[call-overload]
        for name, content in files:
            with made.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                for chunk in file_of(objects, content):
                    member.write(chunk)
                    if part := out.taken():
                        yield part
            yield out.taken()
        if directory:
            made.writestr("DICOMDIR", directory)
    yield out.taken()

"""The layout of a file-set for media: names of files and the DICOMDIR (PS3.10 section 8, PS3.3 annex F).

pydicom's file-set makes both, from the headers alone; what it writes of the instances is thrown away.
"""

import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pydicom import dcmread
from pydicom.fileset import FileSet

from services.admin.damaged_files import DAMAGED, is_damage
from services.admin.errors import Refused
from services.admin.exporting.contents import StoredContent
from services.runtime.errors import UsageError
from services.runtime.objects import ObjectStore

MOST_INSTANCES: Final = 2000
"""pydicom compares each instance with all before it."""
_LONGEST_VALUE: Final = 1 << 20
_BULK: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_CURE: Final = "export it without --dicomdir"


@contextmanager
def file_set(objects: ObjectStore, contents: Sequence[StoredContent]) -> Iterator[tuple[bytes, Mapping[str, str]]]:
    """The DICOMDIR, and the name of each instance's file by its SOP Instance UID.

    Raises ``UsageError`` for too many instances, ``Refused`` for one that no directory record can be made of.
    """
    if len(contents) > MOST_INSTANCES:
        raise UsageError(f"--dicomdir: {len(contents)} instances, {MOST_INSTANCES} at most; export fewer at a time")
    with tempfile.TemporaryDirectory(prefix="gateway-file-set-") as folder, warnings.catch_warnings(action="ignore"):
        made = FileSet()
        try:
            for content in contents:
                _add(made, _header(objects, content), content)
            made.write(folder)
            names = {str(each.SOPInstanceUID): each.FileID.replace("\\", "/") for each in made}
            directory = (Path(folder) / "DICOMDIR").read_bytes()
        finally:
            made._stage["t"].cleanup()  # a folder of its own, which it leaves to the collector of garbage
    yield directory, names


def _add(made: FileSet, header: Any, content: StoredContent) -> None:
    try:
        made.add(header)
    except (ValueError, TypeError, AttributeError, LookupError, NotImplementedError, OSError) as fault:
        raise Refused(
            f"instance {content.sop_instance_uid}: the DICOMDIR cannot name it, an element that its record needs is "
            f"missing, empty or of no known value ({type(fault).__name__}); {_CURE}"
        ) from fault


def _header(objects: ObjectStore, content: StoredContent) -> Any:
    """Its elements before the pixel data, without private ones and bulk data, which no directory record holds."""
    try:
        with objects.open(content.object_key) as source:
            header = dcmread(source, stop_before_pixels=True)
        for tag in list(header.keys()):
            element: Any = header.get_item(tag)
            if tag.is_private or element.VR in _BULK or len(element.value or b"") > _LONGEST_VALUE:
                del header[tag]
    except (*DAMAGED, OSError) as fault:
        if not is_damage(fault):
            raise
        raise Refused(f"instance {content.sop_instance_uid}: its header cannot be read by pydicom; {_CURE}") from fault
    return header

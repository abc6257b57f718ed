"""Whether an object still holds the data set it was recorded with. Blocks: run it in a thread."""

import hashlib

from services.dicom.elements import UnparsableDataSet
from services.dicom.part10 import read_object
from services.runtime.errors import ObjectMissing
from services.runtime.objects import ObjectStore

CHUNK_BYTES = 1 << 20


def intact(objects: ObjectStore, key: str, offset: int, sha256: str) -> bool:
    """Read the data set from ``offset`` to the end and compare its hash; False also when the object is gone.

    Raises ``StoreFailed``, ``Unavailable``: then nobody knows.
    """
    digest = hashlib.sha256()
    try:
        with objects.open(key) as source:
            source.seek(offset)
            while chunk := source.read(CHUNK_BYTES):
                digest.update(chunk)
    except ObjectMissing:
        return False
    return digest.hexdigest() == sha256


def data_set_offset(objects: ObjectStore, key: str) -> int | None:
    """Where the data set of an object begins; None when the object is gone or no longer one of ours."""
    try:
        with objects.open(key) as source:
            return read_object(source, key).offset
    except (ObjectMissing, UnparsableDataSet):
        return None

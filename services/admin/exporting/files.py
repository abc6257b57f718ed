"""A stored content as a file: file meta of our own, then the data set bit for bit, whose hash is checked on the way."""

import hashlib
from collections.abc import Iterator
from typing import Final

from services.admin.errors import Refused
from services.admin.exporting.contents import StoredContent
from services.dicom.part10 import file_head
from services.runtime.errors import ObjectMissing
from services.runtime.objects import ObjectStore

CHUNK: Final = 1 << 20


def file_of(objects: ObjectStore, content: StoredContent) -> Iterator[bytes]:
    """The bytes of its Part 10 file. Raises ``Refused`` if the object is gone or has other bytes than were received,
    ``StoreFailed``, ``Unavailable``."""
    digest = hashlib.sha256()
    yield file_head(content.meta)
    try:
        with objects.open(content.object_key) as source:
            source.seek(content.data_set_offset)
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                yield chunk
    except ObjectMissing:
        raise Refused(
            f"instance {content.sop_instance_uid}: its object {content.object_key} is gone; if it was not deleted just "
            "now, see 'gateway where' and have it sent again"
        ) from None
    if digest.hexdigest() != content.sha256:
        raise Refused(
            f"instance {content.sop_instance_uid}: its object {content.object_key} is damaged; have it sent again"
        )

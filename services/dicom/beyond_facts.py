"""Elements that rules name and header facts do not hold, read from the stored object. Blocks: run it in a thread."""

from collections.abc import Mapping
from typing import Any

from services.dicom.elements import UnparsableDataSet
from services.dicom.facts import read_elements
from services.dicom.rules.subject import Subject
from services.runtime.errors import ObjectMissing
from services.runtime.objects import ObjectStore


def completed(
    subject: Subject, asked: frozenset[str], objects: ObjectStore, receipt: Mapping[str, Any]
) -> tuple[Subject, str]:
    """The subject with the elements asked for, and why they could not be read; "" where they were.

    ``receipt`` is a row of ``storage.receipt_view``. Raises ``StoreFailed``, ``Unavailable``, ``OSError``: perhaps
    they can be read later.
    """
    if not asked:
        return subject, ""
    try:
        with objects.open(receipt["object_key"]) as source:
            elements = read_elements(
                source, receipt["data_set_offset"], receipt["size"], receipt["transfer_syntax_uid"], asked
            )
    except (ObjectMissing, UnparsableDataSet) as error:
        return subject, f"elements beyond the facts could not be read: {error}"
    return subject.with_elements(elements, asked), ""

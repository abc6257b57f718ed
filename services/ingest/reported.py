"""Reading the data set of an N-EVENT-REPORT of storage commitment (PS3.4 J.3.3.1, R135). Pure."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.commitment import ReportedInstance
from services.dicom.dictionary import implicit_vr
from services.dicom.elements import ITEM, UnparsableDataSet, Walker
from services.dicom.uids import valid_uid

TRANSACTION_UID: Final = 0x00081195
FAILED_SOP_SEQUENCE, REFERENCED_SOP_SEQUENCE = 0x00081198, 0x00081199
SOP_CLASS, SOP_INSTANCE, FAILURE_REASON = 0x00081150, 0x00081155, 0x00081197
_LONGEST: Final = 64


@dataclass
class Reported:
    """What a report names."""

    transaction_uid: str = ""
    committed: list[ReportedInstance] = field(default_factory=list)
    failed: list[ReportedInstance] = field(default_factory=list)


def read_reported(data: bytes, transfer_syntax: str) -> Reported:
    """What the report says.

    Raises ``UnparsableDataSet``: not readable, no legal Transaction UID, no instances, or one without its UIDs.
    """
    walker = Walker(io.BytesIO(data), 0, len(data), transfer_syntax, lambda tag, _: implicit_vr(tag, {}, signed=False))
    items: dict[int, list[dict[int, bytes]]] = {REFERENCED_SOP_SEQUENCE: [], FAILED_SOP_SEQUENCE: []}
    sequence, transaction = 0, b""
    for tag, _, position, length, depth in walker:
        if tag == ITEM and depth == 1 and sequence in items:
            items[sequence].append({})
        elif depth == 0:
            sequence = tag
            if tag == TRANSACTION_UID and length <= _LONGEST:
                transaction = walker.value(position, length)
        elif depth == 1 and sequence in items and length <= _LONGEST:
            items[sequence][-1][tag] = walker.value(position, length)
    return _checked(_text(transaction), _instances(items[REFERENCED_SOP_SEQUENCE]), items[FAILED_SOP_SEQUENCE])


def _checked(
    transaction_uid: str, committed: list[ReportedInstance], failed_items: Sequence[dict[int, bytes]]
) -> Reported:
    reported = Reported(transaction_uid, committed, _instances(failed_items, failed=True))
    named = (*reported.committed, *reported.failed)
    if not valid_uid(transaction_uid):
        raise UnparsableDataSet("no-transaction-uid", 0)
    if not named:
        raise UnparsableDataSet("no-instances", 0)
    if not all(valid_uid(each.sop_class_uid) and valid_uid(each.sop_instance_uid) for each in named):
        raise UnparsableDataSet("instance-without-uid", 0)
    return reported


def _instances(items: Sequence[dict[int, bytes]], *, failed: bool = False) -> list[ReportedInstance]:
    return [
        ReportedInstance(
            sop_class_uid=_text(item.get(SOP_CLASS, b"")),
            sop_instance_uid=_text(item.get(SOP_INSTANCE, b"")),
            failure_reason=int.from_bytes(item.get(FAILURE_REASON, b"")[:2], "little") if failed else None,
        )
        for item in items
    ]


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip("\0 ")

"""The data sets of storage commitment, read and written (PS3.4 J.3.2.1, J.3.3.1; R133 to R136). Pure.

They are built from bytes: 20,000 references as pydicom objects take seconds. Storage Media File-Set ID and UID are
neither written nor read (R78, R134, R135).
"""

import io
from collections.abc import Collection
from dataclasses import dataclass
from struct import Struct
from typing import Final
from uuid import uuid4

from schemas.commitment import COMPLETE, WITH_FAILURES, ReportedInstance, RequestedInstance
from services.dicom import status
from services.dicom.contexts import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN
from services.dicom.dictionary import implicit_vr
from services.dicom.elements import ITEM, UNDEFINED, Element, UnparsableDataSet, Walker
from services.dicom.uids import valid_uid
from services.runtime.errors import GatewayError

LARGEST_BYTES: Final = 16 << 20
"""Largest request or report that is read into memory; some 130,000 instances."""
MOST_INSTANCES: Final = 100_000
"""Of one request or report."""

FAILURE_NAMES: Final[dict[int, str]] = {
    status.PROCESSING_FAILURE: "Processing failure",
    status.NO_SUCH_INSTANCE: "No such object instance",
    status.RESOURCE_LIMITATION: "Resource limitation",
    status.SOP_CLASS_NOT_SUPPORTED: "Referenced SOP Class not supported",
    status.CLASS_INSTANCE_CONFLICT: "Class / Instance conflict",
    status.DUPLICATE_TRANSACTION_UID: "Duplicate transaction UID",
}
"""R136, PS3.3 C.14.1.1."""

_RETRIEVE_AET: Final = 0x00080054
_TRANSACTION_UID: Final = 0x00081195
_FAILED_SEQUENCE, _REFERENCED_SEQUENCE = 0x00081198, 0x00081199
_SOP_CLASS, _SOP_INSTANCE, _FAILURE_REASON = 0x00081150, 0x00081155, 0x00081197
_LONGEST_UID: Final = 64
_MOST_ELEMENTS: Final = 10 * MOST_INSTANCES

_EXPLICIT_HEADER = Struct("<HH2sH")
_EXPLICIT_SEQUENCE = Struct("<HH2s2xI")
_IMPLICIT_HEADER = Struct("<HHI")
_REASON = Struct("<H")

Items = list[dict[int, bytes]]


class UnreadableCommitment(GatewayError):
    """The data set is no request or report. ``status`` answers an N-ACTION: 0115, 0212, 0213 or, not parsable, 0110.

    ``reason`` is one of a few constants; no values.
    """

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.reason, self.status = reason, status


@dataclass(frozen=True)
class Reported:
    """What a report names."""

    transaction_uid: str
    committed: list[ReportedInstance]
    failed: list[ReportedInstance]


@dataclass(frozen=True)
class Requested:
    """What a request names, each instance once, in its order."""

    transaction_uid: str
    instances: list[RequestedInstance]


def new_transaction_uid() -> str:
    """A UID that nobody else has made (PS3.5 B.2)."""
    return f"2.25.{uuid4().int}"


def failure_name(reason: int) -> str:
    """Words for a failure reason of a report (R136); "undefined" for one the table does not have."""
    return FAILURE_NAMES.get(reason, "undefined")


def read_report(data: bytes, transfer_syntax: str) -> Reported:
    """What a report says (R135).

    VRs are not judged: what can be told from a sloppy report is worth more than its refusal. Raises
    ``UnreadableCommitment``: not readable, no legal Transaction UID, no instances, or one without its UIDs.
    """
    transaction, items = _read(data, transfer_syntax, (_REFERENCED_SEQUENCE, _FAILED_SEQUENCE), strict=False)
    committed = [_reported(item, None) for item in items[_REFERENCED_SEQUENCE]]
    failed = [
        _reported(item, int.from_bytes(item.get(_FAILURE_REASON, b"")[:2], "little"))
        for item in items[_FAILED_SEQUENCE]
    ]
    return Reported(transaction, committed, failed)


def read_request(data: bytes, transfer_syntax: str) -> Requested:
    """What a request asks for (R134); an instance that is named twice is asked for once.

    Raises ``UnreadableCommitment``: 0212 for an element of another type or length than its own, 0115 for a value that
    is missing or no UID, 0213 for more instances than are taken, 0110 for a data set that cannot be parsed.
    """
    transaction, items = _read(data, transfer_syntax, (_REFERENCED_SEQUENCE,), strict=True)
    pairs = dict.fromkeys((_text(item[_SOP_CLASS]), _text(item[_SOP_INSTANCE])) for item in items[_REFERENCED_SEQUENCE])
    return Requested(
        transaction, [RequestedInstance(sop_class_uid=each, sop_instance_uid=instance) for each, instance in pairs]
    )


def encode_request(transaction_uid: str, instances: Collection[tuple[str, str]], transfer_syntax: str) -> bytes:
    """The action information of an N-ACTION (PS3.4 table J.3-1); ``instances`` are SOP class and instance UIDs.

    Raises ValueError: no instance, a UID that is not ASCII, or a transfer syntax that is neither little endian.
    """
    if not instances:
        raise ValueError("a storage commitment request names at least one instance")
    write = _Writer(transfer_syntax)
    items = [write.reference(*instance) for instance in instances]
    return write.uid(_TRANSACTION_UID, transaction_uid) + write.sequence(_REFERENCED_SEQUENCE, items)


def encode_report(
    transaction_uid: str,
    committed: Collection[tuple[str, str]],
    failed: Collection[tuple[str, str, int]],
    transfer_syntax: str,
    *,
    retrieve_aet: str = "",
) -> bytes:
    """The event information of an N-EVENT-REPORT (PS3.4 table J.3-2); ``failed`` are class, instance and reason.

    Lists that are empty are left out. ``retrieve_aet`` is the Retrieve AE Title, if one is to be named. Raises as
    ``encode_request``.
    """
    if not committed and not failed:
        raise ValueError("a storage commitment report names at least one instance")
    write = _Writer(transfer_syntax)
    parts = [write.text(_RETRIEVE_AET, b"AE", retrieve_aet)] if retrieve_aet else []
    parts.append(write.uid(_TRANSACTION_UID, transaction_uid))
    if failed:
        parts.append(write.sequence(_FAILED_SEQUENCE, [write.failure(*each) for each in failed]))
    if committed:
        parts.append(write.sequence(_REFERENCED_SEQUENCE, [write.reference(*each) for each in committed]))
    return b"".join(parts)


def event_type(failed: Collection[object]) -> int:
    """The event type of a report with these failures (PS3.4 J.3.3.1)."""
    return WITH_FAILURES if failed else COMPLETE


class _Writer:
    def __init__(self, transfer_syntax: str) -> None:
        if transfer_syntax not in (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN):
            raise ValueError(f"storage commitment is not written in transfer syntax {transfer_syntax}")
        self._explicit = transfer_syntax == EXPLICIT_LITTLE_ENDIAN

    def uid(self, tag: int, value: str) -> bytes:
        encoded = value.encode("ascii")
        return self._element(tag, b"UI", encoded + b"\0" if len(encoded) % 2 else encoded)

    def text(self, tag: int, vr: bytes, value: str) -> bytes:
        encoded = value.encode("ascii")
        return self._element(tag, vr, encoded + b" " if len(encoded) % 2 else encoded)

    def reference(self, sop_class_uid: str, sop_instance_uid: str) -> bytes:
        return self.uid(_SOP_CLASS, sop_class_uid) + self.uid(_SOP_INSTANCE, sop_instance_uid)

    def failure(self, sop_class_uid: str, sop_instance_uid: str, reason: int) -> bytes:
        return self.reference(sop_class_uid, sop_instance_uid) + self._element(
            _FAILURE_REASON, b"US", _REASON.pack(reason)
        )

    def sequence(self, tag: int, items: Collection[bytes]) -> bytes:
        value = b"".join(_IMPLICIT_HEADER.pack(ITEM >> 16, ITEM & 0xFFFF, len(item)) + item for item in items)
        if self._explicit:
            return _EXPLICIT_SEQUENCE.pack(tag >> 16, tag & 0xFFFF, b"SQ", len(value)) + value
        return _IMPLICIT_HEADER.pack(tag >> 16, tag & 0xFFFF, len(value)) + value

    def _element(self, tag: int, vr: bytes, value: bytes) -> bytes:
        if self._explicit:
            return _EXPLICIT_HEADER.pack(tag >> 16, tag & 0xFFFF, vr, len(value)) + value
        return _IMPLICIT_HEADER.pack(tag >> 16, tag & 0xFFFF, len(value)) + value


def _read(
    data: bytes, transfer_syntax: str, sequences: tuple[int, ...], *, strict: bool
) -> tuple[str, dict[int, Items]]:
    reader = _Reader(data, transfer_syntax, sequences, strict=strict)
    try:
        reader.read()
    except UnparsableDataSet as fault:
        raise UnreadableCommitment(str(fault), status.PROCESSING_FAILURE) from fault
    if not valid_uid(_text(reader.transaction)):
        raise UnreadableCommitment("no-transaction-uid", status.INVALID_ARGUMENT)
    if not any(reader.items.values()):
        raise UnreadableCommitment("no-instances", status.INVALID_ARGUMENT)
    return _text(reader.transaction), reader.items


class _Reader:
    """One pass over a data set. An item is judged when it ends, so that bad ones are not gathered."""

    def __init__(self, data: bytes, transfer_syntax: str, sequences: tuple[int, ...], *, strict: bool) -> None:
        source = io.BytesIO(data)
        self._walker = Walker(source, 0, len(data), transfer_syntax, lambda tag, _: implicit_vr(tag, {}, signed=False))
        self._strict = strict
        self._sequence = 0
        self._left = MOST_INSTANCES
        self.transaction = b""
        self.items: dict[int, Items] = {tag: [] for tag in sequences}

    def read(self) -> None:
        for number, element in enumerate(self._walker):
            if number >= _MOST_ELEMENTS:
                raise UnreadableCommitment("too-many-elements", status.RESOURCE_LIMITATION)
            tag, depth = element[0], element[4]
            if depth == 0:
                self._judge_last()
                self._outside(element)
            elif depth == 1 and self._sequence in self.items:
                if tag == ITEM:
                    self._judge_last()
                    self._begin()
                else:
                    self._inside(element)
        self._judge_last()

    def _outside(self, element: Element) -> None:
        tag, vr, *_ = element
        self._sequence = tag
        if tag in self.items and vr != "SQ":
            self._mistyped("no-sequence")
        if tag == _TRANSACTION_UID:
            self.transaction = self._uid(element)

    def _begin(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise UnreadableCommitment("too-many-instances", status.RESOURCE_LIMITATION)
        self.items[self._sequence].append({})

    def _inside(self, element: Element) -> None:
        tag, _, position, length, _ = element
        item = self.items[self._sequence][-1]
        if tag in (_SOP_CLASS, _SOP_INSTANCE):
            item[tag] = self._uid(element)
        elif tag == _FAILURE_REASON and length <= _LONGEST_UID:
            item[tag] = self._walker.value(position, length)

    def _uid(self, element: Element) -> bytes:
        _, vr, position, length, _ = element
        if vr not in ("UI", "UN"):
            self._mistyped("no-uid-type")
        if length > _LONGEST_UID or length == UNDEFINED:
            self._mistyped("uid-too-long")
            return b""
        return self._walker.value(position, length)

    def _mistyped(self, reason: str) -> None:
        if self._strict:
            raise UnreadableCommitment(reason, status.MISTYPED_ARGUMENT)

    def _judge_last(self) -> None:
        items = self.items.get(self._sequence)
        if items and not all(valid_uid(_text(items[-1].get(tag, b""))) for tag in (_SOP_CLASS, _SOP_INSTANCE)):
            raise UnreadableCommitment("instance-without-uid", status.INVALID_ARGUMENT)


def _reported(item: dict[int, bytes], reason: int | None) -> ReportedInstance:
    return ReportedInstance(
        sop_class_uid=_text(item[_SOP_CLASS]), sop_instance_uid=_text(item[_SOP_INSTANCE]), failure_reason=reason
    )


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip("\0 ")

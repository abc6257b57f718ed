"""Storage commitment on the wire: action and event information, reports on an acceptor's association (PS3.4 J.3)."""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schemas.commitment import ReportedInstance, RequestedInstance
from services.dicom import commands
from services.dicom.association import Association, after
from services.dicom.contexts import COMMITMENT_PUSH, IMPLICIT_LITTLE_ENDIAN, PresentationContext
from services.dicom.dictionary import implicit_vr
from services.dicom.elements import ITEM, UnparsableDataSet, Walker
from services.dicom.errors import PeerTooSlow, ProtocolViolation
from services.dicom.uids import valid_uid
from services.runtime.errors import GatewayError

PUSH_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
"""The well-known SOP instance of the class (PS3.4 J.3.5)."""
STORAGE_COMMITMENT_ACTION: Final = 1
TRANSACTION_UID: Final = 0x00081195
FAILED_SOP_SEQUENCE, REFERENCED_SOP_SEQUENCE = 0x00081198, 0x00081199
SOP_CLASS, SOP_INSTANCE, FAILURE_REASON = 0x00081150, 0x00081155, 0x00081197
_LONGEST: Final = 64
_REPRESENTATIONS: Final = {
    TRANSACTION_UID: "UI", REFERENCED_SOP_SEQUENCE: "SQ", SOP_CLASS: "UI", SOP_INSTANCE: "UI",
}  # fmt: skip


class Mistyped(GatewayError):
    """An element of the information has another value representation than the standard gives it."""


@dataclass(frozen=True)
class Requested:
    """What a request names."""

    transaction_uid: str
    instances: list[RequestedInstance]


def read_request(data: bytes, transfer_syntax: str) -> Requested:
    """The action information of an N-ACTION (PS3.4 J.3.2.1).

    Raises:
        UnparsableDataSet: not readable, no legal Transaction UID, no instances, or one without its UIDs.
        Mistyped: an element is of another type.
    """
    walker = Walker(io.BytesIO(data), 0, len(data), transfer_syntax, lambda tag, _: implicit_vr(tag, {}, signed=False))
    items: list[dict[int, bytes]] = []
    sequence, transaction = 0, b""
    for tag, representation, position, length, depth in walker:
        if tag == ITEM and depth == 1 and sequence == REFERENCED_SOP_SEQUENCE:
            items.append({})
            continue
        if depth == 0 or (depth == 1 and sequence == REFERENCED_SOP_SEQUENCE):
            _check_representation(tag, representation)
        if depth == 0:
            sequence = tag
            if tag == TRANSACTION_UID and length <= _LONGEST:
                transaction = walker.value(position, length)
        elif depth == 1 and sequence == REFERENCED_SOP_SEQUENCE and length <= _LONGEST:
            items[-1][tag] = walker.value(position, length)
    return _checked(_text(transaction), items)


def _check_representation(tag: int, representation: str) -> None:
    expected = _REPRESENTATIONS.get(tag)
    if expected is not None and representation not in (expected, "UN"):
        raise Mistyped(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is {representation} instead of {expected}")


def _checked(transaction_uid: str, items: Sequence[dict[int, bytes]]) -> Requested:
    instances = [
        RequestedInstance(
            sop_class_uid=_text(item.get(SOP_CLASS, b"")), sop_instance_uid=_text(item.get(SOP_INSTANCE, b""))
        )
        for item in items
    ]
    if not valid_uid(transaction_uid):
        raise UnparsableDataSet("no-transaction-uid", 0)
    if not instances:
        raise UnparsableDataSet("no-instances", 0)
    if not all(valid_uid(each.sop_class_uid) and valid_uid(each.sop_instance_uid) for each in instances):
        raise UnparsableDataSet("instance-without-uid", 0)
    return Requested(transaction_uid, instances)


def encode_report(
    transaction_uid: str,
    committed: Sequence[ReportedInstance],
    failed: Sequence[ReportedInstance],
    transfer_syntax: str,
) -> bytes:
    """The event information of an N-EVENT-REPORT (PS3.4 J.3.3.1); a sequence without items is left out."""
    implicit = transfer_syntax == IMPLICIT_LITTLE_ENDIAN
    data = _element(TRANSACTION_UID, b"UI", _uid(transaction_uid), implicit=implicit)
    for tag, instances in ((FAILED_SOP_SEQUENCE, failed), (REFERENCED_SOP_SEQUENCE, committed)):
        if instances:
            items = b"".join(_item(each, implicit=implicit) for each in instances)
            data += _element(tag, b"SQ", items, implicit=implicit)
    return data


def _item(instance: ReportedInstance, *, implicit: bool) -> bytes:
    body = _element(SOP_CLASS, b"UI", _uid(instance.sop_class_uid), implicit=implicit)
    body += _element(SOP_INSTANCE, b"UI", _uid(instance.sop_instance_uid), implicit=implicit)
    if instance.failure_reason is not None:
        body += _element(FAILURE_REASON, b"US", struct.pack("<H", instance.failure_reason), implicit=implicit)
    return struct.pack("<HHI", ITEM >> 16, ITEM & 0xFFFF, len(body)) + body


def _element(tag: int, representation: bytes, value: bytes, *, implicit: bool) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if implicit:
        return head + struct.pack("<I", len(value)) + value
    long = representation == b"SQ"
    return head + representation + (struct.pack("<2xI" if long else "<H", len(value))) + value


def _uid(text: str) -> bytes:
    return text.encode("ascii") + b"\0" * (len(text) % 2)


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip("\0 ")


def report_command(event_type: int, message_id: int) -> bytes:
    """An N-EVENT-REPORT-RQ with a data set (PS3.7 10.3.1.1)."""
    return commands.encode(
        affected_sop_class_uid=COMMITMENT_PUSH,
        command_field=commands.N_EVENT_REPORT,
        message_id=message_id,
        data_set_type=commands.DATA_SET,
        affected_sop_instance_uid=PUSH_INSTANCE,
        event_type_id=event_type,
    )


def quiet(association: Association, seconds: float) -> bool:
    """Wait until something comes from the peer, which stays unread: False. True when nothing did for so long.

    Raises AssociationAborted, PeerGone.
    """
    if association.stream.remaining:
        return False
    try:
        association.stream.fill(1, after(seconds))
    except PeerTooSlow:
        return True
    return False


def report_back(
    association: Association, context: PresentationContext, event_type: int, data: bytes, wait_seconds: float
) -> int:
    """An N-EVENT-REPORT from the acceptor's side, between two requests of the peer; its status.

    Raises PeerTooSlow, ProtocolViolation for anything but the answer, and the other errors of the stream.
    """
    message_id = 1
    association.send_message(
        context.id, report_command(event_type, message_id), association.chunks_of(data), len(data)
    )  # fmt: skip
    message = association.read_command(after(wait_seconds))
    if message is None:
        raise ProtocolViolation("A-RELEASE-RQ instead of the answer to a report")
    got, answer = message
    expected = commands.N_EVENT_REPORT | commands.RESPONSE
    if (answer.command_field, answer.message_id, got.id) != (expected, message_id, context.id):
        raise ProtocolViolation(f"command {answer.command_field:04X} instead of the answer to a report")
    if answer.status is None:
        raise ProtocolViolation("answer to a report without status")
    if answer.has_data_set:
        association.stream.copy_data_set(got.id, None, None, association.stream.guards.maximum_command)
    return answer.status

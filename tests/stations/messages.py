"""Whole DIMSE messages over a socket, by hand, and the data sets of storage commitment (PS3.7 6.3, PS3.4 J.3).

It shares no code with the gateway, so neither hides the other's mistakes.
"""

import io
import socket
import struct
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from tests.stations.raw_association import ABORT, P_DATA, RELEASE_RQ, read_pdu
from tests.stations.raw_sender import IMPLICIT_LITTLE_ENDIAN, command_set, data_pdu, number, uid

COMMITMENT: Final = "1.2.840.10008.1.20.1"
COMMITMENT_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
C_STORE, C_ECHO, N_EVENT_REPORT, N_ACTION, RESPONSE = 0x0001, 0x0030, 0x0100, 0x0130, 0x8000
COMMAND, MESSAGE_ID, RESPONDED_ID, DATA_SET_TYPE, STATUS = 0x0100, 0x0110, 0x0120, 0x0800, 0x0900
AFFECTED_CLASS, REQUESTED_CLASS, AFFECTED_INSTANCE, REQUESTED_INSTANCE = 0x0002, 0x0003, 0x1000, 0x1001
EVENT_TYPE, ACTION_TYPE = 0x1002, 0x1008
_NO_DATA_SET: Final = 0x0101
_CHUNK: Final = 16000

Reference = tuple[str, str]
"""SOP Class UID and SOP Instance UID."""
Failure = tuple[str, str, int | None]
"""A reference and its Failure Reason; None: an item without one."""


class Message(NamedTuple):
    """A command set by element, and its data set."""

    context: int
    command: dict[int, bytes]
    data: bytes

    def number(self, element: int) -> int:
        """A US value. Raises KeyError where it is missing."""
        return int.from_bytes(self.command[element], "little")

    def text(self, element: int) -> str:
        """A UI value, "" where it is missing."""
        return self.command.get(element, b"").rstrip(b"\0 ").decode("ascii")


def read_message(connection: socket.socket) -> Message | None:
    """The next message; None for an A-RELEASE-RQ. Raises ConnectionError when the association ends otherwise."""
    command = data = b""
    whole, contexts = False, set[int]()
    while not whole:
        kind, body = read_pdu(connection)
        if kind == RELEASE_RQ and not command:
            return None
        if kind != P_DATA:
            raise ConnectionAbortedError("A-ABORT" if kind == ABORT else f"PDU type {kind} within a message")
        for context, flags, fragment in _fragments(body):
            command, data = (command + fragment, data) if flags & 1 else (command, data + fragment)
            contexts.add(context)
            if flags & 2:
                whole = not flags & 1 or _elements(command)[DATA_SET_TYPE] == number(_NO_DATA_SET)
    (context,) = contexts
    return Message(context, _elements(command), data)


def send_message(connection: socket.socket, context: int, command: Mapping[int, bytes], data: bytes = b"") -> None:
    """Send a message; the element that says whether a data set follows is added."""
    whole = {**command, DATA_SET_TYPE: number(1 if data else _NO_DATA_SET)}
    parts = [data_pdu(context, 3, command_set(whole))]
    for start in range(0, len(data), _CHUNK):
        last = 2 if start + _CHUNK >= len(data) else 0
        parts.append(data_pdu(context, last, data[start : start + _CHUNK]))
    connection.sendall(b"".join(parts))


def respond(connection: socket.socket, request: Message, status: int, **more: bytes) -> None:
    """Answer a request; ``more`` are elements by name: ``e1002=…``."""
    command = {
        COMMAND: number(request.number(COMMAND) | RESPONSE),
        RESPONDED_ID: request.command[MESSAGE_ID],
        STATUS: number(status),
    }
    sop_class = request.command.get(AFFECTED_CLASS) or request.command.get(REQUESTED_CLASS)
    instance = request.command.get(AFFECTED_INSTANCE) or request.command.get(REQUESTED_INSTANCE)
    command |= {AFFECTED_CLASS: sop_class} if sop_class else {}
    command |= {AFFECTED_INSTANCE: instance} if instance else {}
    send_message(connection, request.context, command | {int(name[1:], 16): value for name, value in more.items()})


def action(message_id: int, action_type: int, sop_class: str, sop_instance: str) -> dict[int, bytes]:
    """An N-ACTION-RQ."""
    return {
        REQUESTED_CLASS: uid(sop_class),
        COMMAND: number(N_ACTION),
        MESSAGE_ID: number(message_id),
        REQUESTED_INSTANCE: uid(sop_instance),
        ACTION_TYPE: number(action_type),
    }


def event_report(message_id: int, event_type: int) -> dict[int, bytes]:
    """An N-EVENT-REPORT-RQ."""
    return {
        AFFECTED_CLASS: uid(COMMITMENT),
        COMMAND: number(N_EVENT_REPORT),
        MESSAGE_ID: number(message_id),
        AFFECTED_INSTANCE: uid(COMMITMENT_INSTANCE),
        EVENT_TYPE: number(event_type),
    }


def information(
    transaction_uid: str | None,
    referenced: Iterable[Reference],
    failed: Iterable[Failure] = (),
    syntax: str = IMPLICIT_LITTLE_ENDIAN,
) -> bytes:
    """Action or event information. A sequence without items is left out; None leaves the Transaction UID out."""
    data_set = Dataset()
    if transaction_uid is not None:
        data_set.TransactionUID = transaction_uid
    if items := [_item(*reference) for reference in referenced]:
        data_set.ReferencedSOPSequence = items
    if failures := [_item(sop_class, instance, reason) for sop_class, instance, reason in failed]:
        data_set.FailedSOPSequence = failures
    target = DicomBytesIO()
    target.is_implicit_VR, target.is_little_endian = syntax == IMPLICIT_LITTLE_ENDIAN, True
    write_dataset(target, data_set)
    return target.getvalue()


def parsed(data: bytes, syntax: str) -> Dataset:
    """A data set in one of the little endian transfer syntaxes."""
    return read_dataset(io.BytesIO(data), syntax == IMPLICIT_LITTLE_ENDIAN, True)


def references(data_set: Dataset) -> tuple[Reference, ...]:
    """What its Referenced SOP Sequence names."""
    return tuple((str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID)) for item in _items(data_set))


def failures(data_set: Dataset) -> tuple[Failure, ...]:
    """What its Failed SOP Sequence names."""
    return tuple(
        (str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID), item.get("FailureReason"))
        for item in data_set.get("FailedSOPSequence", None) or ()
    )


def _items(data_set: Dataset) -> Iterable[Dataset]:
    return data_set.get("ReferencedSOPSequence", None) or ()


def _item(sop_class: str, instance: str, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    if reason is not None:
        item.FailureReason = reason
    return item


def _fragments(body: bytes) -> Iterable[tuple[int, int, bytes]]:
    place = 0
    while place < len(body):
        length, context, flags = struct.unpack_from(">IBB", body, place)
        yield context, flags, body[place + 6 : place + 4 + length]
        place += 4 + length


def _elements(data: bytes) -> dict[int, bytes]:
    found, place = {}, 0
    while place < len(data):
        _, element, length = struct.unpack_from("<HHI", data, place)
        found[element] = data[place + 8 : place + 8 + length]
        place += 8 + length
    return found

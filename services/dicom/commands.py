"""DIMSE command sets (PS3.7 6.3, 9.3, 10.3 and annex E): Implicit VR Little Endian, group 0000 only.

Own struct code: pydicom takes 150 times as long for these 100 bytes, twice an instance.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.dicom.contexts import COMMITMENT_PUSH, PUSH_INSTANCE
from services.dicom.errors import ProtocolViolation

C_STORE, C_GET, C_FIND, C_MOVE, C_ECHO = 0x0001, 0x0010, 0x0020, 0x0021, 0x0030
N_EVENT_REPORT, N_GET, N_SET, N_ACTION, N_CREATE, N_DELETE = 0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150
C_CANCEL: Final = 0x0FFF
RESPONSE: Final = 0x8000
REQUESTS: Final = frozenset(
    (C_STORE, C_GET, C_FIND, C_MOVE, C_ECHO, N_EVENT_REPORT, N_GET, N_SET, N_ACTION, N_CREATE, N_DELETE)
)
NO_DATA_SET: Final = 0x0101
DATA_SET: Final = 0x0001

COMMENT_LIMIT: Final = 64
REQUEST_COMMITMENT: Final = 1
"""Action Type ID of "Request Storage Commitment" (PS3.4 J.3.2.1)."""

GROUP_LENGTH, AFFECTED_SOP_CLASS, COMMAND_FIELD, MESSAGE_ID, RESPONDED_ID = 0x0000, 0x0002, 0x0100, 0x0110, 0x0120
REQUESTED_SOP_CLASS, REQUESTED_INSTANCE, ACTION_TYPE = 0x0003, 0x1001, 0x1008
PRIORITY, DATA_SET_TYPE, STATUS, ERROR_COMMENT, AFFECTED_INSTANCE = 0x0700, 0x0800, 0x0900, 0x0902, 0x1000
EVENT_TYPE, MOVE_ORIGINATOR, MOVE_ORIGINATOR_ID, MOVE_DESTINATION = 0x1002, 0x1030, 0x1031, 0x0600
REMAINING, COMPLETED, FAILED, WARNED = 0x1020, 0x1021, 0x1022, 0x1023

_UID, _TEXT, _NUMBER, _TAGS = "UI", "AE LO", "US", "AT"
FIELDS: Final[Mapping[str, tuple[int, str]]] = {
    "affected_sop_class_uid": (AFFECTED_SOP_CLASS, _UID),
    "requested_sop_class_uid": (REQUESTED_SOP_CLASS, _UID),
    "command_field": (COMMAND_FIELD, _NUMBER),
    "message_id": (MESSAGE_ID, _NUMBER),
    "responded_id": (RESPONDED_ID, _NUMBER),
    "move_destination": (MOVE_DESTINATION, _TEXT),
    "priority": (PRIORITY, _NUMBER),
    "data_set_type": (DATA_SET_TYPE, _NUMBER),
    "status": (STATUS, _NUMBER),
    "offending_elements": (0x0901, _TAGS),
    "error_comment": (ERROR_COMMENT, _TEXT),
    "error_id": (0x0903, _NUMBER),
    "affected_sop_instance_uid": (AFFECTED_INSTANCE, _UID),
    "requested_sop_instance_uid": (REQUESTED_INSTANCE, _UID),
    "event_type_id": (EVENT_TYPE, _NUMBER),
    "attributes": (0x1005, _TAGS),
    "action_type_id": (ACTION_TYPE, _NUMBER),
    "remaining": (REMAINING, _NUMBER),
    "completed": (COMPLETED, _NUMBER),
    "failed": (FAILED, _NUMBER),
    "warned": (WARNED, _NUMBER),
    "move_originator_aet": (MOVE_ORIGINATOR, _TEXT),
    "move_originator_id": (MOVE_ORIGINATOR_ID, _NUMBER),
}
"""Every command element we write, by the name used in ``encode`` (sub-operation numbers: C-MOVE, C-GET)."""

_HEADER = struct.Struct("<HHI")
_NUMBER_VALUE = struct.Struct("<H")
_LENGTH_VALUE = struct.Struct("<I")

Value = str | int | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """A decoded command set. Texts are as received but for padding: judging UIDs and titles is the handler's part."""

    command_field: int
    message_id: int
    """Of the request; in a response the Message ID Being Responded To."""
    has_data_set: bool
    elements: Mapping[int, bytes] = field(repr=False)

    def text(self, element: int) -> str:
        """A UI, AE or LO value without padding, "" when missing. Bytes above 7F come as Latin-1 characters."""
        return self.elements.get(element, b"").decode("latin-1").rstrip("\0 ").lstrip(" ")

    def number(self, element: int) -> int | None:
        """A US value; None when missing. Raises ProtocolViolation for another length."""
        value = self.elements.get(element)
        if value is None:
            return None
        if len(value) != 2:
            raise ProtocolViolation(f"command element (0000,{element:04X}) has {len(value)} bytes instead of 2")
        return int.from_bytes(value, "little")

    @property
    def affected_sop_class_uid(self) -> str:
        """(0000,0002)"""
        return self.text(AFFECTED_SOP_CLASS)

    @property
    def affected_sop_instance_uid(self) -> str:
        """(0000,1000)"""
        return self.text(AFFECTED_INSTANCE)

    @property
    def requested_sop_class_uid(self) -> str:
        """(0000,0003) of an N-ACTION, N-GET, N-SET or N-DELETE."""
        return self.text(REQUESTED_SOP_CLASS)

    @property
    def requested_sop_instance_uid(self) -> str:
        """(0000,1001) of an N-ACTION, N-GET, N-SET or N-DELETE."""
        return self.text(REQUESTED_INSTANCE)

    @property
    def action_type(self) -> int | None:
        """(0000,1008) of an N-ACTION."""
        return self.number(ACTION_TYPE)

    @property
    def event_type(self) -> int | None:
        """(0000,1002) of an N-EVENT-REPORT and its response."""
        return self.number(EVENT_TYPE)

    @property
    def move_originator_aet(self) -> str:
        """(0000,1030), "" unless a C-STORE sub-operation."""
        return self.text(MOVE_ORIGINATOR)

    @property
    def move_originator_id(self) -> int | None:
        """(0000,1031)"""
        return self.number(MOVE_ORIGINATOR_ID)

    @property
    def move_destination(self) -> str:
        """(0000,0600) of a C-MOVE."""
        return self.text(MOVE_DESTINATION)

    @property
    def priority(self) -> int | None:
        """(0000,0700): 0 medium, 1 high, 2 low."""
        return self.number(PRIORITY)

    @property
    def status(self) -> int | None:
        """(0000,0900) of a response."""
        return self.number(STATUS)

    @property
    def comment(self) -> str:
        """(0000,0902) of a response."""
        return self.text(ERROR_COMMENT)


def decode(data: bytes) -> Command:
    """Raises ProtocolViolation: wrong group length, element outside group 0000 or its bounds, duplicate, no id."""
    elements = _elements(data)
    command = Command(-1, -1, False, elements)
    command_field = command.number(COMMAND_FIELD)
    data_set_type = command.number(DATA_SET_TYPE)
    if command_field is None or data_set_type is None:
        raise ProtocolViolation("command set without Command Field or Command Data Set Type")
    answers = command_field & RESPONSE or command_field == C_CANCEL
    message_id = command.number(RESPONDED_ID if answers else MESSAGE_ID)
    if message_id is None:
        raise ProtocolViolation(f"command {command_field:04X} without Message ID")
    return Command(command_field, message_id, data_set_type != NO_DATA_SET, elements)


def _elements(data: bytes) -> dict[int, bytes]:
    elements: dict[int, bytes] = {}
    offset, size = 0, len(data)
    while offset < size:
        if size - offset < _HEADER.size:
            raise ProtocolViolation("command set ends within an element header")
        group, element, length = _HEADER.unpack_from(data, offset)
        offset += _HEADER.size
        if group or length > size - offset or element in elements:
            raise ProtocolViolation(f"command set: element ({group:04X},{element:04X}) of {length} bytes does not fit")
        elements[element] = data[offset : offset + length]
        offset += length
    if elements.get(GROUP_LENGTH) != _LENGTH_VALUE.pack(max(size - 12, 0)):
        raise ProtocolViolation("command set: wrong group length")
    return elements


def encode(**values: Value) -> bytes:
    """A whole command set from the names of FIELDS, in ascending order with its group length.

    Texts are cut to what the element holds (comments 64 characters), characters outside ASCII become "?".
    """
    parts = []
    for element, kind, value in sorted((*FIELDS[name], value) for name, value in values.items()):
        encoded = _encoded(kind, value)
        parts.append(_HEADER.pack(0, element, len(encoded)))
        parts.append(encoded)
    body = b"".join(parts)
    return _HEADER.pack(0, GROUP_LENGTH, 4) + _LENGTH_VALUE.pack(len(body)) + body


def _encoded(kind: str, value: Value) -> bytes:
    if isinstance(value, str):
        encoded = value.encode("ascii", "replace")[:COMMENT_LIMIT]
        return encoded + (b"\0" if kind == _UID else b" ") if len(encoded) % 2 else encoded
    if isinstance(value, int):
        return _NUMBER_VALUE.pack(value)
    return b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in value)


def encode_store(
    sop_class_uid: str, sop_instance_uid: str, message_id: int, priority: int, move_originator: tuple[str, int] | None
) -> bytes:
    """A C-STORE-RQ; ``move_originator`` is the title and Message ID of the C-MOVE it belongs to (PS3.7 9.3.1.1)."""
    origin: dict[str, Value] = {}
    if move_originator is not None:
        origin = {"move_originator_aet": move_originator[0], "move_originator_id": move_originator[1]}
    return encode(
        affected_sop_class_uid=sop_class_uid,
        affected_sop_instance_uid=sop_instance_uid,
        command_field=C_STORE,
        message_id=message_id,
        priority=priority,
        data_set_type=DATA_SET,
        **origin,
    )


def encode_query(sop_class_uid: str, message_id: int, move_destination: str | None = None) -> bytes:
    """A C-FIND-RQ, or with a destination a C-MOVE-RQ (PS3.7 9.3.2.1, 9.3.4.1)."""
    moved: dict[str, Value] = {} if move_destination is None else {"move_destination": move_destination}
    return encode(
        affected_sop_class_uid=sop_class_uid,
        command_field=C_FIND if move_destination is None else C_MOVE,
        message_id=message_id,
        priority=0,
        data_set_type=DATA_SET,
        **moved,
    )


def encode_commitment_action(message_id: int) -> bytes:
    """An N-ACTION-RQ "Request Storage Commitment" (PS3.4 J.3.2)."""
    return encode(
        requested_sop_class_uid=COMMITMENT_PUSH,
        requested_sop_instance_uid=PUSH_INSTANCE,
        command_field=N_ACTION,
        message_id=message_id,
        action_type_id=REQUEST_COMMITMENT,
        data_set_type=DATA_SET,
    )


def encode_commitment_report(message_id: int, event_type: int) -> bytes:
    """An N-EVENT-REPORT-RQ of storage commitment (PS3.4 J.3.3)."""
    return encode(
        affected_sop_class_uid=COMMITMENT_PUSH,
        affected_sop_instance_uid=PUSH_INSTANCE,
        command_field=N_EVENT_REPORT,
        message_id=message_id,
        event_type_id=event_type,
        data_set_type=DATA_SET,
    )


def encode_response(request: Command, status: int, comment: str, has_data_set: bool, **values: Value) -> bytes:
    """The response to a request: SOP class and instance are repeated from it unless ``values`` name them.

    What an N-ACTION, N-GET, N-SET or N-DELETE calls Requested is Affected in its response (PS3.7 10.1.2 to 10.1.6).
    """
    for name, element in (
        ("affected_sop_class_uid", AFFECTED_SOP_CLASS),
        ("affected_sop_class_uid", REQUESTED_SOP_CLASS),
        ("affected_sop_instance_uid", AFFECTED_INSTANCE),
        ("affected_sop_instance_uid", REQUESTED_INSTANCE),
    ):
        if element in request.elements:
            values.setdefault(name, request.text(element))
    if comment:
        values["error_comment"] = comment
    return encode(
        **values,
        command_field=request.command_field | RESPONSE,
        responded_id=request.message_id,
        data_set_type=DATA_SET if has_data_set else NO_DATA_SET,
        status=status,
    )

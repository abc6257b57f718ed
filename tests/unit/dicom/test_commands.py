"""Command sets: what we write is what pynetdicom reads, what we read is what it writes, and nonsense is refused."""

import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.dimse_messages import C_STORE_RQ, C_STORE_RSP
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import decode as pynetdicom_decode

from services.dicom import commands
from services.dicom.errors import ProtocolViolation

_HEADER = struct.Struct("<HHI")
_CT = "1.2.840.10008.5.1.4.1.1.2"


def _set(*elements: tuple[int, bytes], length: int | None = None) -> bytes:
    body = b"".join(_HEADER.pack(0, element, len(value)) + value for element, value in elements)
    return _HEADER.pack(0, 0, 4) + struct.pack("<I", len(body) if length is None else length) + body


_ECHO = ((0x0100, b"\x30\x00"), (0x0110, b"\x07\x00"), (0x0800, b"\x01\x01"))


def test_a_store_request_by_pynetdicom_is_understood() -> None:
    primitive = C_STORE()
    primitive.MessageID, primitive.Priority = 77, 2
    primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID = _CT, "1.2.3.4.5"
    primitive.MoveOriginatorApplicationEntityTitle, primitive.MoveOriginatorMessageID = "MOVER", 9
    primitive.DataSet = BytesIO(b"\0\0")
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    fragments = [value for pdata in message.encode_msg(1, 0) for _, value in pdata.presentation_data_value_list]
    command = commands.decode(fragments[0][1:])
    assert (command.command_field, command.message_id, command.has_data_set) == (commands.C_STORE, 77, True)
    assert (command.affected_sop_class_uid, command.affected_sop_instance_uid) == (_CT, "1.2.3.4.5")
    assert (command.move_originator_aet, command.move_originator_id, command.priority) == ("MOVER", 9, 2)


def test_a_response_of_ours_is_understood_by_pynetdicom() -> None:
    request = commands.decode(_set((0x0002, _CT.encode() + b"\0"), *_ECHO[:2], (0x0800, b"\1\0"), (0x1000, b"1.2.34")))
    encoded = commands.encode_response(request, 0xA700, "no room", has_data_set=False)
    elements = pynetdicom_decode(BytesIO(encoded), True, True)
    assert elements.CommandGroupLength == len(encoded) - 12
    assert (elements.MessageIDBeingRespondedTo, elements.Status, elements.CommandDataSetType) == (7, 0xA700, 0x0101)
    assert (elements.AffectedSOPClassUID, elements.AffectedSOPInstanceUID) == (_CT, "1.2.34")
    assert elements.ErrorComment == "no room"
    message = C_STORE_RSP()
    message.command_set = elements
    assert getattr(message.message_to_primitive(), "Status") == 0xA700  # noqa: B009 - a union to mypy


def test_texts_are_cut_to_what_an_element_holds() -> None:
    command = commands.decode(
        commands.encode(
            command_field=0x8001, responded_id=1, status=0, data_set_type=0x0101, error_comment="é" + "x" * 99
        )
    )
    assert command.comment == "?" + "x" * 63


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(_set(*_ECHO)[:-1], id="value cut"),
        pytest.param(_set(*_ECHO) + b"\0\0\1", id="header cut"),
        pytest.param(_set(*_ECHO, length=1), id="wrong group length"),
        pytest.param(_set(*_ECHO)[12:], id="no group length"),
        pytest.param(_set(*_ECHO, _ECHO[0]), id="duplicate"),
        pytest.param(_set(*_ECHO[1:]), id="no command field"),
        pytest.param(_set(_ECHO[0], _ECHO[2]), id="no message id"),
        pytest.param(_set(*_ECHO[:2]), id="no data set type"),
        pytest.param(_set((0x0100, b"\x30"), *_ECHO[1:]), id="command field of one byte"),
        pytest.param(_set((0x0100, b""), *_ECHO[1:]), id="empty command field"),
        pytest.param(_set(*_ECHO).replace(b"\0\0\x10\1", b"\x08\0\x10\1"), id="other group"),
        pytest.param(_set(*_ECHO)[:16] + b"\xff\xff\xff\xff" + _set(*_ECHO)[20:], id="length beyond the set"),
    ],
)
def test_what_is_no_command_set_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        commands.decode(data)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_violation(data: bytes) -> None:
    try:
        command = commands.decode(_set(*_ECHO) + data)
    except ProtocolViolation:
        return
    assert data == b""
    assert command.message_id == 7


@given(
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=64).map(str.strip),
    st.from_regex(r"[0-9.]{1,64}", fullmatch=True),
)
def test_what_is_written_is_read_back(message_id: int, status: int, comment: str, uid: str) -> None:
    encoded = commands.encode(
        command_field=0x8001,
        responded_id=message_id,
        status=status,
        error_comment=comment,
        affected_sop_instance_uid=uid,
        data_set_type=0x0101,
    )
    command = commands.decode(encoded)
    assert (command.message_id, command.status, command.comment) == (message_id, status, comment)
    assert command.affected_sop_instance_uid == uid
    assert all(len(value) % 2 == 0 for value in command.elements.values())


def test_a_uid_is_handed_on_as_sent_for_the_handler_to_judge() -> None:
    command = commands.decode(_set(*_ECHO, (0x1000, b"../../etc/cron.d/x\xff\n1\0")))
    assert command.affected_sop_instance_uid == "../../etc/cron.d/x\xff\n1"


def test_what_an_action_requested_is_affected_in_its_response() -> None:
    """PS3.7 10.1.4.1: there is no Requested SOP class or instance in an N-ACTION-RSP."""
    request = commands.decode(commands.encode_commitment_action(7))
    assert (request.requested_sop_class_uid, request.action_type) == ("1.2.840.10008.1.20.1", 1)
    response = commands.decode(commands.encode_response(request, 0, "", has_data_set=False, action_type_id=1))
    assert response.affected_sop_class_uid == "1.2.840.10008.1.20.1"
    assert response.affected_sop_instance_uid == "1.2.840.10008.1.20.1.1"
    assert not response.requested_sop_class_uid
    assert not response.requested_sop_instance_uid

"""Reports on an acceptor's association, between two requests of its peer (PS3.4 J.3.3)."""

from services.dicom import commands
from services.dicom.association import Association, after
from services.dicom.commitment import PUSH_INSTANCE
from services.dicom.contexts import COMMITMENT_PUSH, PresentationContext
from services.dicom.errors import PeerTooSlow, ProtocolViolation


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

"""C-STORE to the peer that asked, on its own association: the sub-operations of a C-GET (PS3.4 C.4.3, PS3.7 9.1.3)."""

from typing import BinaryIO

from services.dicom import commands
from services.dicom.association import Request, Response, after
from services.dicom.commands import Command
from services.dicom.contexts import DEFAULT_ROLES, PresentationContext
from services.dicom.errors import REASON_UNEXPECTED_PDU, ProtocolViolation
from services.dicom.requestor import MEDIUM, chunks_from


def receiving_contexts(request: Request, sop_class_uid: str) -> dict[str, PresentationContext]:
    """The contexts of a class in which the peer takes the SCP role (PS3.7 D.3.3.4), by transfer syntax."""
    negotiated = request.association.negotiated
    if not negotiated.roles.get(sop_class_uid, DEFAULT_ROLES).scp:
        return {}
    contexts = negotiated.contexts.values()
    return {each.transfer_syntax: each for each in contexts if each.abstract_syntax == sop_class_uid}


def store_back(
    request: Request,
    context: PresentationContext,
    sop_class_uid: str,
    sop_instance_uid: str,
    source: BinaryIO,
    offset: int,
    size: int,
    message_id: int,
) -> Response:
    """Send an instance within ``request``, whose data set has been read, and wait for the answer.

    A C-CANCEL that comes meanwhile is remembered in the request. Raises the errors of the association.
    """
    association = request.association
    command = commands.encode_store(sop_class_uid, sop_instance_uid, message_id, MEDIUM, None)
    chunks = chunks_from(source, offset, size, association.chunk)
    association.send_message(context.id, command, chunks, size)
    limit = after(association.stream.guards.response_seconds)
    while True:
        message = association.read_command(limit)
        if message is None:
            raise ProtocolViolation("A-RELEASE-RQ instead of a response", REASON_UNEXPECTED_PDU)
        got, answer = message
        if answer.command_field != commands.C_CANCEL:
            return _response(request, got, answer, context, message_id)
        request.cancelled |= answer.message_id == request.command.message_id


def _response(
    request: Request, got: PresentationContext, answer: Command, context: PresentationContext, message_id: int
) -> Response:
    expected = (commands.C_STORE | commands.RESPONSE, message_id, context.id)
    if (answer.command_field, answer.message_id, got.id) != expected or answer.status is None:
        raise ProtocolViolation(
            f"message {answer.command_field:04X} {answer.message_id} on context {got.id} instead of the response to "
            f"message {message_id} on context {context.id}"
        )
    stream = request.association.stream
    if answer.has_data_set:
        stream.copy_data_set(got.id, None, None, stream.guards.maximum_command)
    return Response(answer.status, answer.comment, answer)

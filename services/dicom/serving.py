"""Serving one request of a peer, on an association of either side: it gets an answer, whatever the handler does."""

from collections.abc import Mapping

import structlog

from services.dicom import commands
from services.dicom.association import Handler, Request
from services.dicom.errors import AssociationError, ProtocolViolation
from services.dicom.status import NOT_AUTHORIZED, PROCESSING_FAILURE, UNRECOGNIZED_OPERATION

_log = structlog.get_logger(__name__)


def serve(request: Request, handlers: Mapping[int, Handler]) -> None:
    """Have the handler of its Command Field answer the request; 0211 without one, 0110 when it fails (PS3.7 C.5).

    A C-CANCEL is passed over. Raises ProtocolViolation for what is no request, and the errors of the association.
    """
    command_field = request.command.command_field
    if command_field == commands.C_CANCEL:
        return
    if command_field not in commands.REQUESTS:
        raise ProtocolViolation(f"command field {command_field:04X} is no request")
    association = request.association
    handler = handlers.get(command_field)
    if handler is None:
        association.respond(request, UNRECOGNIZED_OPERATION)
        return
    try:
        handler(request)
    except AssociationError:
        raise
    except Exception:  # noqa: BLE001 - whatever a handler raises, the peer gets an answer
        _log.exception("association_handler_failed", association=association.id)
    if not request.answered:
        association.respond(request, association.stream.guards.failure_status.get(command_field, PROCESSING_FAILURE))


def not_authorized(request: Request) -> None:
    """The handler of what the peer may not ask for (PS3.7 C.5.18)."""
    request.association.respond(request, NOT_AUTHORIZED)


def serve_nothing(request: Request) -> None:
    """On an association of ours that serves nothing a request where a response is due breaks the protocol."""
    raise ProtocolViolation(f"request {request.command.command_field:04X} instead of a response")

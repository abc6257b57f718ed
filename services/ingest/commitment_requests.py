"""N-ACTION of storage commitment: checked, made durable as it is, answered, decided by others (PS3.4 J.3.2)."""

from datetime import timedelta
from typing import Final

import structlog

from schemas.commitment import REQUESTS, CommitmentRequest
from schemas.messages import CommitmentRequested
from services.dicom.association import Request
from services.dicom.commands import ACTION_TYPE, REQUESTED_INSTANCE, REQUESTED_SOP_CLASS
from services.dicom.commitment import (
    LARGEST_BYTES,
    UnreadableCommitment,
    read_request,
)
from services.dicom.contexts import COMMITMENT_PUSH, PUSH_INSTANCE
from services.dicom.errors import AssociationError, DataSetTooLarge
from services.dicom.status import (
    INVALID_ARGUMENT,
    NO_SUCH_ACTION,
    NO_SUCH_CLASS,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
)
from services.ingest import metrics
from services.ingest.publisher import Publisher
from services.ingest.reporting_back import ReportingBack
from services.runtime import logs
from services.runtime.clock import now
from services.runtime.errors import GatewayError
from services.runtime.objects import ObjectStore, new_key

SUCCESS: Final = 0x0000
REQUEST_ACTION: Final = 1
"""Action Type ID of "Request Storage Commitment" (PS3.4 J.3.2.1)."""

log = structlog.get_logger(__name__)


class _Refused(Exception):
    """Ends the handling of a request before anything is durable."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class CommitmentRequests:
    """The handler of the listener; one thread an association calls it."""

    def __init__(self, objects: ObjectStore, publisher: Publisher, reporting: ReportingBack) -> None:
        self._objects, self._publisher, self._reporting = objects, publisher, reporting

    def receive(self, request: Request) -> None:
        """N-ACTION (PS3.7 10.1.4). Success says that the request is kept, nothing of its instances."""
        with logs.bound(association=request.association.id):
            try:
                kept = self._kept(request)
            except _Refused as refused:
                log.warning("commitment_request_refused", status=f"{refused.status:04X}", reason=str(refused))
                self._answer(request, refused.status)
                return
            key, received = kept
            self._answer(request, SUCCESS)
            self._publisher.offer(CommitmentRequested(object_key=key), correlation=request.association.id)
            self._reporting.attend(request, key, received)

    def _answer(self, request: Request, status: int) -> None:
        """PS3.7 10.3.5.2: with the class, the instance and, where it is told, the action type."""
        metrics.REQUESTS.labels(f"{status:04X}").inc()
        action, respond = request.command.number(ACTION_TYPE), request.association.respond
        named = {"affected_sop_class_uid": COMMITMENT_PUSH, "affected_sop_instance_uid": PUSH_INSTANCE}
        if status in (SUCCESS, NO_SUCH_ACTION) and action is not None:
            respond(request, status, comment="", data_set=None, action_type_id=action, **named)
        else:
            respond(request, status)

    def _kept(self, request: Request) -> tuple[str, CommitmentRequest]:
        """The durable request and its key. Raises ``_Refused`` and the errors of the association."""
        try:
            _check_command(request)
            received = self._read(request)
            key = new_key(REQUESTS, received.received_at, "json")
            self._objects.put_bytes(key, received.encode())
        except (AssociationError, _Refused):
            raise
        except GatewayError as error:
            raise _Refused(PROCESSING_FAILURE, str(error)) from error
        except Exception as error:
            log.exception("commitment_request_failed")
            raise _Refused(PROCESSING_FAILURE, type(error).__name__) from error
        log.info(
            "commitment_request_kept", object_key=key, calling=received.calling_aet,
            transaction=received.transaction_uid, instances=len(received.instances),
        )  # fmt: skip
        return key, received

    def _read(self, request: Request) -> CommitmentRequest:
        association, received_at, wait = request.association, now(), self._reporting.seconds
        try:
            read = read_request(request.read_data_set(LARGEST_BYTES), request.context.transfer_syntax)
        except DataSetTooLarge as error:
            raise _Refused(RESOURCE_LIMITATION, str(error)) from error
        except UnreadableCommitment as error:
            raise _Refused(error.status, str(error)) from error
        return CommitmentRequest(
            received_at=received_at,
            peer_address=association.peer_address,
            calling_aet=association.calling_aet,
            called_aet=association.called_aet,
            association=association.id,
            transaction_uid=read.transaction_uid,
            instances=read.instances,
            reports_until=now() + timedelta(seconds=wait) if wait else None,
        )


def _check_command(request: Request) -> None:
    """What is known before the data set is read. Raises ``_Refused``."""
    command = request.command
    if {command.text(REQUESTED_SOP_CLASS), request.context.abstract_syntax} != {COMMITMENT_PUSH}:
        raise _Refused(NO_SUCH_CLASS, "SOP class is not Storage Commitment Push Model")
    if command.text(REQUESTED_INSTANCE) != PUSH_INSTANCE:
        raise _Refused(NO_SUCH_INSTANCE, "SOP instance is not that of the Storage Commitment Push Model")
    if command.number(ACTION_TYPE) != REQUEST_ACTION:
        raise _Refused(NO_SUCH_ACTION, "action type is not 1")
    if not command.has_data_set:
        raise _Refused(INVALID_ARGUMENT, "no data set")

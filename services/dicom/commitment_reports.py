"""N-EVENT-REPORT of storage commitment: made durable as it is, answered, handled by others (R107, R113).

It may come on an association of either side: on one that the peer opened, or on ours (profile gateway).
"""

from collections.abc import Callable
from typing import Final

import structlog

from schemas.commitment import COMPLETE, REPORTS, WITH_FAILURES, CommitmentReport
from services.dicom import metrics
from services.dicom.association import Request
from services.dicom.commitment import LARGEST_BYTES, read_report
from services.dicom.contexts import COMMITMENT_PUSH
from services.dicom.errors import AssociationError
from services.dicom.status import CLASS_INSTANCE_CONFLICT, NO_SUCH_EVENT_TYPE, PROCESSING_FAILURE
from services.runtime import logs
from services.runtime.clock import now
from services.runtime.errors import GatewayError
from services.runtime.objects import ObjectStore, new_key

SUCCESS: Final = 0x0000

for _status in (SUCCESS, PROCESSING_FAILURE, NO_SUCH_EVENT_TYPE, CLASS_INSTANCE_CONFLICT):
    metrics.REPORTS.labels(f"{_status:04X}")  # counts from 0

log = structlog.get_logger(__name__)


class CommitmentReports:
    """The handler of N-EVENT-REPORT; any number of associations' threads call it."""

    def __init__(self, objects: ObjectStore, kept: Callable[[str], None]) -> None:
        """``kept`` is told the key of each report that is durable, best effort: a sweep finds what it loses."""
        self._objects, self._kept = objects, kept

    def receive(self, request: Request) -> None:
        """N-EVENT-REPORT (PS3.7 10.1.1). Whether anybody waits for the transaction is not asked here (notes A16)."""
        event_type = request.command.event_type
        with logs.bound(association=request.association.id):
            status = self._status(request, event_type)
        metrics.REPORTS.labels(f"{status:04X}").inc()
        if event_type is not None and status in (SUCCESS, NO_SUCH_EVENT_TYPE):
            request.association.respond(request, status, event_type_id=event_type)
        else:
            request.association.respond(request, status)

    def _status(self, request: Request, event_type: int | None) -> int:
        """The answer; Success only once the report is durable. Raises the errors of the association."""
        classes = {request.command.affected_sop_class_uid, request.context.abstract_syntax}
        if classes != {COMMITMENT_PUSH}:
            return _refused(CLASS_INSTANCE_CONFLICT, "SOP class is not Storage Commitment Push Model")
        if event_type not in (COMPLETE, WITH_FAILURES):
            return _refused(NO_SUCH_EVENT_TYPE, "event type is neither 1 nor 2")
        try:
            self._tell(self._keep(request, event_type))
        except AssociationError:
            raise
        except GatewayError as error:
            return _refused(PROCESSING_FAILURE, str(error))
        except Exception as error:
            log.exception("commitment_report_failed")
            return _refused(PROCESSING_FAILURE, type(error).__name__)
        return SUCCESS

    def _keep(self, request: Request, event_type: int) -> str:
        """Read, check, and return only when the report is durable, its key."""
        association, received_at = request.association, now()
        reported = read_report(request.read_data_set(LARGEST_BYTES), request.context.transfer_syntax)
        report = CommitmentReport(
            received_at=received_at,
            peer_address=association.peer_address,
            calling_aet=association.peer_aet,
            called_aet=association.own_aet,
            association=association.id,
            event_type=event_type,
            transaction_uid=reported.transaction_uid,
            committed=reported.committed,
            failed=reported.failed,
        )
        key = new_key(REPORTS, received_at, "json")
        self._objects.put_bytes(key, report.encode())
        log.info(
            "commitment_report_kept", object_key=key, calling=report.calling_aet, event_type=event_type,
            transaction=report.transaction_uid, committed=len(report.committed), failed=len(report.failed),
        )  # fmt: skip
        return key

    def _tell(self, key: str) -> None:
        try:
            self._kept(key)
        except Exception:  # the report is durable: the peer gets its 0000, and the sweep finds the object
            log.exception("commitment_report_not_told", object_key=key)


def refuse_report(request: Request) -> None:
    """A report on an association that we opened, in profile xeleris: 0110, the peer has to open its own (R81)."""
    metrics.REPORTS.labels(f"{PROCESSING_FAILURE:04X}").inc()
    log.warning(
        "commitment_report_refused",
        association=request.association.id,
        peer=request.association.peer_aet,
        status=f"{PROCESSING_FAILURE:04X}",
        reason="it came on an association of ours; the peer has to open a new one (R81)",
    )
    request.association.respond(request, PROCESSING_FAILURE)


def _refused(status: int, reason: str) -> int:
    log.warning("commitment_report_refused", status=f"{status:04X}", reason=reason)
    return status

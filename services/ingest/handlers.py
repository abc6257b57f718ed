"""C-ECHO and C-STORE: receive into the store, check, write the receipt, make durable, answer, publish (promise P1)."""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import structlog

from schemas.messages import AssociationEnded, InstanceReceived, Receipt
from schemas.snapshot import Snapshot
from services.dicom import commands
from services.dicom.acceptor import AssociationSummary, Outcome
from services.dicom.association import Handler, Request
from services.dicom.commands import Command
from services.dicom.errors import AssociationError, DataSetTooLarge
from services.dicom.facts import Header
from services.dicom.iods.findings import Finding, stored
from services.dicom.part10 import ObjectMeta, begin_object, write_receipt
from services.dicom.predecessor import Predecessor
from services.dicom.profile import Profile
from services.ingest import metrics
from services.ingest.causes import ANSWERS, Cause, Refusal, cause_of, check_command, check_data_set
from services.ingest.examination import Examination
from services.ingest.findings import SUCCESS, judge, rules
from services.ingest.publisher import Publisher
from services.ingest.revisions import RevisionCheck
from services.runtime import fail_points, logs, traces
from services.runtime.clock import now
from services.runtime.errors import GatewayError
from services.runtime.objects import ObjectStore, ObjectWriter, new_object_key

ALARMING = frozenset({Cause.PET_RAW, Cause.FAULT})
"""Refusals that only a person at the gateway can end."""
ENDINGS = {
    Outcome.RELEASED: "RELEASED",
    Outcome.ABORTED_BY_PEER: "ABORTED_BY_PEER",
    Outcome.ABORTED: "ABORTED",
    Outcome.VIOLATION: "ABORTED",
    Outcome.TIMED_OUT: "ABORTED",
    Outcome.LOST: "CONNECTION_LOST",
}

log = structlog.get_logger(__name__)


class Receiver:
    """The handlers of the listener; one thread an association calls them."""

    def __init__(
        self,
        profile: Profile,
        objects: ObjectStore,
        snapshot: Callable[[], Snapshot | None],
        clock_wrong: Callable[[], str | None],
        publisher: Publisher,
        revisions: RevisionCheck,
        largest: int,
    ) -> None:
        self._profile, self._answers = profile, ANSWERS[profile.name]
        self._objects, self._snapshot, self._clock_wrong = objects, snapshot, clock_wrong
        self._publisher, self._revisions, self._largest = publisher, revisions, largest
        self._lock = threading.Lock()
        self._counts: dict[str, list[int]] = {}
        self._thread = threading.local()
        for cause in Cause:
            metrics.REFUSED.labels(cause.value)  # counts from 0

    def handlers(self) -> Mapping[int, Handler]:
        """By command field."""
        return {commands.C_ECHO: self.echo, commands.C_STORE: self.store}

    def echo(self, request: Request) -> None:
        """C-ECHO (PS3.7 9.1.5)."""
        metrics.ECHOES.inc()
        request.association.respond(request, SUCCESS)

    def store(self, request: Request) -> None:
        """C-STORE (PS3.7 9.1.1)."""
        started, began = time.monotonic(), time.time_ns()
        with logs.bound(association=request.association.id):
            try:
                received = self._receive(request)
            except Refusal as refusal:
                self._refuse(request, refusal)
                metrics.STORE_SECONDS.labels("refused").observe(time.monotonic() - started)
                return
            try:
                request.association.respond(request, received.receipt.status)
            finally:  # whether the peer hears it or not, it is kept
                traces.record(traces.RECEIVED, began, map(_span, [received.receipt]))
        fail_points.reached("ingest.answered")
        metrics.STORE_SECONDS.labels("stored").observe(time.monotonic() - started)
        metrics.STORED.labels(received.receipt.calling_aet, f"{received.receipt.status:04X}").inc()
        metrics.STORED_BYTES.labels(received.receipt.calling_aet).inc(received.receipt.size)
        self._count(request.association.id, 0)
        trace = traces.traceparent(traces.RECEIVED, received.receipt.object_key)
        self._publisher.offer(received, correlation=request.association.id, trace=trace)

    def ended(self, summary: AssociationSummary) -> None:
        """Count and publish the end of a connection."""
        with self._lock:
            stored, failed = self._counts.pop(summary.id, (0, 0))
        if summary.outcome not in ENDINGS or not summary.requests:
            return
        event = AssociationEnded.model_validate(
            {
                "association": summary.id,
                "calling_aet": summary.calling_aet,
                "called_aet": summary.called_aet,
                "peer_address": summary.peer_address,
                "started_at": now() - timedelta(seconds=summary.seconds),
                "outcome": ENDINGS[summary.outcome],
                "stored": stored,
                "failed": failed,
            }
        )
        self._publisher.offer(event, correlation=summary.id)

    def _receive(self, request: Request) -> InstanceReceived:
        """Everything up to the durable object. Raises ``Refusal`` and the errors of the association."""
        try:
            self._check_before(request)
            key = new_object_key(now())
            with self._objects.create(key) as writer:
                return self._write(request, key, writer)
        except DataSetTooLarge:
            self._note(request, Refusal(Cause.TOO_LARGE))
            raise
        except (AssociationError, Refusal):
            raise
        except Exception as error:
            cause = cause_of(error)
            if cause is Cause.FAULT:
                log.exception("store_failed")
            raise Refusal(cause, str(error) if isinstance(error, GatewayError) else type(error).__name__) from error

    def _check_before(self, request: Request) -> None:
        """What is known before the data set is read."""
        check_command(request.command, request.context.abstract_syntax)
        if self._clock_wrong():
            raise Refusal(Cause.CLOCK_WRONG)
        if request.context.abstract_syntax in self._profile.pet_raw and not self._in_force().pet_raw_station:
            raise Refusal(Cause.PET_RAW)

    def _in_force(self) -> Snapshot:
        snapshot = self._snapshot()
        if snapshot is None:
            raise Refusal(Cause.FAULT, "no snapshot")
        return snapshot

    def _write(self, request: Request, key: str, writer: ObjectWriter) -> InstanceReceived:
        command = request.command
        meta = ObjectMeta(
            command.affected_sop_class_uid,
            command.affected_sop_instance_uid,
            request.context.transfer_syntax,
            request.association.calling_aet,
        )
        offset = begin_object(writer.fd, meta)
        digest = hashlib.sha256()
        size = request.copy_data_set(writer.fd, digest, self._largest)
        header, findings = self._examined(writer.fd, offset, size, meta.transfer_syntax_uid, command)
        receipt = self._receipt(request, key, header, digest.hexdigest(), size, offset, findings)
        self._check_revision(receipt)
        receipt = write_receipt(writer.fd, receipt)
        began = time.time_ns()
        writer.commit()
        traces.record(traces.DURABLE, began, [traces.Span(key, {})])
        return InstanceReceived(receipt=receipt, facts=header.facts)

    def _examined(
        self, fd: int, offset: int, size: int, transfer_syntax: str, command: Command
    ) -> tuple[Header, tuple[Finding, ...]]:
        """Header facts of what was received, and what its IOD has against it. Raises ``Refusal``."""
        if not size:
            raise Refusal(Cause.EMPTY)
        with os.fdopen(os.dup(fd), "rb") as source:
            examination = Examination(self._predecessor(), source, offset, size, transfer_syntax)
            check_data_set(command, examination.header)
            return examination.header, examination.findings()

    def _predecessor(self) -> Predecessor:
        """That of this thread's association."""
        if not hasattr(self._thread, "predecessor"):
            self._thread.predecessor = Predecessor()
        predecessor: Predecessor = self._thread.predecessor
        return predecessor

    def _receipt(
        self, request: Request, key: str, header: Header, sha256: str, size: int, offset: int,
        findings: Sequence[Finding],
    ) -> Receipt:  # fmt: skip
        """What is known of the instance, its status included. Raises ``Refusal`` for its findings."""
        association, snapshot = request.association, self._in_force()
        station = snapshot.station(association.calling_aet)
        refuse = station is not None and station.refuse_findings
        status = judge(findings, xeleris=self._profile.xeleris, refuse=refuse)
        if findings:
            log.info("instance_has_findings", object_key=key, rules=rules(findings), status=f"{status:04X}")
        return Receipt(
            object_key=key,
            received_at=now(),
            sop_instance_uid=header.sop_instance_uid,
            sop_class_uid=header.sop_class_uid,
            study_instance_uid=header.study_instance_uid,
            series_instance_uid=header.series_instance_uid,
            transfer_syntax_uid=request.context.transfer_syntax,
            sha256=sha256,
            size=size,
            offset=offset,
            peer_address=association.peer_address,
            calling_aet=association.calling_aet,
            called_aet=association.called_aet,
            association=association.id,
            configuration=snapshot.number,
            rule_set=snapshot.rule_set,
            status=status,
            findings=stored(findings),
        )

    def _check_revision(self, receipt: Receipt) -> None:
        station = self._in_force().station(receipt.calling_aet)
        if station is not None and station.revision_policy == "refuse":
            self._revisions.check(receipt)

    def _refuse(self, request: Request, refusal: Refusal) -> None:
        self._note(request, refusal)
        answer = self._answers[refusal.cause]
        request.association.respond(request, answer.status, comment=answer.comment)

    def _note(self, request: Request, refusal: Refusal) -> None:
        metrics.REFUSED.labels(refusal.cause.value).inc()
        self._count(request.association.id, 1)
        say = log.error if refusal.cause in ALARMING else log.warning
        say(
            "instance_refused",
            association=request.association.id,
            cause=refusal.cause.value,
            detail=refusal.detail,
            status=f"{self._answers[refusal.cause].status:04X}",
            calling=request.association.calling_aet,
            sop_class=request.command.affected_sop_class_uid[:80],
            sop_instance=request.command.affected_sop_instance_uid[:80],
        )

    def _count(self, association: str, place: int) -> None:
        with self._lock:
            self._counts.setdefault(association, [0, 0])[place] += 1


def _span(receipt: Receipt) -> traces.Span:
    return traces.Span(
        receipt.object_key,
        {
            "dicom.sop_instance_uid": receipt.sop_instance_uid,
            "dicom.sop_class_uid": receipt.sop_class_uid,
            "dicom.series_instance_uid": receipt.series_instance_uid,
            "dicom.study_instance_uid": receipt.study_instance_uid,
            "dicom.transfer_syntax_uid": receipt.transfer_syntax_uid,
            "dicom.calling_aet": receipt.calling_aet,
            "dicom.called_aet": receipt.called_aet,
            "dicom.status": f"{receipt.status:04X}",
            "gateway.association": receipt.association,
            "gateway.object_key": receipt.object_key,
        },
    )

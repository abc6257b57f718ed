"""Performing the sub-operations of one C-MOVE or C-GET and answering after each (PS3.4 C.4.2, C.4.3; R21, R104)."""

import time
from dataclasses import dataclass
from typing import Final

import structlog

from services.dicom.association import Request
from services.dicom.errors import AssociationError
from services.query import metrics
from services.query.retrieve_records import Done, Instance, Retrieval
from services.query.retrieve_wish import UNABLE
from services.query.suboperations_counts import CANCELLED, PENDING, Counts, Result, failed_list
from services.query.suboperations_targets import Target, TargetLost
from services.runtime.errors import GatewayError, Unavailable

PAGE: Final = 100
RECORD_SECONDS: Final = 1.0
DATABASE_SECONDS: Final = 30.0
"""How long the next page is asked for again while the database is away."""
CANCEL_SECONDS: Final = 5.0
"""What the sub-operation at hand gets for its answer after a C-CANCEL."""
MOST_NAMED: Final = 2000
"""UIDs asked for the failed list; the answer holds fewer."""

DATABASE_AWAY: Final = "database is away or busy"

log = structlog.get_logger(__name__)


class Interrupted(Exception):
    """The sub-operation at hand is not waited for any longer: cancelled, or (its cause) the requester is gone."""


@dataclass(frozen=True)
class End:
    """How a retrieval ended: with ``status``, or None for what the counts say. ``gave_up``: the rest has failed.

    ``comment`` is for the requester: a constant. ``reason`` is for the records, and may name hosts.
    """

    status: int | None = None
    comment: str = ""
    reason: str = ""
    gave_up: bool = False


class SubOperations:
    """One retrieval being served, by the association's thread."""

    def __init__(self, request: Request, retrieval: Retrieval, *, xeleris: bool) -> None:
        self._request, self._association = request, request.association
        self._retrieval, self._xeleris = retrieval, xeleris
        self._counts = Counts(retrieval.total)
        self._position = 0
        self._done: list[Done] = []
        self._recorded_at = time.monotonic()
        self._cancelled_at: float | None = None

    def run(self, target: Target) -> int:
        """Send everything, with a Pending after each but the last; answer the final status and return it.

        Raises the errors of the requester's association, after which nothing is sent any more.
        """
        try:
            end = self._perform(target)
        except AssociationError as error:
            self.abandon(error)
            raise
        except Exception:
            log.exception("retrieval_failed")
            end = End(UNABLE, "the gateway's own fault", gave_up=True)
        finally:
            target.close()
        return self.conclude(end)

    def conclude(self, end: End) -> int:
        """Record the end, answer it and return its status. Raises the errors of the association."""
        if end.gave_up:
            self._counts.give_up_rest()
        final = self._counts.final_status(xeleris=self._xeleris) if end.status is None else end.status
        self._finish(end, final)
        data_set = failed_list(self._counts.failed_uids, self._request.context.transfer_syntax)
        fields = self._counts.fields(remaining=final == CANCELLED)
        self._association.respond(self._request, final, comment=end.comment, data_set=data_set, **fields)
        return final

    def abandon(self, error: AssociationError) -> None:
        """Record that the requester is gone; again does nothing new."""
        self._finish(End(reason=f"the requester is gone: {error}"), None)

    def pending(self) -> None:
        """Say how far it is. Raises the errors of the association."""
        self._association.respond(self._request, PENDING, **self._counts.fields(remaining=True))

    def cancelled(self) -> bool:
        """Whether a C-CANCEL has come. Raises the errors of the association."""
        return self._association.cancelled(self._request)

    def _perform(self, target: Target) -> End:
        while self._counts.remaining:
            try:
                page = self._page()
            except GatewayError as error:
                return End(comment=DATABASE_AWAY, reason=str(error), gave_up=True)
            if not page:
                return End(comment="the list of instances ends early", gave_up=True)
            for instance in page:
                if self.cancelled():
                    return End(CANCELLED)
                try:
                    self._ended(self._send(target, instance))
                except TargetLost as lost:
                    return End(comment="move destination cannot be reached", reason=str(lost), gave_up=True)
        return End()

    def _page(self) -> list[Instance]:
        limit = time.monotonic() + DATABASE_SECONDS
        while True:
            try:
                return self._retrieval.after(self._position, PAGE)
            except Unavailable:
                if time.monotonic() > limit or self.cancelled():
                    raise
            time.sleep(RECORD_SECONDS)

    def _send(self, target: Target, instance: Instance) -> Done:
        try:
            return target.send(instance, self._meanwhile)
        except Interrupted as interrupted:
            if isinstance(interrupted.__cause__, AssociationError):
                raise interrupted.__cause__ from None
            return Done(instance, Result.FAILED, None, "cancelled before it was answered")

    def _meanwhile(self) -> None:
        try:
            cancelled = self.cancelled()
        except AssociationError as error:
            raise Interrupted from error
        if cancelled:
            self._cancelled_at = self._cancelled_at or time.monotonic()
            if time.monotonic() > self._cancelled_at + CANCEL_SECONDS:
                raise Interrupted

    def _ended(self, done: Done) -> None:
        metrics.SUBOPERATIONS.labels(done.result.value).inc()
        self._position = done.instance.position
        self._counts.add(done.result, done.instance.sop_instance_uid)
        self._done.append(done)
        if self._counts.remaining:
            if time.monotonic() > self._recorded_at + RECORD_SECONDS or len(self._done) >= PAGE:
                self._record()
            self.pending()

    def _record(self) -> None:
        """Write what ended. While the database is away it is kept, a page of it at most since no other page comes."""
        self._recorded_at = time.monotonic()
        try:
            self._retrieval.record(self._done, self._counts)
            self._done = []
        except GatewayError as error:
            log.warning("retrieval_not_recorded", error=str(error))

    def _finish(self, end: End, status: int | None) -> None:
        try:
            named = self._retrieval.finish(
                self._done, self._counts, status, end.reason or end.comment,
                give_up_after=self._position if end.gave_up else None, name=MOST_NAMED,
            )  # fmt: skip
            for uid in named:
                self._counts.add_failed_uid(uid)
        except GatewayError as error:
            log.warning("retrieval_not_recorded", error=str(error))

"""The report on the association of its request, if the peer stays for it (PS3.4 J.3.3).

Commitment decides and records; until the time that the request's object names it leaves the report to us. What is not
sent here, for whatever reason, it reports on an association of its own.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Final, TypeVar

import structlog
from psycopg.rows import DictRow

from schemas.commitment import CommitmentRequest
from schemas.messages import ReportSent
from services.dicom.association import Request, after
from services.dicom.commitment import encode_report, event_type
from services.ingest import metrics
from services.ingest.publisher import Publisher
from services.runtime.db import Database, load_queries
from services.runtime.errors import GatewayError

QUERIES = load_queries(__package__, "reporting_back.sql")
LOOK_SECONDS: Final = 0.25
DATABASE_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 30.0

T = TypeVar("T")
log = structlog.get_logger(__name__)


class ReportingBack:
    """Waits in an association's thread. ``seconds`` at most, 0: never; ``stopping`` says that the process drains."""

    def __init__(
        self, database: Database, loop: asyncio.AbstractEventLoop, publisher: Publisher, stopping: Callable[[], bool],
        seconds: float,
    ) -> None:  # fmt: skip
        self._database, self._loop, self._publisher = database, loop, publisher
        self._stopping, self.seconds = stopping, seconds

    def attend(self, request: Request, object_key: str, received: CommitmentRequest) -> None:
        """Report as soon as it is decided, unless the peer goes on with something else or the time is over.

        Raises the errors of the association.
        """
        association, limit = request.association, after(self.seconds)
        key = {"received_at": received.received_at, "object_key": object_key}
        while time.monotonic() < limit and not self._stopping():
            row = self._asked(self._inbound(key))
            if row is not None and row["state"] not in ("CHECKING", "READY"):
                return
            if row is not None and row["state"] == "READY":
                self._report(request, row)
                return
            if not association.quiet() or association.stream.awaited(min(after(LOOK_SECONDS), limit)):
                return

    def _report(self, request: Request, row: DictRow) -> None:
        items = self._asked(self._items(row)) if row["in_time"] else None
        if not items or not request.association.quiet():
            return
        named = [(item["sop_class_uid"], item["sop_instance_uid"], item["failure_reason"]) for item in items]
        committed = [(sop_class, instance) for sop_class, instance, reason in named if reason is None]
        failed = [each for each in named if each[2] is not None]
        data = encode_report(row["transaction_uid"], committed, failed, request.context.transfer_syntax)
        association = request.association
        try:
            with association.stream.until(after(ANSWER_SECONDS)):
                status = association.report(request.context, event_type(failed), data).status
        except GatewayError:
            metrics.REPORTED_BACK.labels("unanswered").inc()
            raise
        metrics.REPORTED_BACK.labels("taken" if status == 0 else "refused").inc()
        log.info("commitment_reported_back", inbound=str(row["id"]), status=f"{status:04X}")
        self._publisher.offer(ReportSent(inbound=row["id"], status=status), correlation=association.id)

    def _asked(self, question: Coroutine[Any, Any, T]) -> T | None:
        """The answer of the database; None while it is away or slow."""
        if not self._database.available:
            question.close()
            return None
        asked = asyncio.run_coroutine_threadsafe(question, self._loop)
        try:
            return asked.result(2 * DATABASE_SECONDS)
        except (FutureTimeoutError, GatewayError) as error:
            asked.cancel()
            log.debug("commitment_verdict_not_asked", reason=type(error).__name__)
            return None

    async def _inbound(self, key: dict[str, Any]) -> DictRow | None:
        async with self._database.transaction(timeout=DATABASE_SECONDS) as connection:
            return await (await connection.execute(QUERIES.select_inbound, key)).fetchone()

    async def _items(self, row: DictRow) -> list[DictRow]:
        async with self._database.transaction(timeout=DATABASE_SECONDS) as connection:
            return await (await connection.execute(QUERIES.select_items, row)).fetchall()

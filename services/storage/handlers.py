"""What storage does with a batch of ``instance.received``; the sweep uses the same ``record``."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog

from schemas.messages import Envelope, InstanceReceived
from services.runtime import fail_points, traces
from services.runtime.clock import now
from services.runtime.db import Database
from services.runtime.errors import ObjectMissing, RefusedData, Reject
from services.runtime.objects import ObjectStore, is_key
from services.storage import metrics, records
from services.storage.dispositions import FACTS_REFUSED_FLAG, TOO_OFTEN_FLAG
from services.storage.records import Connection, Entry, Often
from services.storage.settings import StorageSettings

NO_FACTS: dict[str, Any] = {"values": {}, "cut": [], "undecodable": []}
OLD = timedelta(hours=1)
"""A message older than this may speak of an object that was deleted and forgotten since: look before recording."""

log = structlog.get_logger(__name__)


class Recorder:
    """The use case of recording, for messages and for the sweep."""

    def __init__(self, database: Database, objects: ObjectStore, settings: StorageSettings) -> None:
        self._database, self._objects, self._settings = database, objects, settings

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Record a batch of messages. Raises ``Reject`` for a single one that is bad; its object is recorded bare."""
        causations: dict[str, Envelope] = {}
        arrivals: list[InstanceReceived] = []
        for envelope in envelopes:
            if isinstance(envelope.body, InstanceReceived):
                await self._check(envelope.body)
                arrivals.append(envelope.body)
                causations[envelope.body.receipt.object_key] = envelope
        try:
            await self.record(arrivals, by="message", causations=causations)
        except RefusedData as error:
            if len(arrivals) != 1:
                raise
            await self.record_bare(arrivals[0], error, by="message")
            raise Reject(str(error)) from error

    async def record(
        self,
        arrivals: Sequence[InstanceReceived],
        *,
        by: str,
        causations: Mapping[str, Envelope] | None = None,
        flags: tuple[str, ...] = (),
    ) -> int:
        """Record in one transaction; how many had no row. Raises ``RefusedData``, ``Conflict``, ``Unavailable``."""

        async def work(connection: Connection) -> list[Entry]:
            entries = await records.record(
                connection,
                self._objects,
                arrivals,
                recovered_before=self._settings.recovered_before,
                flags=flags,
                causations=causations,
                often=Often(self._settings.most_receipts, self._settings.receipts_seconds),
            )
            fail_points.reached("storage.recorded")
            return entries

        began = time.time_ns()
        with metrics.BATCH_SECONDS.time():
            entries = await self._database.retry(work)
        fail_points.reached("storage.committed")
        traces.record(traces.RECORDED, began, (_span(entry, by) for entry in entries))
        metrics.BATCH_SIZE.observe(len(arrivals))
        for entry in entries:
            metrics.RECORDED.labels(by, entry.decision.disposition).inc()
            metrics.RECEIVED_TOO_OFTEN.labels(entry.receipt.calling_aet)  # counts from 0
            if TOO_OFTEN_FLAG in entry.decision.flags:
                metrics.RECEIVED_TOO_OFTEN.labels(entry.receipt.calling_aet).inc()
                log.warning(
                    "instance_received_too_often",
                    sop_instance=entry.receipt.sop_instance_uid,
                    calling_aet=entry.receipt.calling_aet,
                )
            if entry.decision.flags or entry.decision.disposition not in ("NEW", "DUPLICATE"):
                log.info(
                    "instance_recorded",
                    association=entry.receipt.association,
                    sop_instance=entry.receipt.sop_instance_uid,
                    disposition=entry.decision.disposition,
                    revision=entry.decision.revision,
                    flags=list(entry.decision.flags),
                )
        return len(entries)

    async def record_bare(self, arrived: InstanceReceived, error: RefusedData, *, by: str) -> bool:
        """Record without the facts the database refused, so that the object is seen; False if that is refused too."""
        metrics.REFUSED.inc()
        key = arrived.receipt.object_key
        log.error("receipt_refused", object_key=key, reason=str(error))
        try:
            await self.record([arrived.model_copy(update={"facts": NO_FACTS})], by=by, flags=(FACTS_REFUSED_FLAG,))
        except RefusedData as again:
            log.error("receipt_refused_bare", object_key=key, reason=str(again))
            return False
        return True

    async def _check(self, arrived: InstanceReceived) -> None:
        key = arrived.receipt.object_key
        if not (is_key(key) and key.startswith("objects/")):
            raise Reject("object_key is no key of the gateway")
        if arrived.receipt.received_at < now() - OLD:
            try:
                await asyncio.to_thread(self._objects.stat, key)
            except ObjectMissing as error:
                raise Reject(str(error)) from error


def _span(entry: Entry, by: str) -> traces.Span:
    return traces.Span(
        entry.receipt.object_key,
        {
            "dicom.sop_instance_uid": entry.receipt.sop_instance_uid,
            "gateway.revision": entry.decision.revision,
            "gateway.disposition": entry.decision.disposition,
            "gateway.by": by,
        },
    )

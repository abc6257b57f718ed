"""What the index does with a batch of messages and with what its reconciler finds: the same functions."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from schemas.messages import Envelope, InstanceDeleted, InstanceStored
from services.index import metrics, removal, store
from services.index.removal import Content
from services.index.settings import IndexSettings
from services.index.store import ReceiptKey, Window
from services.runtime import traces
from services.runtime.clock import now
from services.runtime.db import Database
from services.runtime.errors import RefusedData

OVERLAP_SECONDS = 600.0
SHORT_OVERLAP_SECONDS = 60.0
FULL_EVERY = 6  # every sixth run looks at the whole overlap: under load each run would read 200,000 receipts again
FIRST = (datetime(2000, 1, 1, tzinfo=UTC), "")

log = structlog.get_logger(__name__)


class Indexer:
    """The use cases of the index."""

    def __init__(self, database: Database, settings: IndexSettings) -> None:
        self._database = database
        self._settings = settings
        self._runs = 0

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Index the receipts that a batch of messages names."""
        keys = [
            ReceiptKey(envelope.body.received_at, envelope.body.object_key)
            for envelope in envelopes
            if isinstance(envelope.body, InstanceStored) and envelope.body.disposition != "DUPLICATE"
        ]
        await self.index(keys, by="message")

    async def handle_deleted(self, envelopes: Sequence[Envelope]) -> None:
        """Remove the contents that a batch of messages names."""
        await self.remove(
            [
                (envelope.body.sop_instance_uid, envelope.body.revision)
                for envelope in envelopes
                if isinstance(envelope.body, InstanceDeleted)
            ],
            by="message",
        )

    async def remove(self, contents: Sequence[Content], *, by: str) -> int:
        """Remove contents that storage hides, in one transaction. Returns how many had a row."""

        async def work(connection: store.Connection) -> int:
            return await removal.remove_contents(connection, contents)

        count = await self._database.retry(work) if contents else 0
        metrics.REMOVED.labels(by).inc(count)
        return count

    async def index(self, keys: Sequence[ReceiptKey], *, by: str) -> None:
        """Index receipts in one transaction; when the database refuses the batch, one by one, bare if need be."""
        if not keys:
            return
        began = time.time_ns()
        try:
            with metrics.BATCH_SECONDS.time():
                count = await self._write(keys)
        except RefusedData:
            for key in keys:
                await self._index_one(key)
            count = len(keys)
        traces.record(traces.INDEXED, began, (traces.Span(key.object_key, {"gateway.by": by}) for key in keys))
        metrics.INDEXED.labels(by).inc(count)
        indexed_at = now()
        for key in keys:
            metrics.RECEIVED_TO_INDEXED_SECONDS.observe(max(0.0, (indexed_at - key.received_at).total_seconds()))

    async def reconcile(self, *, age_seconds: float) -> int:
        """Do what storage recorded or hid up to ``age_seconds`` ago and no message brought. Returns how many rows."""
        overlap = OVERLAP_SECONDS if self._runs % FULL_EVERY == 0 else SHORT_OVERLAP_SECONDS
        async with self._database.transaction() as connection:
            window = await store.begin_reconcile(connection, overlap, age_seconds)
        count = await self._index_missing(window) + await self._remove_hidden(window)
        async with self._database.transaction() as connection:
            await store.advance_reconciled(connection, window.upper)
        self._runs += 1
        return count

    async def _index_missing(self, window: Window) -> int:
        count = 0
        after = FIRST
        while True:
            async with self._database.transaction() as connection:
                rows = await store.select_unindexed(connection, window, after, self._settings.batch)
            await self.index([ReceiptKey(row["received_at"], row["object_key"]) for row in rows], by="reconciler")
            count += len(rows)
            if len(rows) < self._settings.batch:
                return count
            after = (rows[-1]["recorded_at"], rows[-1]["object_key"])

    async def _remove_hidden(self, window: Window) -> int:
        count = 0
        while True:
            async with self._database.transaction() as connection:
                contents = await removal.select_hidden(connection, window, self._settings.batch)
            count += await self.remove(contents, by="reconciler")
            if len(contents) < self._settings.batch:
                return count

    async def _write(self, keys: Sequence[ReceiptKey], *, bare: bool = False) -> int:
        async def work(connection: store.Connection) -> int:
            return await store.index_receipts(connection, keys, bare=bare)

        return await self._database.retry(work)

    async def _index_one(self, key: ReceiptKey) -> None:
        try:
            await self._write([key])
        except RefusedData as error:
            metrics.REFUSED.inc()
            log.error("facts_refused", object_key=key.object_key, error=str(error))
            await self._write([key], bare=True)

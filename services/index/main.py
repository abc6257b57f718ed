"""The index as a part of a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.topology import INDEX_INSTANCE_DELETED, INDEX_INSTANCE_STORED
from services.index.erasure import Requests
from services.index.handlers import Indexer
from services.index.settings import IndexSettings
from services.runtime import reconcile
from services.runtime.app import Runtime

REQUESTS_SECONDS = 5.0
PLANS_ONCE = True


@asynccontextmanager
async def service(runtime: Runtime) -> AsyncIterator[None]:
    """Consume ``instance.stored`` and ``instance.deleted``, reconcile, and erase until the block ends."""
    settings = IndexSettings.load()
    indexer = Indexer(runtime.db, settings)

    def broker_away() -> bool:
        return not runtime.bus.available

    async def run_reconcile() -> int:
        return await indexer.reconcile(age_seconds=0 if broker_away() else settings.reconcile_age_seconds)

    for queue, handler in (
        (INDEX_INSTANCE_STORED, indexer.handle),
        (INDEX_INSTANCE_DELETED, indexer.handle_deleted),
    ):
        await runtime.bus.consume(queue, handler, batch=settings.batch, while_available=runtime.db)
    reconcile.every(runtime, "index", settings.reconcile_seconds, run_reconcile, broker_away)
    requests = Requests(runtime.db, settings)
    reconcile.every(runtime, "index requests", REQUESTS_SECONDS, requests.reconcile, broker_away)
    yield

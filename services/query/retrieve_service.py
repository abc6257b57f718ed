"""What C-MOVE and C-GET stand on in a process: objects, records, and the care of their tables."""

import structlog

from services.dicom.endpoint import Endpoint
from services.query.retrieve import Means, Retriever
from services.query.retrieve_records import Records
from services.query.settings import QuerySettings
from services.query.suboperations_targets import Stock
from services.runtime import partitions
from services.runtime.app import Runtime
from services.runtime.errors import GatewayError

CLOSE_SECONDS = 60.0

log = structlog.get_logger(__name__)


def retriever_of(runtime: Runtime, endpoint: Endpoint, settings: QuerySettings) -> Retriever:
    """C-MOVE and C-GET on the process's own pool: their transactions are short."""
    spool = runtime.settings.home / "spool"
    spool.mkdir(parents=True, exist_ok=True)
    stock = Stock(runtime.objects, spool, runtime.settings.max_object_bytes)
    records = Records(runtime.db, runtime.loop, sorted(endpoint.profile.unmovable))
    kept = dict.fromkeys(("retrieval", "suboperation"), settings.retrieval_months)
    runtime.supervisor.spawn("query partitions", lambda: partitions.maintain(runtime, "query", kept))
    runtime.supervisor.spawn("abandoned retrievals", lambda: close_abandoned(runtime, records, settings))
    means = Means(
        endpoint.profile, runtime.settings.aet, lambda: endpoint.configuration.current, runtime.db, runtime.loop, stock,
        settings,
    )  # fmt: skip
    return Retriever(means, records)


async def close_abandoned(runtime: Runtime, records: Records, settings: QuerySettings) -> None:
    """Each minute until the process stops; a supervised task."""
    while not await runtime.supervisor.pause(CLOSE_SECONDS):
        try:
            await records.end_abandoned(settings.abandoned_seconds)
        except GatewayError as error:
            log.debug("abandoned_not_closed", reason=str(error))

"""The forwarder as a part of a process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from schemas.topology import (
    FORWARDER_ASSOCIATION_ENDED,
    FORWARDER_COMMITMENT_CHANGED,
    FORWARDER_INSTANCE_STORED,
    FORWARDER_REQUEST,
)
from services.dicom.data import check_data
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.forwarder.associations import Associations
from services.forwarder.commitments import Commitments
from services.forwarder.configuration import Configuration
from services.forwarder.counting import Counting
from services.forwarder.evaluation import Evaluator
from services.forwarder.failover import Failover
from services.forwarder.handlers import Clocks, Handlers
from services.forwarder.holds import Holds
from services.forwarder.lanes import Lanes
from services.forwarder.loops import spawn_loops
from services.forwarder.means import Means
from services.forwarder.preparation import Preparation
from services.forwarder.probes import Probes
from services.forwarder.requests import Requests
from services.forwarder.retrievals import Retrievals
from services.forwarder.retrieving import Means as RetrievingMeans
from services.forwarder.settings import ForwarderSettings
from services.runtime import partitions, reconcile
from services.runtime.app import Runtime
from services.runtime.loops import Loops

DRAIN_MARGIN_SECONDS = 5.0  # of the process's drain time: for what was aborted to be recorded
PLANS_ONCE = True


@asynccontextmanager
async def service(runtime: Runtime) -> AsyncIterator[None]:
    """Evaluate, send and keep the clocks until the block ends; then wait for associations to end."""
    settings = ForwarderSettings.load()
    await asyncio.to_thread(check_data)
    profile = profile_of(runtime.settings.profile, DicomSettings.load())
    configuration = Configuration(runtime.db, settings.rule_sets, profile)
    threads = runtime.supervisor.threads(profile.outgoing, "association")
    preparation = Preparation(runtime.objects, spool(runtime), runtime.settings.max_object_bytes)
    means = Means(runtime.db, preparation, settings, profile, runtime.supervisor, threads)
    lanes = Lanes(means, configuration, runtime.settings.aet)
    probes = Probes(means, configuration, lanes.line)
    evaluator = Evaluator(configuration, runtime.objects, settings.reopen_seconds)
    commitments = Commitments(runtime.db, configuration)
    handlers = Handlers(runtime.db, evaluator, Requests(runtime.db, configuration, evaluator), commitments, settings)
    holds = Holds(runtime.db)
    clocks = Clocks(runtime.db, configuration, holds, settings)
    failover = Failover(runtime.db, configuration)
    associations = Associations(runtime.db, configuration)
    asking = RetrievingMeans(
        runtime.db, configuration, settings, profile, runtime.settings.aet, runtime.supervisor, threads
    )
    retrievals = Retrievals(asking)
    loops = Loops(runtime.db, runtime.supervisor)
    await spawn_loops(
        loops,
        configuration,
        lanes,
        probes,
        clocks,
        commitments,
        holds,
        failover,
        retrievals,
        associations,
        Counting(asking),
        settings,
    )
    await consume(runtime, handlers, associations, settings)
    try:
        yield
    finally:
        runtime.supervisor.stop()
        limit = max(0.0, runtime.settings.drain_seconds - DRAIN_MARGIN_SECONDS)
        await asyncio.gather(lanes.drained(limit), retrievals.drained(limit))


def spool(runtime: Runtime) -> Path:
    """The folder for what is written again while it is sent."""
    folder = runtime.settings.home / "sending"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


async def consume(
    runtime: Runtime, handlers: Handlers, associations: Associations, settings: ForwarderSettings
) -> None:
    """Subscribe, and reconcile what no message brings."""

    def broker_away() -> bool:
        return not runtime.bus.available

    async def run_reconcile() -> int:
        return await handlers.reconcile(age_seconds=0 if broker_away() else settings.reconcile_age_seconds)

    bus, database = runtime.bus, runtime.db
    await bus.consume(FORWARDER_INSTANCE_STORED, handlers.stored, batch=settings.batch, while_available=database)
    await bus.consume(FORWARDER_ASSOCIATION_ENDED, associations.ended, batch=settings.batch, while_available=database)
    await bus.consume(FORWARDER_REQUEST, handlers.requests.requested, while_available=database)
    await bus.consume(FORWARDER_COMMITMENT_CHANGED, handlers.committed, batch=settings.batch, while_available=database)
    kept = {
        "attempt": settings.attempt_months,
        "evaluation": settings.ledger_months,
        "delivery": settings.ledger_months,
    }
    runtime.supervisor.spawn("routing partitions", lambda: partitions.maintain(runtime, "routing", kept))
    reconcile.every(runtime, "forwarder", settings.reconcile_seconds, run_reconcile, broker_away)

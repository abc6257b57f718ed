"""Ingest as a part of a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.messages.commitment import CommitmentReported
from services.dicom.association import Handler
from services.dicom.commands import N_ACTION, N_EVENT_REPORT
from services.dicom.commitment_reports import CommitmentReports
from services.dicom.endpoint import Endpoint, Offer
from services.ingest.clock_watch import ClockWatch
from services.ingest.commitment_requests import CommitmentRequests
from services.ingest.handlers import Receiver
from services.ingest.housekeeping import Housekeeping
from services.ingest.offer import roles, transfer_syntaxes
from services.ingest.publisher import Publisher
from services.ingest.reporting_back import ReportingBack
from services.ingest.revisions import RevisionCheck
from services.ingest.settings import IngestSettings
from services.ingest.taken import Taken
from services.runtime.app import Runtime

STANDS_ALONE = True
"""Ready without database and broker (P3)."""
RELAYS = False
"""What it tells it publishes itself: of the outbox it may see nothing."""

PUBLISH_SECONDS = 2.0


@asynccontextmanager
async def service(runtime: Runtime) -> AsyncIterator[None]:
    """Receive until the block ends; then let associations end and publish what is known."""
    settings = IngestSettings.load()
    endpoint = await Endpoint.of(runtime)
    configuration, profile = endpoint.configuration, endpoint.profile
    clock = ClockWatch(runtime.objects, configuration)
    publisher = Publisher(runtime.bus, runtime.loop, settings.publish_backlog, settings.publish_at_once)
    publisher.start(runtime.supervisor)
    revisions = RevisionCheck(runtime.db, runtime.loop, settings.revision_check_seconds)
    receiver = Receiver(
        profile, runtime.objects, lambda: configuration.current, lambda: clock.wrong, publisher, revisions,
        runtime.settings.max_object_bytes,
    )  # fmt: skip
    reports = CommitmentReports(
        runtime.objects, lambda key: publisher.offer(CommitmentReported(object_key=key), correlation=key)
    )
    endpoint.offer(
        Offer(
            {
                **receiver.handlers(),
                N_EVENT_REPORT: reports.receive,
                **({} if profile.xeleris else committing(runtime, settings, publisher)),
            },
            lambda abstract_syntax: transfer_syntaxes(profile, abstract_syntax),
            roles(profile),
            receiver.ended,
        )
    )
    await Housekeeping(runtime, settings, configuration, clock).start()
    taken = Taken(runtime.db, configuration)
    taken.start(runtime.supervisor)
    try:
        yield
    finally:
        await endpoint.drained()
        await taken.leave()
        await publisher.close(PUBLISH_SECONDS)


def committing(runtime: Runtime, settings: IngestSettings, publisher: Publisher) -> dict[int, Handler]:
    """The handler of requests for commitment. Profile xeleris has none: there the peer cannot be SCU (R108)."""
    reporting = ReportingBack(
        runtime.db, runtime.loop, publisher, runtime.supervisor.stopping.is_set, settings.report_wait_seconds
    )
    return {N_ACTION: CommitmentRequests(runtime.objects, publisher, reporting).receive}

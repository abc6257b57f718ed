"""Commitment as a part of a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.commitment import reports, scp
from services.commitment.ground import Ground
from services.commitment.scu import asking
from services.commitment.settings import CommitmentSettings
from services.commitment.stations import Stations
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.runtime import partitions
from services.runtime.app import Runtime

KEPT = ("item", "archive_history", "report", "inbound", "inbound_item")
PLANS_ONCE = True


@asynccontextmanager
async def service(runtime: Runtime) -> AsyncIterator[None]:
    """Collect, ask, hear and keep the clocks until the block ends."""
    settings = CommitmentSettings.load()
    profile = profile_of(runtime.settings.profile, DicomSettings.load())
    kept = dict.fromkeys(KEPT, settings.record_months)
    most = settings.associations + settings.reports_at_once
    threads = runtime.supervisor.threads(most, "association")
    ground = Ground(runtime, settings, profile, Stations(runtime.db), threads)
    runtime.supervisor.spawn("commitment partitions", lambda: partitions.maintain(runtime, "commitment", kept))
    await reports.start(ground)
    async with scp.committing(ground), asking(ground):
        yield

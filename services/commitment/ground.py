"""What all parts of commitment stand on."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from schemas.messages import CommitmentReported, Envelope
from services.commitment.settings import CommitmentSettings
from services.commitment.stations import Stations
from services.dicom.association import Request
from services.dicom.commitment_reports import CommitmentReports
from services.dicom.profile import Profile
from services.runtime.app import Runtime
from services.runtime.errors import GatewayError
from services.runtime.loops import Loops

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Ground:
    """The process, its settings, the profile, the stations as configured, and the threads of associations."""

    runtime: Runtime
    settings: CommitmentSettings
    profile: Profile
    stations: Stations
    threads: ThreadPoolExecutor

    @property
    def reports(self) -> Callable[[Request], None]:
        """Receives an N-EVENT-REPORT on an association of ours: durable before it is answered, then published."""
        runtime = self.runtime

        def kept(object_key: str) -> None:
            envelope = Envelope.wrap(CommitmentReported(object_key=object_key), "commitment")
            asyncio.run_coroutine_threadsafe(_published(runtime, envelope), runtime.loop)

        return CommitmentReports(runtime.objects, kept).receive

    @property
    def loops(self) -> Loops:
        """For supervised loops."""
        return Loops(self.runtime.db, self.runtime.supervisor)


async def _published(runtime: Runtime, envelope: Envelope) -> None:
    """Best effort: the sweep of ``reports/`` finds what is not published."""
    try:
        await runtime.bus.publish(envelope)
    except GatewayError as error:
        log.debug("report_not_published", reason=str(error))

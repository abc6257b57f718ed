"""Ingest as a part of a process."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.dicom.guards import Guards
from services.dicom.listener import Listener, listen
from services.dicom.slots import Slots
from services.ingest.acceptance import SnapshotPolicy
from services.ingest.clock_watch import ClockWatch
from services.ingest.configuration import Configuration
from services.ingest.handlers import Receiver
from services.ingest.housekeeping import Housekeeping
from services.ingest.publisher import Publisher
from services.ingest.revisions import RevisionCheck
from services.ingest.settings import IngestSettings
from services.runtime.app import Runtime

STANDS_ALONE = True
"""Ready without database and broker (P3)."""

PUBLISH_SECONDS = 2.0
MARGIN_SECONDS = 5.0


@asynccontextmanager
async def service(runtime: Runtime) -> AsyncIterator[None]:
    """Receive until the block ends; then let associations end and publish what is known."""
    settings = IngestSettings.load()
    configuration = Configuration(runtime.objects, runtime.settings.home)
    clock = ClockWatch(runtime.objects, configuration)
    publisher = Publisher(runtime.bus, runtime.loop, settings.publish_backlog)
    publisher.start(runtime.supervisor, settings.publish_at_once)
    policy = SnapshotPolicy(runtime.settings.aet, lambda: configuration.current)
    largest = runtime.settings.max_object_bytes
    revisions = RevisionCheck(runtime.db, runtime.loop, settings.revision_check_seconds)
    receiver = Receiver(
        runtime.objects, lambda: configuration.current, lambda: clock.wrong, publisher, revisions, largest
    )
    listener = Listener(
        _socket(runtime, settings), policy, receiver.handlers(), Guards(maximum_object=largest),
        slots=Slots(runtime.settings.home / "slots", settings.associations, settings.share), ended=receiver.ended,
    )  # fmt: skip
    await Housekeeping(runtime, settings, configuration, clock, listener).start()
    listener.start()
    try:
        yield
    finally:
        policy.drain()
        await asyncio.to_thread(listener.drain, max(0.0, runtime.settings.drain_seconds - MARGIN_SECONDS))
        await publisher.close(PUBLISH_SECONDS)


def _socket(runtime: Runtime, settings: IngestSettings) -> socket.socket:
    if settings.dicom_fd is not None:
        return socket.socket(fileno=settings.dicom_fd)
    return listen(runtime.settings.dicom_host, runtime.settings.dicom_port)

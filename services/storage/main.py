"""Storage as a part of a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from schemas.topology import STORAGE_INSTANCE_RECEIVED, STORAGE_INSTANCE_UNUSABLE, STORAGE_REQUEST
from services.dicom.contexts import COMMITMENT_PUSH
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.runtime import partitions, reconcile
from services.runtime.app import Runtime
from services.runtime.supervise import Supervisor
from services.storage.corrections import Corrector
from services.storage.deletion import DeletionWorker
from services.storage.full_sweep import FullSweep
from services.storage.handlers import Recorder
from services.storage.leadership import Leadership
from services.storage.redundancy import RedundancyWorker
from services.storage.requests import Requests
from services.storage.retention import Retention
from services.storage.scrub import Scrub
from services.storage.settings import StorageSettings
from services.storage.snapshot_writer import SnapshotWriter
from services.storage.sweep import Sweep

OUTBOX_MONTHS = 1
REQUESTS_SECONDS = 10.0
PLANS_ONCE = True


class Worker(Protocol):
    """What runs beside the consumer until the process stops."""

    async def run(self, supervisor: Supervisor) -> None:
        """A supervised task."""


@asynccontextmanager
async def service(runtime: Runtime) -> AsyncIterator[None]:
    """Consume ``instance.received`` and requests, sweep, write snapshots until the block ends."""
    supervisor = runtime.supervisor
    profile = profile_of(runtime.settings.profile, DicomSettings.load())
    settings, commitment = StorageSettings.load().fit(profile), profile.serves(COMMITMENT_PUSH)
    recorder = Recorder(runtime.db, runtime.objects, settings)
    leadership = Leadership(runtime.db, settings.lease_seconds)
    sweep = Sweep(runtime.db, runtime.objects, runtime.bus, recorder, leadership, settings, supervisor)
    parts = runtime.db, runtime.objects
    scrub = Scrub(*parts, leadership, settings)
    workers: dict[str, Worker] = {
        "deletion": DeletionWorker(*parts, leadership, settings),
        "duplicates": RedundancyWorker(*parts, leadership, settings),
        "scrub": scrub,
        "full sweep": FullSweep(*parts, sweep, leadership, settings),
        "snapshot": SnapshotWriter(*parts, runtime.settings.profile),
        "leadership": leadership,
    }
    if not profile.xeleris:
        workers["retention"] = Retention(runtime.db, leadership, settings, commitment=commitment)
    for name, worker in workers.items():
        supervisor.spawn(f"storage {name}", partial(worker.run, supervisor))
    supervisor.spawn("partitions of storage", lambda: partitions.maintain(runtime, "storage"))
    supervisor.spawn(
        "partitions of the outbox", lambda: partitions.maintain(runtime, "runtime", {"outbox": OUTBOX_MONTHS})
    )
    reconcile.every(runtime, "storage sweep", settings.sweep_seconds, sweep.run_once, lambda: not runtime.bus.available)
    await runtime.bus.consume(
        STORAGE_INSTANCE_RECEIVED, recorder.handle, batch=settings.batch, while_available=runtime.db
    )
    await runtime.bus.consume(STORAGE_INSTANCE_UNUSABLE, scrub.suspected, while_available=runtime.db)
    corrector = Corrector(runtime.objects, spool(runtime.settings.home), runtime.settings.max_object_bytes)
    requests = Requests(runtime.db, settings, corrector, commitment=commitment)
    await runtime.bus.consume(STORAGE_REQUEST, requests.requested, while_available=runtime.db)
    reconcile.every(
        runtime, "storage requests", REQUESTS_SECONDS, requests.reconcile, lambda: not runtime.bus.available
    )
    yield


def spool(home: Path) -> Path:
    """The folder for what is written again before it is stored."""
    folder = home / "correcting"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder

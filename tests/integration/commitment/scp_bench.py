"""We commit: an ingest process that peers ask, the tables it is judged by, and commitment in this process."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row

from schemas.commitment import REQUESTS, CommitmentRequest, RequestedInstance
from services.commitment import scp
from services.commitment.ground import Ground
from services.commitment.settings import CommitmentSettings
from services.commitment.stations import Stations
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.runtime.app import Runtime
from services.runtime.bus import Bus
from services.runtime.clock import now
from services.runtime.db import Database
from services.runtime.health import Health
from services.runtime.objects import new_key
from services.runtime.outbox import Outbox
from services.runtime.settings import RuntimeSettings
from services.runtime.supervise import Supervisor
from tests.factories import Instance
from tests.ingest_process import IngestProcess
from tests.recorded import Recorder
from tests.stations.asker import Asking

NOWHERE = "amqp://guest:guest@127.0.0.1:9/"
APPLICATION = "test-commitment"
NEVER = {"GATEWAY_INGEST_REPORT_WAIT_SECONDS": "0"}
T = TypeVar("T")


class Site:
    """An ingest process and the tables it is judged by."""

    def __init__(self, url: str, ingest: IngestProcess) -> None:
        self.url, self.ingest = url, ingest
        self.recorder = Recorder(url, ingest.home / "objects")

    def rows(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            found = connection.execute(statement.encode(), parameters or None)
            return found.fetchall() if found.description else []

    async def change(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """An update beside commitment: in a thread, because who holds the row needs this loop to give it up."""
        return await in_thread(self.rows, statement, *parameters)

    def states(self) -> list[str]:
        """Of all requests in their order."""
        return [row["state"] for row in self.rows("select state from commitment.inbound order by received_at")]

    def everything_is_recorded(self) -> None:
        self.recorder.watermark(datetime.now(UTC) + timedelta(hours=1))

    def keep(self, transaction: str, *instances: Instance, calling: str = "SCANNER1") -> str:
        """What ingest leaves of a request; its key."""
        at = now()
        request = CommitmentRequest(
            received_at=at, peer_address="127.0.0.1", calling_aet=calling, called_aet="GATEWAY", association="a" * 32,
            transaction_uid=transaction,
            instances=[
                RequestedInstance(sop_class_uid=each.sop_class_uid, sop_instance_uid=each.sop_instance_uid)
                for each in instances
            ],
        )  # fmt: skip
        key = new_key(REQUESTS, at, "json")
        self.recorder.objects.put_bytes(key, request.encode())
        return key

    async def ask(self, transaction: str, *instances: Instance, **more: Any) -> int:
        """One N-ACTION on an association that is released at once; its status."""

        def asked() -> int:
            with Asking(self.ingest.port) as modality:
                return modality.ask(transaction, references(*instances), **more).status

        return await asyncio.to_thread(asked)


def references(*instances: Instance) -> list[tuple[str, str]]:
    return [(each.sop_class_uid, each.sop_instance_uid) for each in instances]


@asynccontextmanager
async def running(site: Site, amqp_url: str = NOWHERE, drain_seconds: float = 6) -> AsyncIterator[Runtime]:
    """A process's surroundings in this one: a database, a bus (without a broker by default), a supervisor."""
    supervisor, database = Supervisor(), Database(site.url, application=APPLICATION)
    bus = Bus(amqp_url, supervisor)
    outbox = Outbox(database, bus, supervisor)
    runtime = Runtime(
        RuntimeSettings(database_url=site.url, amqp_url=amqp_url, home=site.ingest.home, drain_seconds=drain_seconds),
        database, bus, outbox,
        site.recorder.objects, Health(supervisor), supervisor, "test", asyncio.get_running_loop(),
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        await database.open()
        stack.push_async_callback(database.close)
        stack.push_async_callback(supervisor.drain, 0.2)
        await bus.open()
        stack.push_async_callback(bus.close)
        supervisor.spawn("outbox relay", outbox.relay)
        async with asyncio.timeout(10):
            await database.wait_available()
        yield runtime


@asynccontextmanager
async def committing(site: Site, **settings: Any) -> AsyncIterator[Runtime]:
    """The part of commitment that answers requests, in this process, without a broker: the sweep brings them."""
    chosen = CommitmentSettings(**{"poll_seconds": 0.1, "sweep_seconds": 0.2, "lease_seconds": 2} | settings)
    async with running(site) as runtime:
        with ThreadPoolExecutor(chosen.reports_at_once) as threads:
            stations = Stations(runtime.db)
            async with scp.committing(
                Ground(runtime, chosen, profile_of("gateway", DicomSettings()), stations, threads)
            ):
                yield runtime


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.to_thread(functools.partial(work, *arguments))

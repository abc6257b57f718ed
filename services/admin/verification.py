"""Can a gateway run here? Object store, database, schema, broker and the desk's servers, each tried for real."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final
from uuid import uuid4

from schemas.topology import QUEUES
from services.admin.desk_servers import verify_desk_servers
from services.admin.notices import contacts
from services.admin.notices.contact import Contact
from services.admin.verification_finding import Finding, State, found
from services.dicom.profile import profile_for, profile_of
from services.dicom.settings import DicomSettings
from services.runtime.bus import Bus
from services.runtime.clock import now
from services.runtime.db import Database
from services.runtime.errors import GatewayError, StoreFull, Unavailable
from services.runtime.objects import ObjectStore, open_store
from services.runtime.objects_local import LocalStore
from services.runtime.schema import applied, check_schema
from services.runtime.settings import RuntimeSettings
from services.runtime.supervise import Supervisor

BROKER_SECONDS: Final = 10.0
WARNING_DAYS: Final = 30
LOOK_SECONDS: Final = 0.05
FOLDER: Final = "config"  # of the object store: the snapshot is there in every store that is in use


async def verify(settings: RuntimeSettings, place: Callable[[str], str]) -> list[Finding]:
    """Try everything; ``place`` tells a URL without its secrets. Never raises a ``GatewayError``."""
    database, told = await _database(settings, place)
    return [
        await found("settings", _settings(settings)),
        _tls(settings),
        await found("objects", _objects(settings)),
        *database,
        *await _broker(settings, place),
        *await verify_desk_servers(told),
    ]


async def _settings(settings: RuntimeSettings) -> str:
    """Whether they fit together and the profile."""
    profile = profile_for(settings, DicomSettings.load())
    return f"AE title {settings.aet}, profile {settings.profile} ({profile.product}), home {settings.home}"


def _tls(settings: RuntimeSettings) -> Finding:
    """Whether the certificate for DICOM over TLS can be used, and how long."""
    try:
        ours = DicomSettings.load()
        identity = profile_of(settings.profile, ours).tls
        if identity is None:
            return Finding("tls", "ok", "DICOM goes over plain TCP only: GATEWAY_TLS_CERTIFICATE is not set")
        expires = identity.load()
    except GatewayError as error:
        return Finding("tls", "failed", str(error))
    days = (expires - now()).days
    state: State = "failed" if days < 0 else "warning" if days < WARNING_DAYS else "ok"
    text = f"{ours.tls_certificate} is for port {ours.tls_port} and calls; it expires on {expires:%Y-%m-%d}"
    return Finding("tls", state, text if state == "ok" else f"{text}: put a new one there, no restart is needed")


async def _objects(settings: RuntimeSettings) -> str:
    """Write, read and delete a small object, as durable as every other; makes no folder where there is none."""
    if not settings.home.is_dir():
        raise GatewayError(f"home {settings.home} does not exist: set GATEWAY_HOME to a gateway's, or start one there")
    store, url = open_store(settings), settings.objects_url
    key, content = f"{FOLDER}/check-{uuid4().hex}", uuid4().bytes

    def attempt() -> str:
        if isinstance(store, LocalStore) and not (store.root / FOLDER).is_dir():
            return f"{url} is not used yet, the first start makes it{_room(store, url)}"
        store.put_bytes(key, content)
        same = store.get_bytes(key) == content
        store.delete(key)
        if not same:
            raise GatewayError(f"{url} gave back other bytes than were written")
        return f"{url} is writable{_room(store, url)}"

    return await asyncio.to_thread(attempt)


def _room(store: ObjectStore, url: str) -> str:
    """What is free, where there is a limit. Raises ``StoreFull`` with what keeps objects from being written."""
    if reason := store.ready():
        raise StoreFull(f"{url}: {reason}")
    free = store.free().free
    return "" if free is None else f", {free >> 20} MiB free"


async def _database(settings: RuntimeSettings, place: Callable[[str], str]) -> tuple[list[Finding], Sequence[Contact]]:
    """With the contacts, which are in it."""
    url = settings.database_of(["admin"])
    where = place(url)
    database = Database(url, application="gateway-check", pool=1, any_schema=True)
    await database.open()
    try:
        reached = await found("database", _answers(database, where))
        if reached.state != "ok":
            return [reached], []
        fits = await found("schema", _schema(database))
        return [reached, fits], await contacts.list_all(database) if fits.state == "ok" else []
    finally:
        await database.close()


async def _answers(database: Database, where: str) -> str:
    try:
        await database.reach()
    except Unavailable as error:
        cure = "start it, or name another one with GATEWAY_DATABASE_URL"
        raise Unavailable(f"{where}: {error}; {cure}") from error
    async with database.transaction():
        return f"{where} answers"


async def _schema(database: Database) -> str:
    async with database.transaction() as connection:
        await check_schema(connection)
        number, _ = await applied(connection)
    return f"version {number} fits this code"


async def _broker(settings: RuntimeSettings, place: Callable[[str], str]) -> list[Finding]:
    url = settings.amqp_of(["admin"])
    where = place(url)
    supervisor = Supervisor()
    bus = Bus(url, supervisor)
    await bus.open()
    try:
        deadline = time.monotonic() + BROKER_SECONDS
        while not bus.available and bus.topology_fault is None and time.monotonic() < deadline:
            await supervisor.pause(LOOK_SECONDS)
        if bus.topology_fault is not None:
            return [Finding("broker", "ok", f"{where} answers"), Finding("topology", "failed", bus.topology_fault)]
        if bus.reason is not None:
            cure = "start it, or name another one with GATEWAY_AMQP_URL"
            return [Finding("broker", "not reachable", f"{where}: {bus.reason}; {cure}")]
    finally:
        await bus.close()
    return [
        Finding("broker", "ok", f"{where} answers"),
        Finding("topology", "ok", f"{len(QUEUES)} queues with their dead letter queues are as they should be"),
    ]

"""One process: settings, database, bus, object store, health; its services entered, and drained in reverse order."""

import asyncio
import importlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

import structlog
from starlette.types import ASGIApp

from services.runtime import health, logs, traces
from services.runtime.bus import Bus
from services.runtime.db import Database
from services.runtime.errors import UsageError
from services.runtime.health import Health, HealthServer
from services.runtime.metrics import BUILD
from services.runtime.objects import ObjectStore, open_store
from services.runtime.outbox import Outbox
from services.runtime.settings import RuntimeSettings
from services.runtime.supervise import Supervisor

TASK_SECONDS = 5.0  # for tasks to end after the services have drained
KERNEL_SECONDS = 2.0  # after which the kernel does what our own timer could not
SETTLE_SECONDS = 3.0  # after the drain limit, before the process is ended whatever still runs
FLAGS = {"STANDS_ALONE": False, "NEEDS_OBJECTS": True, "PLANS_ONCE": False, "RELAYS": True, "REPLAYS": False}
"""What a service's module may say, and what holds without it; in the order of ``Resolved``."""

log = structlog.get_logger(__name__)


@dataclass
class Runtime:
    """What a service stands on; one for all services of a process."""

    settings: RuntimeSettings
    db: Database
    bus: Bus
    outbox: Outbox
    objects: ObjectStore
    health: Health
    supervisor: Supervisor
    service: str
    loop: asyncio.AbstractEventLoop
    on_started: list[Callable[[], None]] = field(default_factory=list)
    """Called once all services of the process have been entered."""
    shared: dict[type, object] = field(default_factory=dict)
    """What several services of one process have together, by its class."""


Service = Callable[[Runtime], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Resolved:
    """A service's context manager. ``stands_alone``: its readiness is its own checks only (ingest). ``needs_objects``:
    it is not ready while the object store is unusable. ``plans_once``: what it asks the database needs no plan of its
    own for each value. ``relays``: it enqueues events. ``replays``: it may send a dead letter to its queue again."""

    name: str
    enter: Service
    stands_alone: bool
    needs_objects: bool
    plans_once: bool
    relays: bool
    replays: bool


def resolve(target: str) -> Resolved:
    """Import ``services.<name>.main:service``. Its module may say ``STANDS_ALONE = True``, ``NEEDS_OBJECTS = False``,
    ``PLANS_ONCE = True``, ``RELAYS = False`` and ``REPLAYS = True``. Raises ``UsageError``."""
    module_name, _, attribute = target.partition(":")
    try:
        module = importlib.import_module(module_name)
        enter: Service = getattr(module, attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        raise UsageError(f"service {target}: {error}; name an existing service") from error
    said = (bool(getattr(module, name, usual)) for name, usual in FLAGS.items())
    return Resolved(module_name.split(".")[-2], enter, *said)


def run(targets: Sequence[str]) -> int:
    """Run these services (``services.<name>.main:service``) until a signal or a crash; the exit status.

    0 after a drain, 1 if a service failed or the drain was not done in time, 2 for wrong settings.
    """
    try:
        if not targets:
            raise UsageError("no service: name at least one")
        settings = RuntimeSettings.load()
        services = [resolve(target) for target in targets]
        service = "-".join(resolved.name for resolved in services)
        logs.configure(service, settings.log_level)
        traces.check(settings)
        os.umask(0o077)
        settings.home.mkdir(parents=True, exist_ok=True)
        return asyncio.run(_run(settings, service, services))
    except UsageError as error:
        print(error, file=sys.stderr)  # noqa: T201 - for the person at the terminal
        return 2


async def _run(settings: RuntimeSettings, service: str, services: Sequence[Resolved]) -> int:
    return await _Process(settings, service, services).main()


class _Process:
    def __init__(self, settings: RuntimeSettings, service: str, services: Sequence[Resolved]) -> None:
        self.settings, self.service, self.services = settings, service, services
        self.supervisor = Supervisor()
        self.stack = AsyncExitStack()
        self.servers: list[HealthServer] = []

    async def main(self) -> int:
        """Enter, wait, drain; the exit status."""
        self._handle_signals()
        entered = False
        try:
            await self._enter_services(await self._open())
            entered = True
            await self.supervisor.stopping.wait()
        except TimeoutError:
            entered = self.supervisor.stopping.is_set()  # a signal while starting
        except UsageError:
            await self._drained()
            raise
        except Exception as error:
            log.error("service_failed", exc_info=error)
        fine = await self._drained() and entered and not self.supervisor.crashed
        log.info("process_stopped", fine=fine)
        return 0 if fine else 1

    async def _open(self) -> Runtime:
        """The runtime with its connections (made in the background) and its health endpoints."""
        settings, supervisor = self.settings, self.supervisor
        traces.start(settings, self.service, _version())
        self.stack.push_async_callback(traces.stop)
        names = [resolved.name for resolved in self.services]
        relays = any(resolved.relays for resolved in self.services)
        db = Database(
            settings.database_of(names),
            application=f"gateway-{self.service}",
            plans_once=all(resolved.plans_once for resolved in self.services),
            relays=relays,
        )
        bus = Bus(settings.amqp_of(names), supervisor)
        outbox = Outbox(db, bus, supervisor, replays=any(resolved.replays for resolved in self.services))
        runtime = Runtime(
            settings=settings, db=db, bus=bus, outbox=outbox, objects=open_store(settings),
            health=Health(supervisor, apart=settings.health_port not in (None, settings.http_port)),
            supervisor=supervisor, service=self.service, loop=asyncio.get_running_loop(),
        )  # fmt: skip
        self._serve_health(runtime.health)
        self._add_checks(runtime)
        await db.open()
        self.stack.push_async_callback(db.close)
        await bus.open()
        self.stack.push_async_callback(bus.close)
        self.stack.push_async_callback(self._end_tasks)
        if relays:
            supervisor.spawn("outbox relay", outbox.relay)
        return runtime

    def _serve_health(self, checks: Health) -> None:
        settings = self.settings
        port = settings.http_port if settings.health_port is None else settings.health_port
        sock = self.stack.enter_context(health.listen(settings.http_host, port))
        self.stack.enter_context(health.announced(settings.home, self.service, health.url_of(sock)))
        self.supervisor.spawn("heartbeat", checks.heartbeat)
        self._serve("http", checks.app(), sock)

    def _serve_site(self, site: ASGIApp) -> None:
        self._serve("site", site, health.listen(self.settings.http_host, self.settings.http_port))

    def _serve(self, name: str, app: ASGIApp, sock: socket.socket) -> None:
        server = HealthServer.of(app)
        self.servers.append(server)
        self.supervisor.spawn(name, lambda: server.serve([sock]), restart=False)

    def _add_checks(self, runtime: Runtime) -> None:
        BUILD.info({"version": _version(), "services": " ".join(resolved.name for resolved in self.services)})
        if any(resolved.needs_objects for resolved in self.services):
            runtime.health.add_readiness("objects", runtime.objects.usable)
        if not all(resolved.stands_alone for resolved in self.services):
            db, bus = runtime.db, runtime.bus
            runtime.health.add_readiness("database", lambda: None if db.available else db.reason)
            runtime.health.add_readiness("broker", lambda: None if bus.available else bus.reason)

    async def _enter_services(self, runtime: Runtime) -> None:
        """Raises ``TimeoutError`` when the process is to stop before all have started."""
        async with asyncio.timeout(None) as starting:
            with self.supervisor.calling_on_stop(lambda: starting.reschedule(0)):
                for resolved in self.services:
                    await self.stack.enter_async_context(resolved.enter(runtime))
                    log.info("service_started", name=resolved.name)
        for begin in runtime.on_started:
            begin()
        if (site := runtime.health.site()) is not None:
            self._serve_site(site)
        runtime.health.started()

    async def _drained(self) -> bool:
        limit = self.settings.drain_seconds
        log.info("process_draining", limit_seconds=limit)
        self.supervisor.stop()
        _end_process_after(limit + SETTLE_SECONDS)
        try:
            async with asyncio.timeout(limit):
                await self.stack.aclose()
        except TimeoutError:
            log.warning("drain_limit_reached", limit_seconds=limit)
            return False
        except Exception as error:
            log.error("drain_failed", exc_info=error)
            return False
        return True

    async def _end_tasks(self) -> None:
        for server in self.servers:
            server.should_exit = True
        late = await self.supervisor.drain(TASK_SECONDS)
        if late:
            log.warning("tasks_canceled", tasks=late)

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()

        def first(number: signal.Signals) -> None:
            for handled in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(handled)
                signal.signal(handled, signal.SIG_DFL)  # the second one kills
            log.info("signal_received", signal=number.name)
            self.supervisor.stop()

        for handled in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(handled, first, handled)


def _end_process_after(seconds: float) -> None:
    """Threads that hang must not keep a drained process: this ends it hard, unless it has ended before.

    The kernel's timer stands behind ours: without memory for a thread the start of one may never return.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds + KERNEL_SECONDS)

    def end() -> None:
        log.error("process_killed_by_drain_limit")
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _version() -> str:
    try:
        return version("dicom-gateway")
    except PackageNotFoundError:
        return "unknown"

"""`gateway up`: one process for each service, several for those that share the DICOM socket, kept running.

The socket is opened here once and inherited by every process that listens on it, so its queue of connections outlives
each of them: a process is replaced (SIGHUP) by starting its successor, waiting until that is ready, then ending it.
SIGTERM and SIGINT drain all, the second one kills. Children die with this process, however it ends.
"""

import fcntl
import json
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import structlog

from services.runtime import logs
from services.runtime.errors import UsageError
from services.runtime.forking import ForkedProcess, forked, keep_shared
from services.runtime.settings import HOME_FILE, RuntimeSettings
from services.runtime.supervise import LONGEST_DELAY_SECONDS, restart_delay

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})
TICK_SECONDS = 0.1
PROBE_SECONDS = 1.0
START_SECONDS = 60.0  # for a successor to become ready; then the replacement is given up and the old one stays
DRAIN_MARGIN_SECONDS = 5.0
STEADY_SECONDS = 30.0  # a process that lived so long starts again without the back-off of earlier deaths
BACKLOG = 1024
WRONG_SETTINGS = 2  # the exit status of a process that has just said what is wrong and what to do: a person has to

log = structlog.get_logger(__name__)

Run = Callable[[Sequence[str]], int]
"""Runs a process of these services to its end; the exit status."""


@dataclass(frozen=True)
class Plan:
    """How many processes of these services. ``listens``: on the DICOM socket. ``http``: at the public HTTP port.
    ``gives_way``: to the others, where the processors do not suffice for all."""

    services: tuple[str, ...]
    count: int = 1
    listens: bool = False
    http: bool = False
    gives_way: bool = False

    @property
    def name(self) -> str:
        """The process's name, as it calls itself (services.runtime.app)."""
        return "-".join(self.services)


def up(plans: Sequence[Plan], run: Run, tls_port: int | None = None) -> int:
    """Run a process for every plan until a signal; the exit status. Raises ``UsageError``. ``tls_port``: where they
    listen for DICOM over TLS besides; None: nowhere.

    Load what the processes need before, and start no thread: each begins as a copy of this one.
    """
    settings = RuntimeSettings.load()
    logs.configure("up", settings.log_level)
    os.umask(0o077)
    keep_shared()
    return Processes(settings, plans, run, tls_port).run()


@dataclass
class Child:
    """A running process of a service."""

    process: ForkedProcess
    file: Path  # run/<service>-<pid>.json, which the child writes
    started: float = field(default_factory=time.monotonic)
    kill_at: float | None = None
    ready: bool = False

    def alive(self) -> bool:
        """False once it has ended (and then its file is removed)."""
        if self.process.alive():
            return True
        self.file.unlink(missing_ok=True)
        return False

    def probe(self) -> bool:
        """True as soon as its /readyz has once said so."""
        if not self.ready:
            url = self.url()
            self.ready = url is not None and _answers(f"{url}/readyz")
        return self.ready

    def url(self) -> str | None:
        """Where it serves HTTP; None before it has said so."""
        try:
            return str(json.loads(self.file.read_text(encoding="utf-8"))["http"])
        except FileNotFoundError:
            return None

    def end(self, seconds: float) -> None:
        """Ask it to drain, and kill it if it still runs after ``seconds``; a second call may only shorten that."""
        deadline = time.monotonic() + seconds
        if self.kill_at is None:
            self.process.terminate()
        self.kill_at = min(self.kill_at or deadline, deadline)


@dataclass
class Slot:
    """A place for one process: the current one, its successor while it is replaced, those that drain."""

    plan: Plan
    current: Child | None = None
    successor: Child | None = None
    draining: list[Child] = field(default_factory=list)
    failures: int = 0
    start_at: float = 0.0

    def children(self) -> list[Child]:
        """All its processes."""
        return [child for child in (self.current, self.successor, *self.draining) if child]

    def end(self, seconds: float) -> None:
        """Let all of them drain for at most ``seconds``."""
        self.draining = self.children()
        self.current = self.successor = None
        for child in self.draining:
            child.end(seconds)


class Processes:
    """The supervisor. ``run`` is what a process of some services does."""

    def __init__(self, settings: RuntimeSettings, plans: Sequence[Plan], run: Run, tls_port: int | None = None) -> None:
        self.settings, self.run_services, self._tls_port = settings, run, tls_port
        self.slots = [Slot(plan) for plan in plans for _ in range(plan.count)]
        self.run_folder = settings.home / "run"
        self._replacing: list[Slot] = []
        self._http_port = settings.http_port
        self._stopping = self._announced = False

    def run(self) -> int:
        """Keep the processes running until SIGTERM or SIGINT; 0 after all have drained."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        with _only_one(self.run_folder) as self._lock, self._listening() as self.sockets:
            while not (self._stopping and not any(slot.children() for slot in self.slots)):
                self._handle(signal.sigtimedwait(SIGNALS, TICK_SECONDS))
                for slot in self.slots:
                    self._tend(slot)
                self._replace()
                self._announce()
        return 0

    @contextmanager
    def _listening(self) -> Iterator[dict[str, socket.socket]]:
        """The sockets, by the word in their settings: GATEWAY_DICOM_PORT and GATEWAY_DICOM_FD, GATEWAY_TLS_…"""
        ports = {"DICOM": self.settings.dicom_port}
        if self._tls_port is not None:
            ports["TLS"] = self._tls_port
        with ExitStack() as open_sockets:
            yield {use: open_sockets.enter_context(self._bound(use, port)) for use, port in ports.items()}

    def _bound(self, use: str, port: int) -> socket.socket:
        host = self.settings.dicom_host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=host == "::")
        except OSError as error:
            raise UsageError(
                f"{use} address {host}:{port}: {os.strerror(error.errno or 0)}; set GATEWAY_{use}_PORT"
            ) from error

    def _handle(self, received: signal.struct_siginfo | None) -> None:
        number = received.si_signo if received else None
        if number == signal.SIGHUP and not self._stopping:
            self._replacing += [s for s in self.slots if s.plan.listens and s not in self._replacing]
            log.info("replacement_started", processes=len(self._replacing))
        elif number in (signal.SIGTERM, signal.SIGINT):
            limit = 0.0 if self._stopping else self.settings.drain_seconds + DRAIN_MARGIN_SECONDS
            log.info("processes_killed" if self._stopping else "processes_draining")
            self._stopping = True
            self._replacing.clear()
            for slot in self.slots:
                slot.end(limit)

    def _tend(self, slot: Slot) -> None:
        """Notice deaths, kill what drains too long, start what is missing."""
        now = time.monotonic()
        for child in slot.children():
            if child.kill_at is not None and child.kill_at <= now:
                child.process.kill()
        slot.draining = [child for child in slot.draining if child.alive()]
        if slot.current and not slot.current.alive():
            self._note_death(slot, slot.current, now)
        if slot.current is None and not self._stopping and slot.start_at <= now:
            slot.current = self._start(slot.plan)

    def _note_death(self, slot: Slot, child: Child, now: float) -> None:
        slot.current = None
        slot.failures = 1 if now - child.started > STEADY_SECONDS else slot.failures + 1
        pid, status = child.process.pid, child.process.status
        wrong = status == WRONG_SETTINGS
        delay = LONGEST_DELAY_SECONDS if wrong else restart_delay(slot.failures)
        slot.start_at = now + delay
        event = "process_has_wrong_settings" if wrong else "process_died"
        log.error(event, service=slot.plan.name, pid=pid, status=status, delay_seconds=delay)

    def _replace(self) -> None:
        """One step of the replacement of the first slot that waits for it."""
        if not self._replacing:
            return
        slot = self._replacing[0]
        if slot.draining:
            return
        if slot.successor is None:
            slot.successor = self._start(slot.plan)
        elif slot.successor.probe():
            if slot.current:
                slot.current.end(self.settings.drain_seconds + DRAIN_MARGIN_SECONDS)
                slot.draining.append(slot.current)
            log.info("process_replaced", service=slot.plan.name, pid=slot.successor.process.pid)
            slot.current, slot.successor = slot.successor, None
            self._replacing.pop(0)
        elif not slot.successor.alive() or time.monotonic() - slot.successor.started > START_SECONDS:
            log.error("replacement_failed", service=slot.plan.name, pid=slot.successor.process.pid)
            slot.successor.end(0.0)
            slot.draining.append(slot.successor)
            slot.successor = None
            self._replacing.clear()

    def _announce(self) -> None:
        """Once, when every process has been ready: write where the gateway is found, and say it on stdout."""
        if self._announced or self._stopping:
            return
        if not all([slot.current is not None and slot.current.probe() for slot in self.slots]):
            return
        self._announced = True
        addresses = {use: "{}:{}".format(*sock.getsockname()[:2]) for use, sock in self.sockets.items()}
        public = next((slot.current for slot in self.slots if slot.plan.http and slot.current), None)
        http = (public and public.url()) or ""
        self._http_port = urlsplit(http).port or self._http_port  # its successors have to be found at the same place
        place = {"aet": self.settings.aet, "dicom": addresses["DICOM"], "http": http}
        place |= {"tls": addresses["TLS"]} if "TLS" in addresses else {}
        known = {"home": str(self.settings.home), "profile": self.settings.profile}
        write_home_file(self.settings.home, {**place, **known})
        told = " ".join(f"{name}={value}" for name, value in place.items() if name != "aet")
        sys.stdout.write(f"ready AET={self.settings.aet} {told} home={self.settings.home}\n")
        sys.stdout.flush()

    def _start(self, plan: Plan) -> Child:
        port = self._http_port if plan.http else 0
        # Both the same: where they differ the desk would have a port for itself, beside one that others know it by.
        environment = {"GATEWAY_HOME": str(self.settings.home), "GATEWAY_HEALTH_PORT": str(port)}
        environment |= {"GATEWAY_HTTP_PORT": str(port)} if plan.http else {}
        closed = [self._lock.fileno()]
        for use, sock in self.sockets.items():
            if plan.listens:
                environment[f"GATEWAY_{use}_FD"] = str(sock.fileno())
            else:
                closed.append(sock.fileno())
        process = forked(
            f"gateway run {' '.join(plan.services)}",
            partial(self.run_services, plan.services),
            environment=environment,
            unblocked=SIGNALS,
            closed=closed,
            gives_way=plan.gives_way,
        )
        log.info("process_started", service=plan.name, pid=process.pid)
        return Child(process, self.run_folder / f"{plan.name}-{process.pid}.json")


@contextmanager
def _only_one(run_folder: Path) -> Iterator[IO[str]]:
    """One supervisor a home: its lock. Raises ``UsageError``. Files of processes that died with an earlier one are
    removed."""
    run_folder.mkdir(parents=True, exist_ok=True)
    with (run_folder / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"GATEWAY_HOME={run_folder.parent}: a gateway runs there; stop it first") from None
        for file in run_folder.glob("*-*.json"):
            if not _runs(file.stem.rpartition("-")[2]):
                file.unlink()
        own = run_folder / f"up-{os.getpid()}.json"
        own.write_text(json.dumps({"service": "up", "pid": os.getpid(), "http": None}), encoding="utf-8")
        try:
            yield lock
        finally:
            own.unlink(missing_ok=True)


def write_home_file(home: Path, values: Mapping[str, str]) -> None:
    """Put these values into ``gateway.json`` (0600), keeping the others."""
    path = home / HOME_FILE
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = {}
    part = path.with_suffix(".part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        json.dump({**known, **values}, file, indent=2)
    part.replace(path)


def _runs(pid: str) -> bool:
    """Also False for a process that has ended and that nobody has waited for (a container without an init)."""
    try:
        return Path("/proc", pid, "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=PROBE_SECONDS) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False

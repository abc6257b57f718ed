"""A whole gateway of real processes over private servers, whose parts tests may stop, kill and start again."""

import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from private_servers.postgresql import PrivatePostgresql
from private_servers.rabbitmq import PrivateRabbitmq
from psycopg.rows import dict_row

from services.cli.names import LISTENING
from tests import canary, forked
from tests.waiting import until

EVERYTHING_TO_ARCHIVE1 = """
version: 1
rules:
  - name: everything
    when: {all: []}
    send: [{to: ARCHIVE1}]
"""
SERVICES = ("storage", "index", "forwarder", "commitment", "admin")


@dataclass
class Part:
    """One process of the gateway."""

    name: str
    process: forked.Process

    @property
    def alive(self) -> bool:
        """Whether the process exists."""
        return self.process.poll() is None


@dataclass(frozen=True)
class Servers:
    """A migrated database and a virtual host on servers that others use too: never stop them."""

    database_url: str
    amqp_url: str
    service_urls: Mapping[str, str] = field(default_factory=dict)
    """Of the services' own logins, by the name of the setting; none: all connect as the owner."""


FreshServers = Callable[[], AbstractContextManager[Servers]]


@dataclass
class RunningGateway:
    """PostgreSQL and RabbitMQ (its own unless ``shared`` ones are given), ``ingest_processes`` ingests on one socket,
    and one process a service."""

    home: Path
    ingest_processes: int = 1
    settings: Mapping[str, str] = field(default_factory=dict)
    shared: Servers | None = None

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.postgresql = PrivatePostgresql(self.home / "postgresql")
        self.rabbitmq = PrivateRabbitmq(self.home / "rabbitmq")
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.parts: dict[str, Part] = {}
        self._asking = threading.Lock()
        self._connection: psycopg.Connection[dict[str, Any]] | None = None

    # ------------------------------------------------------------------------------------------- life

    def start(self) -> None:
        """Start everything, migrate, and wait until all parts are ready."""
        self.start_servers()
        self.start_parts()

    def start_servers(self) -> None:
        """Start the database and the broker of its own, if it has any, write down where they are, and migrate."""
        if self.shared is None:
            self.postgresql.start()
            self.rabbitmq.start()
        service_urls = self.shared.service_urls if self.shared else self.postgresql.service_urls()
        canary.watch_urls(self.database_url, self.amqp_url, *service_urls.values())
        document = {
            "database_url": self.database_url,
            **service_urls,
            "amqp_url": self.amqp_url,
            "aet": "GATEWAY",
            "dicom": f"127.0.0.1:{self.dicom_port}",
            "home": str(self.home),
        }
        target = self.home / "gateway.json"
        target.write_text(json.dumps(document))
        target.chmod(0o600)
        if self.shared is None:
            self.cli("migrate")
            self.cli("roles")

    @property
    def database_url(self) -> str:
        """Where the database is."""
        return self.shared.database_url if self.shared else self.postgresql.url

    @property
    def amqp_url(self) -> str:
        """Where the broker is."""
        return self.shared.amqp_url if self.shared else self.rabbitmq.url

    def start_parts(self, names: Sequence[str] | None = None) -> None:
        """Start these parts (default: all) and wait until they are ready."""
        names = self.part_names if names is None else names
        for name in names:
            self.launch(name)
        self.wait_ready(names)

    @property
    def part_names(self) -> list[str]:
        """Every part: ``ingest-1`` …, then the other services."""
        return [*self.ingests, *SERVICES]

    @property
    def ingests(self) -> list[str]:
        """The ingest parts."""
        return [f"ingest-{number + 1}" for number in range(self.ingest_processes)]

    def launch(self, name: str, prefix: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Part:
        """Start one part without waiting; ``prefix`` is a command to run it under (strace, faketime)."""
        service = name.partition("-")[0]
        services = LISTENING if service == "ingest" else (service,)
        log = (self.home / f"{name}.log").open("ab")
        with log:
            inherited = [self.listener.fileno()] if service == "ingest" else []
            known = self.environment(service) | dict(environment or {})
            process = forked.start(["run", *services], known, log, inherited=inherited, prefix=prefix)
        self.parts[name] = Part(name, process)
        return self.parts[name]

    def environment(self, service: str = "") -> dict[str, str]:
        """The environment of a process of this gateway."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        chosen = {
            "GATEWAY_HOME": str(self.home),
            "GATEWAY_MINIMUM_FREE_BYTES": "50000000",
            "GATEWAY_MINIMUM_FREE_FRACTION": "0.001",
            "GATEWAY_HTTP_PORT": "0",
            "GATEWAY_HEALTH_PORT": "0",
        }
        if service == "ingest":
            chosen["GATEWAY_DICOM_FD"] = str(self.listener.fileno())
        return kept | chosen | dict(self.settings)

    def wait_ready(self, names: Sequence[str], limit: float = 60) -> None:
        """Wait until each part answers /readyz with 200."""
        for name in names:
            until(lambda name=name: self.ready(name), limit=limit, what=f"{name} to be ready")  # type: ignore[misc]

    def ready(self, name: str) -> bool:
        """Whether the part says it is ready. Fails the test when its process has ended."""
        part = self.parts[name]
        if not part.alive:
            raise AssertionError(f"{name} ended with {part.process.returncode}:\n{self.log_tail(name)}")
        return self.health(name, "/readyz") == 200

    def health(self, name: str, path: str) -> int:
        """HTTP status of a part's health endpoint, 0 when it cannot be asked yet."""
        address = self.http_address(name)
        return 0 if address is None else _http_status(f"{address}{path}")

    def http_address(self, name: str) -> str | None:
        """Where a part answers HTTP, None until it has said so."""
        service = name.partition("-")[0]
        service = "-".join(LISTENING) if service == "ingest" else service
        card = self.home / "run" / f"{service}-{self.parts[name].process.pid}.json"
        try:
            return str(json.loads(card.read_text())["http"])
        except (FileNotFoundError, ValueError, KeyError):
            return None

    def log_tail(self, name: str) -> str:
        """The end of a part's log."""
        return (self.home / f"{name}.log").read_bytes()[-3000:].decode(errors="replace")

    # ------------------------------------------------------------------------------------------ faults

    def kill(self, name: str) -> None:
        """kill -9 one part."""
        part = self.parts[name]
        if part.alive:
            part.process.kill()
        part.process.wait(10)

    def stop(self, name: str) -> int:
        """SIGTERM one part and wait; its exit status."""
        part = self.parts[name]
        if part.alive:
            part.process.send_signal(signal.SIGTERM)
        return part.process.wait(60)

    def end(self) -> None:
        """Kill what is left, in no order worth keeping."""
        for name in list(self.parts):
            self.kill(name)
        if self._connection is not None:
            self._connection.close()
        if self.shared is None:
            self.rabbitmq.kill()
            self.postgresql.stop()
        self.listener.close()

    # -------------------------------------------------------------------------------------------- use

    @property
    def dicom_port(self) -> int:
        """The DICOM port."""
        port: int = self.listener.getsockname()[1]
        return port

    def cli(
        self, *arguments: str, status: int = 0, limit: float = 60, environment: Mapping[str, str] | None = None
    ) -> str:
        """Run ``gateway …`` in another process; its standard output. Fails unless it exits with ``status``."""
        done = forked.run(arguments, self.environment() | dict(environment or {}), limit)
        outcome = f"gateway {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == status, outcome
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """The JSON answer of a command."""
        return json.loads(self.cli(*arguments, "--json"))

    def add_station(self, title: str, port: int = 104, *flags: str) -> None:
        """Configure a station on this machine."""
        self.cli("station", "add", title, "--host", "127.0.0.1", "--port", str(port), *flags)

    def apply_rules(self, text: str) -> None:
        """Make a rule file live and wait until ingest stamps it on receipts."""
        target = self.home / "rules.yaml"
        target.write_text(text)
        self.cli("rules", "apply", str(target))
        self.wait_configured()

    def wait_configured(self) -> None:
        """Wait until ingest's snapshot is the database's configuration."""
        number = self.rows("select number from config.generation")[0]["number"]
        copy = self.home / "config-snapshot.json"
        until(
            lambda: copy.exists() and json.loads(copy.read_text())["number"] >= number,
            limit=10,
            what=f"ingest to know configuration {number}",
        )

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """What the database answers."""
        with self._asking:
            if self._connection is not None:
                with suppress(psycopg.OperationalError):  # the database has been away since
                    return self._connection.execute(statement, values).fetchall()  # type: ignore[arg-type]
                self._connection.close()
            self._connection = psycopg.connect(self.database_url, row_factory=dict_row, autocommit=True)
            return self._connection.execute(statement, values).fetchall()  # type: ignore[arg-type]


def _http_status(url: str) -> int:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own loopback address
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 0


@contextmanager
def running_gateway(
    home: Path, ingest_processes: int = 1, settings: Mapping[str, str] | None = None, shared: Servers | None = None
) -> Iterator[RunningGateway]:
    """A started gateway that is ended afterwards, whatever happened."""
    gateway = RunningGateway(home, ingest_processes, settings or {}, shared)
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.end()

"""The gateway as people run it: ``gateway up`` over a private PostgreSQL, which waits for its disk, and RabbitMQ."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from private_servers.processes import end, start_with_us
from private_servers.server import PIPELINE_NICENESS

from tests.bench.processes import peak_megabytes
from tests.running_gateway import RunningGateway
from tests.waiting import until

CHECKOUT: Final = Path(__file__).resolve().parents[2]
SINK: Final = "STORESCP"
_SERVICES: Final = ("ingest", "storage", "index", "forwarder", "commitment", "admin")
_READY_SECONDS: Final = 120.0
_DRAIN_SECONDS: Final = 60.0
_PIPELINE_SECONDS: Final = 300.0
_ROUTE: Final = f"version: 1\nrules:\n  - {{name: all, when: {{all: []}}, send: [{{to: {SINK}}}]}}\n"


@dataclass(frozen=True)
class Progress:
    """How many receipts each part of the pipeline is done with."""

    recorded: int
    indexed: int
    routed: int
    delivered: int
    failed: int

    @property
    def slowest(self) -> int:
        """What every part but the delivery is done with."""
        return min(self.recorded, self.indexed, self.routed)


@dataclass
class GatewayUnderTest(RunningGateway):
    """``forwarders`` beyond the one of ``gateway up`` are processes of ``gateway run forwarder``."""

    title = "GATEWAY"
    forwarders: int = 1
    senders: Sequence[str] = ("SCANNER1",)
    _up: "subprocess.Popen[bytes] | None" = None
    _more: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def __enter__(self) -> Self:
        try:
            self.start()
            for sender in self.senders:
                self.add_station(sender)
            self.wait_configured()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    # ------------------------------------------------------------------------------------------- life

    def start_parts(self, names: Sequence[str] | None = None) -> None:
        """Start ``gateway up`` and the further forwarders."""
        self._port = super().dicom_port
        self.listener.close()
        self._up = self._launched("up", "--ingest-processes", str(self.ingest_processes), output=subprocess.PIPE)
        self._more = [self._launched("run", "forwarder") for _ in range(self.forwarders - 1)]
        until(self._all_there, limit=_READY_SECONDS, what="gateway up to be ready")

    def end(self) -> None:
        """Drain the gateway, then end its servers."""
        for process in (*self._more, *((self._up,) if self._up else ())):
            end(process, signal.SIGTERM, limit=_DRAIN_SECONDS)
        super().end()

    def _launched(self, *words: str, output: int = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
        environment = {**self.environment(), "GATEWAY_DICOM_HOST": "127.0.0.1"}
        with (self.home / f"{words[0]}.log").open("ab") as log:
            process = start_with_us(
                [sys.executable, "-m", "services.cli", *words],
                folder=CHECKOUT,
                environment=environment,
                stdout=output,
                stderr=log,
            )
        if output == subprocess.PIPE:
            threading.Thread(target=self._read, args=(process,), daemon=True).start()
        return process

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                if line.startswith(b"ready "):
                    self._said_ready.set()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.postgresql.niceness = self.rabbitmq.niceness = PIPELINE_NICENESS
        self._said_ready = threading.Event()
        self._port = self._received = 0

    def _all_there(self) -> bool:
        assert self._up is not None
        assert self._up.poll() is None, (self.home / "up.log").read_text(errors="replace")[-3000:]
        return self._said_ready.is_set() and len(self.pids("forwarder")) == self.forwarders

    @property
    def dicom_port(self) -> int:
        """The DICOM port."""
        return self._port or super().dicom_port

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.dicom_port

    # -------------------------------------------------------------------------------------- processes

    def pids(self, service: str) -> list[int]:
        """The processes of a service, ``ingest`` being those that listen."""
        found = (self.home / "run").glob(f"{service}*-*.json")
        return sorted(int(file.stem.rpartition("-")[2]) for file in found)

    @property
    def groups(self) -> dict[str, list[int]]:
        """Processes by service, the database and the broker apart."""
        services = {
            name: self.pids(name) for name in ("ingest", "storage", "index", "forwarder", "commitment", "admin")
        }
        return {**services, "database": [self.postgresql.pid], "broker": [self.rabbitmq.pid]}

    def memory(self, of: Callable[[int], float] = peak_megabytes) -> dict[str, float]:
        """The most memory a process of each service ever had, or what else ``of`` tells of one (1,000,000 bytes)."""
        return {name: max(of(pid) for pid in self.pids(name)) for name in _SERVICES}

    # ----------------------------------------------------------------------------------------- pipeline

    def finished(self, received: int) -> dict[str, float]:
        """Wait until what was received just now is recorded, indexed and routed; what was not at the beginning, and how
        long it took. Without rules nothing is sent."""
        self._received += received
        behind = self._received - self.progress().slowest
        began = time.perf_counter()
        until(self._drained, limit=_PIPELINE_SECONDS, what=f"{self._received} receipts to be routed")
        return {"backlog": float(behind), "drain_seconds": time.perf_counter() - began}

    def _drained(self) -> bool:
        return self.progress().slowest >= self._received

    def route_to(self, port: int, associations: int) -> None:
        """From here on everything goes to a station at this port, over so many associations."""
        self.add_station(SINK, port, "--store", "--associations", str(associations))
        self.apply_rules(_ROUTE)

    def progress(self) -> Progress:
        """How far everything received has come."""
        return Progress(**self.rows(_PROGRESS)[0])

    def wait_delivered(self, deliveries: int) -> None:
        """Wait until so many deliveries, all there ever were, have ended well."""
        until(lambda: self._delivered(deliveries), limit=_PIPELINE_SECONDS, what=f"{deliveries} deliveries")

    def _delivered(self, deliveries: int) -> bool:
        now = self.progress()
        assert now.failed == 0, f"{now.failed} deliveries failed"
        return now.delivered >= deliveries

    def delivering_seconds(self, last: int) -> float:
        """From the end of the first to that of the last, of the last deliveries that ended."""
        return float(self.rows(_DELIVERING, last)[0]["seconds"])

    def delivery_milliseconds(self, last: int) -> list[float]:
        """From receipt to delivery, of the last deliveries that ended."""
        found = self.rows(_LATENCIES, last)
        return [float(row["milliseconds"]) for row in found]


_DELIVERING: Final = """
select extract(epoch from max(finished_at) - min(finished_at))::float8 as seconds
from (select finished_at from routing.delivery where state = 'DELIVERED' order by finished_at desc limit %s) as last
"""
_PROGRESS: Final = """
select (select count(*) from storage.receipt) as recorded, (select count(*) from index.instance) as indexed,
       (select count(*) from routing.evaluation) as routed,
       (select count(*) from routing.delivery where state in ('DELIVERED', 'WARNED')) as delivered,
       (select count(*) from routing.delivery where state in ('FAILED', 'CANCELED')) as failed
"""
_LATENCIES: Final = """
select extract(epoch from finished_at - received_at) * 1000 as milliseconds from routing.delivery
where state = 'DELIVERED' order by finished_at desc limit %s
"""

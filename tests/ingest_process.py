"""A real ingest process alone: an object store, a configuration snapshot, and nobody at the database's and broker's
addresses. For tests of what ingest does by itself."""

import json
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from schemas.snapshot import KEY, Snapshot, SnapshotStation
from services.runtime.objects import ObjectStore, open_store
from services.runtime.settings import RuntimeSettings
from tests import forked
from tests.waiting import until

NOBODY = "127.0.0.1:9"


def snapshot(number: int = 1, stations: Sequence[SnapshotStation] | None = None, rule_set: int = 7) -> Snapshot:
    """A snapshot written at this moment; by default it knows SCANNER1."""
    known = [SnapshotStation(title="SCANNER1")] if stations is None else list(stations)
    return Snapshot(number=number, rule_set=rule_set, written_at=datetime.now(UTC), stations=known)


@dataclass
class IngestProcess:
    """``settings`` are environment variables besides the home folder."""

    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()
    services: Sequence[str] = ("ingest",)
    """What runs in the process beside ingest: with query it is what ``gateway up`` starts several of."""

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self.listener.getsockname()[1]
        self.process: forked.Process | None = None

    @property
    def objects(self) -> ObjectStore:
        """The process's object store, opened by the test too."""
        known = {name.removeprefix("GATEWAY_").lower(): value for name, value in self.environment().items()}
        fields = {name: value for name, value in known.items() if name in RuntimeSettings.model_fields}
        return open_store(RuntimeSettings(**fields))  # type: ignore[arg-type]

    def environment(self) -> dict[str, str]:
        """The process's own part of its environment."""
        return {
            "GATEWAY_HOME": str(self.home),
            "GATEWAY_DICOM_FD": str(self.listener.fileno()),
            "GATEWAY_DATABASE_URL": f"postgresql://nobody@{NOBODY}/none",
            "GATEWAY_AMQP_URL": f"amqp://{NOBODY}/",
            "GATEWAY_MINIMUM_FREE_BYTES": "10000000",
            "GATEWAY_MINIMUM_FREE_FRACTION": "0.001",
            "GATEWAY_HEALTH_PORT": "0",
            **self.settings,
        }

    def configure(self, snapshot: Snapshot) -> None:
        """Write a snapshot as storage does."""
        self.objects.put_bytes(KEY, snapshot.encode())

    def start(self, *, ready: bool = True) -> None:
        """Start it; wait until it says it is ready, or until it answers at all. Fails at once if it ends instead."""
        with (self.home / "ingest.log").open("ab") as log:
            self.process = forked.start(
                ["run", *self.services],
                os.environ | self.environment(),
                log,
                inherited=[self.listener.fileno()],
                prefix=self.prefix,
            )
        wanted = (200,) if ready else (200, 503)
        until(
            lambda: self._running() and self.ready()[0] in wanted and not self.starting(),
            limit=60,
            what="ingest to answer",
        )

    def _running(self) -> bool:
        assert self.process is not None
        ended = self.process.poll()
        assert ended is None, f"ingest ended with {ended}:\n{(self.home / 'ingest.log').read_text()[-3000:]}"
        return True

    def starting(self) -> bool:
        """Whether it has not entered its service yet."""
        return bool(self.ready()[1].get("process") == "starting")

    def ready(self) -> tuple[int, dict[str, Any]]:
        """Status of /readyz and its checks."""
        status, body = self._http("/readyz")
        return status, json.loads(body)["checks"] if body else {}

    def metric(self, name: str) -> float:
        """The value of one sample, by its name with labels; 0 when there is none."""
        lines = self._http("/metrics")[1].decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == name), 0.0)

    def log(self) -> list[dict[str, Any]]:
        """Every line it has logged."""
        lines = (self.home / "ingest.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def stored(self) -> list[str]:
        """Keys of all complete objects."""
        objects = self.objects
        return [found.key for folder in objects.folders("objects") for found in objects.list(folder.name)]

    def unfinished(self) -> list[Path]:
        """What half-written files there are."""
        return [*self.home.rglob("*.part"), *(self.home / "spool").glob("*")]

    def stop(self) -> int:
        """SIGTERM and wait; its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def end(self) -> None:
        """Kill it, whatever it does."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        self.listener.close()

    def _http(self, path: str) -> tuple[int, bytes]:
        own = self.process.pid if self.process is not None and not self.prefix else "*"  # others may share the home
        cards = list((self.home / "run").glob(f"{'-'.join(self.services)}-{own}.json"))
        for card in cards:
            try:
                url = json.loads(card.read_text())["http"]
                with urllib.request.urlopen(f"{url}{path}", timeout=5) as answer:  # noqa: S310 - our own address
                    return answer.status, answer.read()
            except urllib.error.HTTPError as refused:
                with refused:
                    return refused.code, refused.read()
            except (OSError, ValueError):
                continue
        return 0, b""


@contextmanager
def ingest_process(
    home: Path, settings: Mapping[str, str] | None = None, *, prefix: Sequence[str] = (), ready: bool = True
) -> Iterator[IngestProcess]:
    """A running ingest that knows SCANNER1; killed afterwards."""
    process = IngestProcess(home, settings or {}, prefix)
    try:
        process.configure(snapshot())
        process.start(ready=ready)
        yield process
    finally:
        process.end()

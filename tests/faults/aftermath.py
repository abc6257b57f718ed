"""What has to be true after each fault: nothing is left over, nothing has leaked, and somebody answers."""

from dataclasses import dataclass
from pathlib import Path

from services.runtime.objects import Watermark
from services.runtime.objects_local import LocalStore
from tests.running_gateway import RunningGateway
from tests.stations import RawSender
from tests.waiting import until

POOLED_THREADS, POOLED_DESCRIPTORS = 10, 10
"""What pools of threads and of connections may hold more than when nothing had happened yet; a leak grows beyond."""
KEYS = "select object_key, object_state from storage.receipt"
UNPUBLISHED = "select count(*) as n from runtime.outbox where published_at is null"


@dataclass(frozen=True)
class Footprint:
    """Threads and descriptors of a process."""

    threads: int
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> "Footprint":
        """What it holds at this moment."""
        at = Path(f"/proc/{pid}")
        return cls(len(list((at / "task").iterdir())), len(list((at / "fd").iterdir())))


class Aftermath:
    """Knows what each part of a gateway held when it was well; made before the faults."""

    def __init__(self, gateway: RunningGateway, objects: Path | None = None) -> None:
        self._gateway = gateway
        self._objects = LocalStore(objects or gateway.home / "objects", Watermark(0, 0.0))
        self._before = {name: self._footprint(name) for name in gateway.parts}

    def check(self, limit: float = 30) -> None:
        """All of it; what takes its time is waited for."""
        gateway = self._gateway
        gateway.wait_ready(list(gateway.parts))
        with RawSender(gateway.dicom_port) as sender:
            assert sender.echo() == 0
        until(lambda: gateway.rows(UNPUBLISHED)[0]["n"] == 0, limit=limit, what="every event to be published")
        self._objects.sweep_abandoned(0)  # what ingest does after 15 minutes
        assert list(self._objects.root.rglob("*.part")) == []
        until(lambda: self._strangers() == ([], []), limit=limit, what="a row for each object, an object for each row")
        try:
            until(lambda: self._grown() == {}, limit=limit, what="threads and descriptors to be as before")
        except AssertionError as late:
            raise AssertionError(f"{late}: {self._grown()}") from None

    def _strangers(self) -> tuple[list[str], list[str]]:
        """Objects without a row, rows without their object."""
        states = {row["object_key"]: row["object_state"] for row in self._gateway.rows(KEYS)}
        store = self._objects
        present = {found.key for folder in store.folders("objects") for found in store.list(folder.name)}
        wanted = {key for key, state in states.items() if state == "PRESENT"}
        return sorted(present - states.keys()), sorted(wanted - present)

    def _grown(self) -> dict[str, tuple[Footprint, Footprint]]:
        now = {name: self._footprint(name) for name in self._before}
        return {
            name: (before, now[name])
            for name, before in self._before.items()
            if now[name].threads > before.threads + POOLED_THREADS
            or now[name].descriptors > before.descriptors + POOLED_DESCRIPTORS
        }

    def _footprint(self, name: str) -> Footprint:
        return Footprint.of(self._gateway.parts[name].process.pid)

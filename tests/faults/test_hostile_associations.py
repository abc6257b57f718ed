"""Ten thousand hostile associations of every kind of the table, while a good sender keeps working.

Each gets its answer, nothing of them is left, and the good sender hardly notices."""

import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.factories import Instance, ct, named
from tests.faults.hostile_crowd import attacks, everything
from tests.ingest_process import IngestProcess, ingest_process
from tests.stations import RawSender
from tests.stations.hostile import answers, told
from tests.waiting import until

CHECKOUT = Path(__file__).resolve().parents[2]
PER_SECOND = 50
QUIET_STORES = 80
"""Of each round, before its attacks."""
PAUSE_SECONDS = 0.01
SILENT = 100
GROWTH_KB = 8_000
EXPLICIT = "1.2.840.10008.1.2.1"


@dataclass(frozen=True)
class Footprint:
    """What a process holds."""

    threads: int
    descriptors: int
    kilobytes: int

    @classmethod
    def of(cls, ingest: IngestProcess) -> "Footprint":
        assert ingest.process is not None
        at = Path(f"/proc/{ingest.process.pid}")
        (resident,) = (line.split()[1] for line in (at / "status").read_text().splitlines() if line.startswith("VmRSS"))
        return cls(len(list((at / "task").iterdir())), len(list((at / "fd").iterdir())), int(resident))


@dataclass
class GoodSender:
    """Stores one instance after the other over one association, each another one, and takes the time of each."""

    sender: RawSender
    instance: Instance
    sent: int = 0
    quiet: list[float] = field(default_factory=list)
    attacked: list[float] = field(default_factory=list)

    def store(self, into: list[float]) -> None:
        """One C-STORE, answered Success."""
        self.sent += 1
        each = named(self.instance, f"{self.instance.sop_instance_uid[:-6]}{self.sent:06}")
        begun = time.perf_counter()
        assert self.sender.store(each.sop_class_uid, each.sop_instance_uid, EXPLICIT, each.data_set) == 0
        into.append(time.perf_counter() - begun)
        time.sleep(PAUSE_SECONDS)


class Crowd:
    """The hostile peers' process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.attacks = 0

    def attack(self, count: int, meanwhile: Callable[[], None]) -> list[str]:
        """That many, PER_SECOND; ``meanwhile`` is called again and again until they have ended. The faults seen."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{self.attacks} {count} {PER_SECOND}\n")
        self._process.stdin.flush()
        self.attacks += count
        ends = time.monotonic() + count / PER_SECOND
        while time.monotonic() < ends:
            meanwhile()
        return [str(fault) for fault in json.loads(self._process.stdout.readline())]


@contextmanager
def crowd(port: int) -> Iterator[Crowd]:
    """Hostile peers of this port; ended afterwards."""
    command = [sys.executable, "-m", "tests.faults.hostile_crowd", str(port)]
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield Crowd(process)
        finally:
            process.kill()


def test_the_table_has_every_kind_and_at_least_fifty() -> None:
    assert list(attacks()) == list(answers())
    assert len(answers()) >= 50


@pytest.mark.timeout(600)
def test_a_good_sender_works_on(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    kinds = len(answers())
    rounds, each = (20, 500) if request.config.getoption("--faults") == "all" else (4, kinds)
    with ingest_process(tmp_path, {"GATEWAY_LOG_LEVEL": "error"}) as ingest, ExitStack() as stack:
        good = ct(1)
        with RawSender(ingest.port, contexts=[(good.sop_class_uid, EXPLICIT)]) as sender:
            GoodSender(sender, good).store([])  # the threads that write stay
        idle = until(lambda: Footprint.of(ingest), what="the footprint")
        hostile = stack.enter_context(crowd(ingest.port))
        assert hostile.attack(kinds, lambda: time.sleep(0.1)) == []
        warm = _settled(ingest, idle)
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", ingest.port), 20)) for _ in range(SILENT)]
        with RawSender(ingest.port, contexts=[(good.sop_class_uid, EXPLICIT)]) as sender:
            measured = GoodSender(sender, good)
            for _ in range(rounds):
                for _ in range(QUIET_STORES):
                    measured.store(measured.quiet)
                assert hostile.attack(each, lambda: measured.store(measured.attacked)) == []
        assert {told(everything(peer)) for peer in silent} == {"A-ABORT (2,0)"}  # half-open peers end at the ARTIM time
        stack.close()
        assert _settled(ingest, idle).kilobytes - warm.kilobytes < GROWTH_KB
        with RawSender(ingest.port) as sender:
            assert sender.echo() == 0
        assert ingest.unfinished() == []
        assert len(ingest.stored()) == measured.sent + 1
    _judge(measured, hostile.attacks)


def _judge(measured: GoodSender, attacks_made: int) -> None:
    """The slowest twentieth of a good sender's stores takes less than twice as long as before."""
    quiet, attacked = (statistics.quantiles(times, n=20)[-1] for times in (measured.quiet, measured.attacked))
    told_of = (
        f"{attacks_made} hostile associations; p95 of C-STORE {quiet * 1000:.1f} ms before, {attacked * 1000:.1f} ms "
        f"meanwhile, of {len(measured.quiet)} and {len(measured.attacked)}"
    )
    print(told_of)  # noqa: T201 - shown with -s, and when it fails
    assert attacked < 2 * quiet, told_of


def _settled(ingest: IngestProcess, idle: Footprint) -> Footprint:
    """The footprint once there are no more threads and descriptors than when nobody had called."""

    def found() -> Footprint | None:
        now = Footprint.of(ingest)
        return now if now.threads <= idle.threads and now.descriptors <= idle.descriptors else None

    settled = until(found, limit=60, what="threads and descriptors to be back at the baseline")
    assert settled is not None
    return settled

"""DCMTK's programs: senders (storescu) and a receiver (storescp)."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from private_servers.ports import choose_port
from private_servers.processes import kill_tree, start_with_us

from tests.bench.workloads import shares
from tests.stations import RawSender
from tests.waiting import until

TITLE = "STORESCP"
LARGEST_PDU = 131072
_LIMIT_SECONDS = 300.0


def environment(*, no_delay: bool) -> dict[str, str]:
    """DCMTK sets TCP_NODELAY only where this variable says so; Debian's default is that it does not."""
    kept = {name: value for name, value in os.environ.items() if name != "TCP_NODELAY"}
    return kept | ({"TCP_NODELAY": "1"} if no_delay else {})


def program(name: str) -> str:
    """Path of a program. Fails the test when it is missing."""
    found = shutil.which(name)
    assert found is not None, f"{name} is missing; run: apt-get install dcmtk"
    return found


@dataclass(frozen=True)
class Sender:
    """How storescu sends: ``associations`` at once, each a process with its share of the files."""

    calling: str = "SCANNER1"
    associations: int = 1
    no_delay: bool = True
    largest_pdu: int = LARGEST_PDU

    def send(self, files: Sequence[Path], port: int, called: str) -> float:
        """Send all; seconds from the first start to the last end. Fails the test unless every process succeeds."""
        command = [
            program("storescu"),
            "-R",
            "-aet",
            self.calling,
            "-aec",
            called,
            "--max-send-pdu",
            str(self.largest_pdu),
        ]
        known = environment(no_delay=self.no_delay)
        with ExitStack() as stack:
            outputs = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(self.associations)]
            began = time.perf_counter()
            running = [
                subprocess.Popen(
                    [*command, "127.0.0.1", str(port), *map(str, share)], env=known, stdout=out, stderr=out
                )
                for share, out in zip(shares(files, self.associations), outputs, strict=True)
            ]
            ends = [process.wait(_LIMIT_SECONDS) for process in running]
            seconds = time.perf_counter() - began
            for status, out in zip(ends, outputs, strict=True):
                out.seek(0)
                assert status == 0, f"storescu to port {port} ended with {status}: {out.read()[-2000:].decode()}"
        return seconds


@dataclass
class Storescp:
    """``storescp --fork`` with PDUs of 128 kB; without ``keep`` it receives and does not store. It never waits for the
    disk."""

    title = TITLE
    folder: Path
    no_delay: bool = True
    keep: bool = True
    options: Sequence[str] = ()
    port: int = field(default_factory=choose_port)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        kept = ("-od", str(self.folder)) if self.keep else ("--ignore",)
        self._log = (self.folder.parent / f"{self.folder.name}.log").open("ab")
        self._process = start_with_us(
            [
                program("storescp"),
                "--fork",
                "-pdu",
                str(LARGEST_PDU),
                "-aet",
                TITLE,
                *kept,
                *self.options,
                str(self.port),
            ],
            folder=self.folder.parent,
            environment=environment(no_delay=self.no_delay),
            stdout=self._log,
        )
        until(self._answers, limit=30, what="storescp to answer")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        kill_tree(self._process)
        self._log.close()

    @property
    def groups(self) -> dict[str, list[int]]:
        """Processes by name."""
        return {"storescp": [self._process.pid]}

    def count(self) -> int:
        """Files that are whole: storescp writes under the final name, and counts as received when the answer is out."""
        return sum(1 for _ in os.scandir(self.folder))

    def finished(self, received: int) -> dict[str, float]:
        """Fails the test unless so many files came; they are removed."""
        assert not self.keep or self.count() == received
        self.empty()
        return {}

    def empty(self) -> None:
        """Remove what was received."""
        shutil.rmtree(self.folder)
        self.folder.mkdir()

    def _answers(self) -> bool:
        try:
            with RawSender(self.port, called_aet=TITLE) as sender:
                return sender.echo() == 0
        except OSError:
            return False

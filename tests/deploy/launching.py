"""deploy/local/up as a child process of a test: its output line by line, its processes, its end."""

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from private_servers.processes import descendants, is_running

from tests.waiting import until

CHECKOUT = Path(__file__).resolve().parents[2]
READY_SECONDS = 120


class Launched:
    """A running deploy/local/up."""

    def __init__(
        self, home: Path, environment: Mapping[str, str], arguments: Sequence[str] = (), checkout: Path = CHECKOUT
    ) -> None:
        self.home = home
        self.errors = home.with_name(f"{home.name}.stderr")
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [str(checkout / "deploy" / "local" / "up"), *arguments],
                cwd=home.parent,
                env={**environment, "GATEWAY_HOME": str(home)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_ready(self) -> dict[str, str]:
        """The fields of the line that says ready."""
        deadline = time.monotonic() + READY_SECONDS
        while (line := self._next_line(deadline)) is not None:
            if line.startswith("ready "):
                return dict(field.split("=", 1) for field in line.split(maxsplit=4)[1:])
        pytest.fail(f"it ended without being ready: {self.errors.read_text()}")

    def processes(self) -> list[int]:
        """Everything below it."""
        return descendants(self.process.pid)

    def command_lines(self) -> str:
        """Command lines of everything below it."""
        lines = []
        for pid in self.processes():
            try:
                lines.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode())
            except (FileNotFoundError, ProcessLookupError):
                continue
        return "\n".join(lines)

    def addresses(self) -> dict[str, Any]:
        """gateway.json."""
        found: dict[str, Any] = json.loads((self.home / "gateway.json").read_text())
        return found

    def end(self, how: signal.Signals) -> int:
        """Signal it, wait until it and everything below it are gone, and return its exit status."""
        below = self.processes()
        self.process.send_signal(how)
        status = self.process.wait(90)
        until(lambda: not any(map(is_running, below)), limit=15, what="the end of every process below the launcher")
        self._reader.join()
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _next_line(self, deadline: float) -> str | None:
        try:
            return self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            pytest.fail(f"not ready after {READY_SECONDS} s: {self.errors.read_text()}")


@contextmanager
def launched(home: Path, *arguments: str, **environment: str) -> Iterator[Launched]:
    """deploy/local/up on this home with free ports; killed at the end if it still runs."""
    given = {"PATH": os.environ["PATH"], "GATEWAY_MINIMUM_FREE_BYTES": "1000000", **environment}
    launcher = Launched(home, given, arguments)
    try:
        yield launcher
    finally:
        if launcher.process.poll() is None:
            launcher.end(signal.SIGKILL)

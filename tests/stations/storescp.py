"""DCMTK's storescp as a destination that may be killed, frozen and started again: a real peer, a process of its own."""

import hashlib
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from private_servers.ports import choose_port

from tests.stations.part10 import part10
from tests.waiting import until

_LISTEN = "0A"
"""State of a listening socket in /proc/net/tcp (proc(5))."""


class Storescp:
    """Context manager. Keeps the bytes of each data set (``+B``) in a file of ``folder``; one association at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True)
        self.port = choose_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Storescp":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.kill()

    def start(self) -> None:
        """Start, on the port it had, and wait until it listens."""
        command = ["storescp", "+B", "+xa", "-od", str(self.folder), str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._listens, limit=30, what="storescp to listen")

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def suspend(self) -> None:
        """SIGSTOP: connections are taken by the kernel and nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def held(self) -> dict[str, str]:
        """SHA-256 (hex) of each data set that it holds, by SOP Instance UID. Raises ValueError for a file cut short."""
        files = [part10(path) for path in self.folder.iterdir()]
        return {file.sop_instance: hashlib.sha256(file.data_set).hexdigest() for file in files}

    def forget(self) -> None:
        """Delete what it holds."""
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):
                path.unlink()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _listens(self) -> bool:
        return f":{self.port:04X} 00000000:0000 {_LISTEN}" in Path("/proc/net/tcp").read_text()

"""What the private servers have in common: their folder, its lock and state, and their life."""

import fcntl
import json
import os
import secrets
import signal
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, Any

from private_servers import processes
from private_servers.errors import PrivateServerError
from private_servers.ports import choose_port

PIPELINE_NICENESS = 10
"""Of servers whose work a gateway's pipeline waits for and its modalities do not."""
_LOG_BYTES = 16 << 20
_SHOWN_LINES = 15


class PrivateServer(ABC):
    """One server in one folder, started and ended by this process."""

    name: str
    stop_signal: signal.Signals
    stop_seconds: float

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.log = self.folder / "server.log"
        self._state_file = self.folder / "state.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._serving = False
        self.port = 0
        self.password = ""
        self.niceness = 0
        """How far behind others it runs, once it takes connections: nobody is served while it starts."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Where and as whom to connect."""

    @property
    def running(self) -> bool:
        """Whether the server process exists."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the running server. Raises PrivateServerError when it is not running."""
        if self._process is None or self._process.poll() is not None:
            raise PrivateServerError(f"{self.name} in {self.folder} is not running: start it")
        return self._process.pid

    def start(self, limit: float = 90) -> None:
        """Start and wait until it takes connections. Raises PrivateServerError after ``limit`` seconds."""
        self.begin()
        self.wait_ready(limit)

    def begin(self) -> None:
        """Start without waiting; nothing if it runs. Raises PrivateServerError."""
        if self.running:
            return
        self._ended()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = self._lock_folder()
        try:
            self._load_state()
            self._rotate_log()
            with self.log.open("ab") as log:
                self._process = self._launch(self._lock, log)
        except BaseException:
            self.kill()
            raise

    def wait_ready(self, limit: float = 90) -> None:
        """Wait until it takes connections; it is killed when it does not. Raises PrivateServerError."""
        try:
            if not processes.wait_until(lambda: not self.running or self._ready(), limit=limit):
                raise PrivateServerError(f"{self.name} takes no connections after {limit:.0f} s{self._tail()}")
            if not self.running:
                raise PrivateServerError(f"{self.name} ended while starting{self._tail()}")
            self._serving = True
            if self.niceness and self._process is not None:
                processes.give_way(self._process, self.niceness)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it in an orderly way; kill it when it takes longer than ``stop_seconds`` or still starts. Idempotent."""
        if self._process is not None and self._serving:
            processes.end(self._process, self.stop_signal, limit=self.stop_seconds)
            self._ended()
        else:
            self.kill()

    def kill(self) -> None:
        """kill -9 it and everything it started. Idempotent."""
        if self._process is not None:
            processes.kill_tree(self._process)
        self._ended()

    def ask_to_stop(self) -> None:
        """Begin to stop without waiting; ``stop`` waits."""
        if self.running:
            os.kill(self.pid, self.stop_signal)

    def restart(self) -> None:
        """Stop and start, same port, same data."""
        self.stop()
        self.start()

    def suspend(self) -> None:
        """SIGSTOP it and everything it started: connections stay open and nothing answers."""
        if self._process is not None:
            processes.signal_tree(self._process, signal.SIGSTOP)

    def resume(self) -> None:
        """Undo suspend."""
        if self._process is not None:
            processes.signal_tree(self._process, signal.SIGCONT)

    @abstractmethod
    def _launch(self, lock: int, log: IO[bytes]) -> "subprocess.Popen[bytes]":
        """Start the process; it inherits ``lock``, so that the folder stays locked while anything of it lives."""

    @abstractmethod
    def _ready(self) -> bool:
        """Whether it takes connections."""

    def _ended(self) -> None:
        self._process = None
        self._serving = False
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _lock_folder(self) -> int:
        """Lock the folder; a server whose parent was killed a moment ago is given time to end."""
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

        def locked() -> bool:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        if not processes.wait_until(locked, limit=10):
            os.close(lock)
            raise PrivateServerError(f"a {self.name} already runs in {self.folder}: stop it or use another folder")
        return lock

    def _load_state(self) -> None:
        """Port and password, as before if there was a before; the port only if it is still free."""
        state = self._read_state()
        self.port = choose_port(state.get("port"))
        self.password = state.get("password") or secrets.token_urlsafe(24)
        self._save_state({**state, "port": self.port, "password": self.password})

    def _read_state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self._state_file.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise PrivateServerError(f"cannot read {self._state_file}: {error}") from error
        return state

    def _save_state(self, state: dict[str, Any]) -> None:
        write_private(self._state_file, json.dumps(state))

    def _rotate_log(self) -> None:
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))

    def _tail(self) -> str:
        """The end of the server's log, for an error text."""
        if not self.log.exists():
            return f"; no log at {self.log}"
        lines = self.log.read_bytes()[-65536:].decode("utf-8", "replace").splitlines()
        return f"; the end of {self.log}:\n" + "\n".join(f"    {line}" for line in lines[-_SHOWN_LINES:])


def write_private(path: Path, text: str) -> None:
    """Replace a file whose content only its owner may read (0600), atomically."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)

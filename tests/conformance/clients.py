"""Clients that share nothing with the gateway: DCMTK's programs, and dcmjs-dimse from npm."""

import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final, Self

from tests.conformance.whole import TITLE

AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
DCMJS: Final = Path(__file__).parent / "dcmjs"


def dcmtk(
    program: str, port: int, *options: str, files: Sequence[Path] = (), calling: str = "DCMTK", called: str = TITLE
) -> subprocess.CompletedProcess[str]:
    """Run one of DCMTK's clients against the gateway; what it says is in ``stderr``."""
    return subprocess.run(
        [program, "-v", "-aet", calling, "-aec", called, *options, "127.0.0.1", str(port), *files],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def install_dcmjs() -> None:
    """dcmjs-dimse as package-lock.json says, kept beside it for the next run. Fails with what to do."""
    installed, wanted = DCMJS / "node_modules" / ".package-lock.json", DCMJS / "package-lock.json"
    with wanted.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other process that runs tests wants it too
        if installed.exists() and installed.stat().st_mtime >= wanted.stat().st_mtime:
            return
        command = [str(Path(sys.executable).with_name("npm")), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = _run(command, limit=100)
        assert done.returncode == 0, (
            f"dcmjs-dimse could not be installed from the npm registry ({done.returncode}).\n{done.stderr[-2000:]}\n"
            f"Is the registry reachable? Try by hand: cd {DCMJS} && {' '.join(command)}"
        )
        installed.touch()


def dcmjs(operation: str, port: int, calling: str = "DCMJS", **asked: Any) -> dict[str, Any]:
    """Run the client of dcmjs-dimse; its statuses, matches, and the fault of the network."""
    command = [str(Path(sys.executable).with_name("node")), "client.js", operation, str(port), calling, TITLE]
    done = _run([*command, json.dumps(asked)], limit=60)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


class DcmjsServer:
    """The server of dcmjs-dimse as a process; ``said`` is all it has printed after its port. A context manager."""

    def __init__(self, title: str, gateway_port: int, failed_uid: str = "") -> None:
        self._command = [str(Path(sys.executable).with_name("node")), "server.js", title, TITLE, str(gateway_port)]
        self._command.append(failed_uid)
        self.said: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, cwd=DCMJS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(json.loads(self._process.stdout.readline())["port"])
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,))
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            self._reader.join(10)

    def of(self, what: str) -> list[dict[str, Any]]:
        """What it said of a kind: stored, asked, told, heard, fault."""
        return [each for each in list(self.said) if what in each]

    def _read(self, lines: IO[str]) -> None:
        with lines:
            self.said.extend(json.loads(line) for line in lines)


def _run(command: Sequence[str], limit: float) -> subprocess.CompletedProcess[str]:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # Node brings authorities of its own; a site's stand among the system's.
    trusted = {"NODE_EXTRA_CA_CERTS": str(AUTHORITIES)} if AUTHORITIES.exists() else {}
    return subprocess.run(
        command,
        cwd=DCMJS,
        env=trusted | os.environ | {"PATH": programs},
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )

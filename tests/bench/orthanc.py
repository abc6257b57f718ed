"""Orthanc as Debian packages it, with its index in SQLite or PostgreSQL; every setting that matters is its default.

Its defaults wait for the disk after each file (SyncStorageArea) and announce PDUs of 16 kB.
"""

import functools
import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from private_servers.ports import LOOPBACK, choose_port
from private_servers.postgresql import PrivatePostgresql
from private_servers.processes import end, start_with_us

from tests.bench.dcmtk import environment
from tests.waiting import until

TITLE: Final = "ORTHANC"
SINK: Final = "SINK"
PACKAGES: Final = ("orthanc", "orthanc-postgresql")
_INSTALL: Final = Path(__file__).resolve().parents[2] / "deploy" / "local" / "lib" / "install_packages.sh"
_INSTALL_SECONDS: Final = 600
_PLUGIN: Final = "libOrthancPostgreSQLIndex.so"
_PLACES: Final = (Path("/usr/share/orthanc/plugins"), Path("/usr/lib/orthanc/plugins"))
_FORWARD: Final = f"function OnStoredInstance(instance, tags, metadata) SendToModality(instance, '{SINK}') end\n"
_REST_SECONDS: Final = 600.0


@functools.cache
def absent() -> str:
    """Why there is no Orthanc; empty where there is one, after it was installed if need be."""
    if shutil.which("Orthanc") and _plugin() is not None:
        return ""
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    command = [*as_root, "sh", str(_INSTALL), *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
    if shutil.which("Orthanc") and _plugin() is not None:
        return ""
    return f"{' '.join(PACKAGES)} cannot be installed (status {done.returncode}): {done.stderr.strip()[-300:]}"


def _plugin() -> Path | None:
    return next((place / _PLUGIN for place in _PLACES if (place / _PLUGIN).exists()), None)


class Orthanc:
    """One server in a folder of its own. ``sink``: the port of a station SINK, to which with ``forwarding`` a script
    sends each instance as soon as it is stored. ``postgresql``: a server for its index instead of SQLite."""

    title = TITLE

    def __init__(
        self,
        folder: Path,
        *,
        postgresql: PrivatePostgresql | None = None,
        sink: int | None = None,
        forwarding: bool = False,
    ) -> None:
        self.folder, self.postgresql = folder, postgresql
        self._sink, self._forwarding = sink, forwarding
        self.port, self._http = choose_port(), choose_port()
        self._received = 0

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "orthanc.json"
        configuration.write_text(json.dumps(self._configuration()))
        with (self.folder / "log").open("ab") as log:
            self._process = start_with_us(
                [shutil.which("Orthanc") or "Orthanc", str(configuration)],
                folder=self.folder,
                environment=environment(no_delay=True),
                stdout=log,
            )
        until(self._answers, limit=60, what="Orthanc to answer")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        end(self._process, signal.SIGTERM, limit=30)

    @property
    def groups(self) -> dict[str, list[int]]:
        """Processes by name."""
        database = {} if self.postgresql is None else {"database": [self.postgresql.pid]}
        return {"orthanc": [self._process.pid], **database}

    def count(self) -> int:
        """Instances in its index."""
        return int(self.ask("/statistics")["CountInstances"])

    def finished(self, received: int) -> dict[str, float]:
        """Fails the test unless so many more instances are in its index."""
        self._received += received
        assert self.count() == self._received
        return {}

    def send_all(self, resources: Sequence[str]) -> None:
        """One job that sends these to SINK over one association; returns when it has ended. Raises OSError."""
        self.ask(f"/modalities/{SINK}/store", {"Resources": list(resources), "Synchronous": True, "Timeout": 60})

    def instances(self) -> list[str]:
        """Orthanc's identifiers of all instances."""
        return list(self.ask("/instances"))

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What its HTTP interface answers to GET, or to POST of ``body``. Raises OSError."""
        data = None if body is None else json.dumps(body).encode()
        address = f"http://{LOOPBACK}:{self._http}{path}"
        with urllib.request.urlopen(address, data, timeout=_REST_SECONDS) as answer:
            return json.load(answer)

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.folder / "log").read_text(errors="replace")[-3000:]
        try:
            return bool(self.ask("/system"))
        except OSError:
            return False

    def _configuration(self) -> dict[str, Any]:
        chosen: dict[str, Any] = {
            "Name": TITLE,
            "DicomAet": TITLE,
            "DicomPort": self.port,
            "HttpPort": self._http,
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "index"),
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowFind": True,
        }
        if self._sink is not None:
            chosen["DicomModalities"] = {SINK: ["STORESCP", LOOPBACK, self._sink]}
        if self._forwarding:
            script = self.folder / "forward.lua"
            script.write_text(_FORWARD)
            chosen["LuaScripts"] = [str(script)]
        if self.postgresql is not None:
            chosen["Plugins"] = [str(_plugin())]
            chosen["PostgreSQL"] = {
                "EnableIndex": True,
                "EnableStorage": False,
                "ConnectionUri": self.postgresql.url,
                "Lock": False,
            }
        return chosen

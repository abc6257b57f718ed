"""``gateway status`` of containers that share a home: each is asked at its own host, whatever it listens on."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from services.cli.status import processes
from services.runtime.health import announced


class Ready(BaseHTTPRequestHandler):
    """A process without any reason not to be ready."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"ready": true, "checks": {"process": null}}')

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """Of a process of this host."""
    with HTTPServer(("127.0.0.1", 0), Ready) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_each_container_is_asked_at_its_own_host(tmp_path: Path, port: int) -> None:
    """One that is gone is told so, though at the same port somebody here answers."""
    everywhere = f"http://0.0.0.0:{port}"
    with announced(tmp_path, "admin", everywhere):
        own = next((tmp_path / "run").glob("admin-*.json"))
        for service, host in (("index", "localhost"), ("storage", "gone.invalid")):
            card = json.loads(own.read_text()) | {"service": service, "host": host}
            (tmp_path / "run" / f"{service}-1.json").write_text(json.dumps(card))
        (tmp_path / "run" / "older-1.json").write_text(json.dumps({"service": "older", "pid": 1, "http": everywhere}))
        told = {each["service"]: (each["http"], each["ready"], each["reasons"]) for each in processes(tmp_path / "run")}
    assert told == {
        "admin": (f"http://127.0.0.1:{port}", True, {}),
        "index": (f"http://localhost:{port}", True, {}),
        "older": (f"http://127.0.0.1:{port}", True, {}),
        "storage": (f"http://gone.invalid:{port}", False, {"process": "does not answer"}),
    }

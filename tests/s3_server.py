"""A real S3 server for tests: moto's, in a process of its own, with one bucket. In memory: it says nothing of disks."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.waiting import until

BUCKET = "gateway-test"
ACCESS_KEY_ID = "access-of-tests"
SECRET_ACCESS_KEY = "secret-of-tests-that-no-log-may-show"


@dataclass
class S3Server:
    """Its address and its process, which a test may suspend, resume and kill."""

    endpoint: str
    process: subprocess.Popen[bytes]

    def environment(self, prefix: str) -> dict[str, str]:
        """The settings of a process of the gateway that keeps its objects here."""
        return {
            "GATEWAY_OBJECTS_URL": f"s3://{BUCKET}/{prefix}",
            "GATEWAY_S3_ENDPOINT": self.endpoint,
            "GATEWAY_S3_REGION": "us-east-1",
            "GATEWAY_S3_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "GATEWAY_S3_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        }

    def suspend(self) -> None:
        """It stays connected and answers nothing."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """It is gone, its objects too."""
        self.process.kill()
        self.process.wait()


def _answers(endpoint: str) -> bool:
    try:
        request = urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")  # noqa: S310 - our own address
        urllib.request.urlopen(request, timeout=2).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        return error.code == 409
    except OSError:
        return False
    return True


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Start it on a free port, make the bucket, kill it at the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = S3Server(f"http://127.0.0.1:{port}", process)
    try:
        until(lambda: _answers(server.endpoint), limit=60, what="moto_server")
        yield server
    finally:
        server.kill()

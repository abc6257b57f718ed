"""What keeps the memory of a process small: it loads what its service needs, and gives back what it has freed."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import until

CHECKOUT = Path(__file__).resolve().parents[3]
GDCM, ARGON2 = "_gdcmswig", "_argon2_cffi_bindings"
FREED = """
import re, sys, threading
from pathlib import Path
from services.runtime import allocator

if sys.argv[1] == "kept little":
    allocator.keep_little()
at_once, end = threading.Barrier(9), threading.Event()

def own_kilobytes():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

def once_in_a_while():
    large = bytearray(b"x") * (4 << 20)
    rest = [bytearray(b"x") * 1000 for _ in range(500)]  # what stays above it in the arena
    at_once.wait()
    del large
    at_once.wait()
    end.wait()

before = own_kilobytes()
largest = bytearray(b"x") * (8 << 20)
del largest  # from here on glibc, left alone, keeps what is smaller
threads = [threading.Thread(target=once_in_a_while, daemon=True) for _ in range(8)]
for each in threads:
    each.start()
at_once.wait()
at_once.wait()
print(own_kilobytes() - before)
"""


@contextmanager
def gateway(home: Path, *words: str) -> Iterator[None]:
    """``gateway`` with these words, without a database and a broker, until the block ends."""
    nobody = "127.0.0.1:1"
    settings = {
        "GATEWAY_HOME": str(home), "GATEWAY_DATABASE_URL": f"postgresql://{nobody}/none",
        "GATEWAY_AMQP_URL": f"amqp://{nobody}/", "GATEWAY_DICOM_HOST": "127.0.0.1", "GATEWAY_DICOM_PORT": _free_port(),
        "GATEWAY_HTTP_PORT": "0", "GATEWAY_HEALTH_PORT": "0", "GATEWAY_DRAIN_SECONDS": "1",
    }  # fmt: skip
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", *words],
            cwd=CHECKOUT,
            env=os.environ | settings,
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return str(found.getsockname()[1])


def libraries(home: Path, service: str) -> set[str]:
    """Which of the two a process of that service has loaded."""
    folder = home / "run"
    file = until(lambda: next(folder.glob(f"{service}*-*.json"), None), limit=60, what=f"{service} to be there")
    assert file is not None
    maps = Path(f"/proc/{file.stem.rpartition('-')[2]}/maps").read_text()
    return {name for name in (GDCM, ARGON2) if name in maps}


def test_each_process_of_up_loads_what_is_its_own(tmp_path: Path) -> None:
    with gateway(tmp_path, "up"):
        found = {name: libraries(tmp_path, name) for name in ("ingest", "storage", "index", "forwarder", "admin")}
    assert found == {"ingest": set(), "storage": set(), "index": set(), "forwarder": set(), "admin": {ARGON2}}


def test_a_process_of_run_loads_no_decoder(tmp_path: Path) -> None:
    with gateway(tmp_path, "run", "forwarder"):
        assert libraries(tmp_path, "forwarder") == set()


def _grown(how: str) -> int:
    """Kilobytes that the threads' work has added."""
    told = subprocess.run([sys.executable, "-c", FREED, how], cwd=CHECKOUT, capture_output=True, text=True, timeout=60)
    assert re.fullmatch(r"-?\d+\n", told.stdout), told.stderr
    return int(told.stdout)


def test_large_buffers_of_many_threads_go_back_when_they_are_freed() -> None:
    left_alone, kept_little = _grown("left alone"), _grown("kept little")
    assert left_alone > 8 * 4096, "else there is nothing to prove"
    assert kept_little < left_alone / 4

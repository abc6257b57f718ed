"""What only S3 does: it can be away, it must not take memory, and its errors must not tell secrets."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from services.runtime.errors import StoreFailed, StoreFull, Unavailable
from services.runtime.objects import ObjectStore, open_store
from services.runtime.objects_s3 import error_code
from services.runtime.settings import RuntimeSettings
from tests.s3_server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, S3Server, s3_server

KEY = "objects/2026/11/23/20/01a20a06789c7000a41f6a44237caf96.dcm"

UPLOAD = """
import os, resource, sys
from services.runtime.objects import open_store
from services.runtime.settings import RuntimeSettings
store = open_store(RuntimeSettings.load())
block = os.urandom(1 << 20)
with store.create(sys.argv[1]) as writer:
    for _ in range(300):
        os.write(writer.fd, block)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    writer.commit()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def open_s3(server: S3Server, home: Path, monkeypatch: pytest.MonkeyPatch, limit: int = 1) -> ObjectStore:
    values = server.environment(home.name) | {"GATEWAY_HOME": str(home), "GATEWAY_S3_TIMEOUT_SECONDS": str(limit)}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return open_store(RuntimeSettings.load())


def write(store: ObjectStore) -> None:
    with store.create(KEY) as writer:
        os.write(writer.fd, b"x" * 1000)
        writer.commit()


def test_a_silent_server_is_waited_for_with_a_limit_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server() as server:
        store = open_s3(server, tmp_path, monkeypatch)
        write(store)
        server.suspend()
        started = time.monotonic()
        with pytest.raises(StoreFailed) as failed:
            write(store)
        with pytest.raises(Unavailable) as away:
            store.stat(KEY)
        assert time.monotonic() - started < 15
        assert store.ready() == str(failed.value)
        server.resume()
        write(store)
        assert store.ready() is None
        for text in (str(failed.value), str(away.value)):
            assert SECRET_ACCESS_KEY not in text
            assert ACCESS_KEY_ID not in text
            assert "http" not in text


@contextmanager
def losing_first_answer(endpoint: str) -> Iterator[str]:
    """A proxy that delivers every request, and cuts the connection instead of the first answer it gets."""
    target = urlsplit(endpoint)
    losses = iter([True])

    def pass_on(client: socket.socket, server: socket.socket, *, answers: bool) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if answers and next(losses, False):
                    break
                server.sendall(data)
        for end in (client, server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((target.hostname, target.port))
                sockets.extend((client, server))
                for ends, answers in (((client, server), False), ((server, client), True)):
                    Thread(target=pass_on, args=ends, kwargs={"answers": answers}, daemon=True).start()

    sockets: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = Thread(target=accept)
        accepting.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert next(losses, None) is None, "no answer was lost"
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
    for end in sockets:
        end.close()


@pytest.mark.parametrize("size", [1000, 20 << 20])
def test_a_write_whose_answer_was_lost_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    data = os.urandom(size)
    with s3_server() as server, losing_first_answer(server.endpoint) as endpoint:
        direct = open_s3(server, tmp_path, monkeypatch)
        store = open_s3(S3Server(endpoint, server.process), tmp_path, monkeypatch, limit=20)
        with store.create(KEY) as writer:
            for start in range(0, size, 1 << 20):
                os.write(writer.fd, data[start : start + (1 << 20)])
            writer.commit()
        assert direct.get_bytes(KEY, limit=size) == data
        assert [found.key for found in direct.list("objects/2026/11/23/20")] == [KEY]


def test_a_server_that_is_gone_fails_every_call_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server() as server:
        store = open_s3(server, tmp_path, monkeypatch)
        server.kill()
        with pytest.raises(StoreFailed):
            write(store)
        with pytest.raises(Unavailable):
            store.get_bytes(KEY)
        with pytest.raises(Unavailable):
            list(store.folders("objects"))
        with pytest.raises(Unavailable):
            list(store.list("objects/2026/11/23/20"))


def test_an_unknown_bucket_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server() as server:
        open_s3(server, tmp_path, monkeypatch)
        monkeypatch.setenv("GATEWAY_OBJECTS_URL", "s3://nobody-made-this")
        store = open_store(RuntimeSettings.load())
        with pytest.raises(StoreFailed, match="put objects/"):
            write(store)
        assert store.ready() is not None


def test_the_memory_of_an_upload_does_not_grow_with_the_object(tmp_path: Path) -> None:
    with s3_server() as server:
        environment = {**os.environ, **server.environment("memory"), "GATEWAY_HOME": str(tmp_path)}
        command = [sys.executable, "-c", UPLOAD, KEY]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=True)
        assert int(ended.stdout) * 1024 < 100 << 20


def test_a_full_spool_folder_refuses(mount_tmpfs: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    home = mount_tmpfs("size=64k")

    def write_too_much(store: ObjectStore) -> None:
        with store.create(KEY) as writer:
            for _ in range(3):
                os.write(writer.fd, bytes(32 << 10))

    with s3_server() as server:
        store = open_s3(server, home, monkeypatch)
        with pytest.raises(StoreFull):
            write_too_much(store)
        assert list((home / "spool").iterdir()) == []
        write(store)


def test_error_codes_keep_the_cause_and_drop_the_rest() -> None:
    text = (
        "Generic S3 error: Error performing PUT http://10.0.0.1:9000/b/k in 1s - Server returned non-2xx status code: "
        "403 Forbidden: <Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>"
    )
    assert error_code(OSError(text)) == "OSError 403 SignatureDoesNotMatch"

"""One behaviour of the object store, on local files and on S3 (moto's server)."""

import errno
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.runtime.errors import ObjectMissing, StoreFailed, UsageError
from services.runtime.objects import ObjectStore, new_object_key, open_store
from services.runtime.settings import RuntimeSettings
from tests.s3_server import S3Server, s3_server

KEY = "objects/2026/11/23/20/01a20a06789c7000a41f6a44237caf96.dcm"
MIB = 1 << 20


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "the home"))
    monkeypatch.setenv("GATEWAY_MINIMUM_FREE_BYTES", "0")
    monkeypatch.setenv("GATEWAY_MINIMUM_FREE_FRACTION", "0")
    if request.param == "s3":
        for name, value in s3.environment(tmp_path.name).items():
            monkeypatch.setenv(name, value)
    return open_store(RuntimeSettings.load())


def write(store: ObjectStore, key: str, data: bytes) -> None:
    with store.create(key) as writer:
        os.write(writer.fd, data)
        writer.commit()


def test_a_committed_object_is_read_back_bit_for_bit(store: ObjectStore) -> None:
    data = os.urandom(3 * MIB + 17)
    write(store, KEY, data)
    with store.open(KEY) as source:
        assert source.read() == data
        source.seek(-5, os.SEEK_END)
        assert source.read() == data[-5:]
        source.seek(MIB - 3)
        assert source.read(2 * MIB) == data[MIB - 3 : 3 * MIB - 3]
        assert source.tell() == 3 * MIB - 3
        source.seek(4 * MIB)
        assert source.read(10) == b""
    assert store.stat(KEY).size == len(data)
    assert abs(store.stat(KEY).modified - datetime.now(UTC)) < timedelta(seconds=30)
    assert store.stat(KEY).modified.tzinfo is not None


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    write(store, KEY, b"")
    assert store.stat(KEY).size == 0
    with store.open(KEY) as source:
        assert source.read() == b""


def test_parts_written_out_of_order_and_over_again_are_kept(store: ObjectStore) -> None:
    with store.create(KEY) as writer:
        os.write(writer.fd, b"....body")
        os.pwrite(writer.fd, b"head", 0)
        writer.commit()
    assert store.get_bytes(KEY) == b"headbody"


@pytest.mark.parametrize("size", [8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 40 * MIB])
def test_large_objects_keep_their_content(store: ObjectStore, size: int) -> None:
    block, written = os.urandom(MIB), hashlib.sha256()
    with store.create(KEY) as writer:
        for start in range(0, size, MIB):
            part = block[: min(MIB, size - start)]
            os.write(writer.fd, part)
            written.update(part)
        writer.commit()
    with store.open(KEY) as source:
        assert hashlib.file_digest(source, "sha256").hexdigest() == written.hexdigest()
    assert store.stat(KEY).size == size


def test_nothing_is_seen_before_the_commit(store: ObjectStore) -> None:
    with store.create(KEY) as writer:
        os.write(writer.fd, b"half")
        with pytest.raises(ObjectMissing):
            store.stat(KEY)
        assert list(store.list("objects/2026/11/23/20")) == []
        writer.commit()
    assert [found.key for found in store.list("objects/2026/11/23/20")] == [KEY]


@pytest.mark.parametrize("times", [1, 2])
def test_a_discarded_object_leaves_nothing(store: ObjectStore, tmp_path: Path, times: int) -> None:
    writer = store.create(KEY)
    os.write(writer.fd, b"half")
    for _ in range(times):
        writer.discard()
    with pytest.raises(ObjectMissing):
        store.open(KEY)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_error_in_the_block_discards_and_passes_on(store: ObjectStore, tmp_path: Path) -> None:
    def receive() -> None:
        with store.create(KEY) as writer:
            os.write(writer.fd, b"half")
            raise ConnectionResetError(errno.ECONNRESET, "the sender is gone")

    with pytest.raises(ConnectionResetError):
        receive()
    with pytest.raises(ObjectMissing):
        store.stat(KEY)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_discarding_after_the_commit_keeps_the_object(store: ObjectStore) -> None:
    with store.create(KEY) as writer:
        os.write(writer.fd, b"whole")
        writer.commit()
        writer.discard()
    assert store.get_bytes(KEY) == b"whole"


def test_missing_objects_are_named(store: ObjectStore) -> None:
    for read in (store.open, store.stat, store.get_bytes):
        with pytest.raises(ObjectMissing, match=KEY):
            read(KEY)


def test_deleting_is_idempotent(store: ObjectStore) -> None:
    write(store, KEY, b"x")
    store.delete(KEY)
    store.delete(KEY)
    with pytest.raises(ObjectMissing):
        store.stat(KEY)


def test_folders_and_lists_are_complete_and_in_order(store: ObjectStore) -> None:
    hours = ["objects/2025/12/31/23", "objects/2026/01/01/00", "objects/2026/11/23/09", "objects/2026/11/23/20"]
    keys = [f"{hour}/{number:032x}.dcm" for hour in hours for number in (2, 1, 3)]
    for key in keys:
        write(store, key, key.encode())
    store.put_bytes("config/snapshot.json", b"{}")
    assert [folder.name for folder in store.folders("objects/")] == hours
    assert [folder.name for folder in store.folders("objects/2026")] == hours[1:]
    assert [folder.name for folder in store.folders("objects/2026/11/23/20")] == hours[3:]
    assert list(store.folders("objects/2031")) == []
    for hour in hours:
        found = list(store.list(hour))
        assert [stat.key for stat in found] == sorted(key for key in keys if key.startswith(hour))
        assert all(stat.size == len(stat.key) and stat.modified.tzinfo for stat in found)
        assert sorted(name for name, _ in store.names(hour)) == [stat.key.rpartition("/")[2] for stat in found]
    assert list(store.list("objects/2031/01/01/00")) == list(store.names("objects/2031/01/01/00")) == []
    assert [stat.key for stat in store.list("config")] == ["config/snapshot.json"]


def test_a_folder_with_a_name_that_begins_alike_is_another_one(store: ObjectStore) -> None:
    write(store, "objects/2026/11/23/20/a.dcm", b"1")
    write(store, "objects/2026/11/23/200/b.dcm", b"2")
    assert [stat.key for stat in store.list("objects/2026/11/23/20")] == ["objects/2026/11/23/20/a.dcm"]


def test_small_objects_are_replaced_whole(store: ObjectStore) -> None:
    ended, seen = threading.Event(), set[bytes]()
    store.put_bytes("config/snapshot.json", b"0" * 5000)

    def read() -> None:
        while not ended.is_set():
            seen.add(store.get_bytes("config/snapshot.json"))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 10):
        store.put_bytes("config/snapshot.json", str(number).encode() * 5000)
    ended.set()
    reader.join()
    seen.add(store.get_bytes("config/snapshot.json"))
    assert seen <= {str(number).encode() * 5000 for number in range(10)}
    assert b"9" * 5000 in seen


def test_a_small_object_over_the_limit_is_refused(store: ObjectStore) -> None:
    store.put_bytes("config/snapshot.json", b"123456")
    assert store.get_bytes("config/snapshot.json", limit=6) == b"123456"
    with pytest.raises(StoreFailed, match="more than 5 bytes"):
        store.get_bytes("config/snapshot.json", limit=5)


def test_several_threads_write_at_once(store: ObjectStore) -> None:
    keys = [new_object_key(datetime.now(UTC)) for _ in range(24)]
    threads = [threading.Thread(target=write, args=(store, key, key.encode() * 1000)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(store.get_bytes(key) == key.encode() * 1000 for key in keys)


def test_the_clock_is_compared_at_a_write(store: ObjectStore) -> None:
    assert store.skew() is None
    write(store, KEY, b"x")
    skew = store.skew()
    assert skew is not None
    assert abs(skew) < 1


def test_a_clock_three_hours_slow_is_seen(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() - 3 * 3600)
    write(store, KEY, b"x")
    skew = store.skew()
    assert skew is not None
    assert skew == pytest.approx(-3 * 3600, abs=3)


@pytest.mark.parametrize("key", ["/etc/passwd", "objects/../x.dcm", "x.dcm", "objects/X.dcm", "objects/x.part", ""])
def test_what_is_no_key_is_refused(store: ObjectStore, key: str) -> None:
    for use in (store.create, store.open, store.stat, store.delete, store.get_bytes):
        with pytest.raises(ValueError, match="no object key"):
            use(key)


def test_a_working_store_is_ready(store: ObjectStore) -> None:
    assert store.ready() is None
    write(store, KEY, b"x")
    assert store.ready() is None


@pytest.mark.parametrize("url", ["ftp://host/x", "objects", "file://host/x", "s3://"])
def test_another_address_is_refused_with_the_cure(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_OBJECTS_URL", url)
    with pytest.raises(UsageError, match=r"GATEWAY_OBJECTS_URL=.*use file:"):
        open_store(RuntimeSettings.load())

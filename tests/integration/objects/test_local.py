"""Promise P1 on real files: the order of system calls, failed fsyncs, full and read-only disks, dead writers."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.runtime.errors import GatewayError, StoreFailed, StoreFull
from services.runtime.objects import Watermark
from services.runtime.objects_local import LocalStore
from tests.integration.objects.conftest import remount
from tests.waiting import until

HOUR = "objects/2026/11/23/20"
KEY = f"{HOUR}/01a20a06789c7000a41f6a44237caf96.dcm"
REPORT = "reports/2026/11/23/20/03a20a06789c7000a41f6a44237caf96.json"
OTHER = f"{HOUR}/02a20a06789c7000a41f6a44237caf96.dcm"
NO_WATERMARK = Watermark(0, 0.0)

WRITE = """
import os, sys
from services.runtime import logs
from services.runtime.errors import StoreFailed, StoreFull
from services.runtime.objects import Watermark
from services.runtime.objects_local import LocalStore
logs.configure("test")
store = LocalStore(sys.argv[1], Watermark(0, 0.0))
for key in sys.argv[2:]:
    try:
        with store.create(key) as writer:
            os.write(writer.fd, b"first")
            os.write(writer.fd, b"last")
            os.pwrite(writer.fd, b"receipt", 0)
            writer.commit()
        print("durable")
    except (StoreFailed, StoreFull) as error:
        print(type(error).__name__, "|", store.ready())
"""

WRITE_TOGETHER = (
    WRITE.partition("for key")[0]
    + """
writers = [store.create(key) for key in sys.argv[2:]]
for writer in writers:
    try:
        with writer:
            os.write(writer.fd, b"x")
            writer.commit()
        print("durable")
    except StoreFailed as error:
        print(type(error).__name__)
"""
)

HOLD = """
import os, sys
from services.runtime.objects import Watermark
from services.runtime.objects_local import LocalStore
writer = LocalStore(sys.argv[1], Watermark(0, 0.0)).create(sys.argv[2])
os.write(writer.fd, b"half")
print("writing", flush=True)
sys.stdin.read()
"""


def write(store: LocalStore, key: str, data: bytes = b"x") -> None:
    with store.create(key) as writer:
        view = memoryview(data)
        while view:
            view = view[os.write(writer.fd, view) :]
        writer.commit()


@dataclass(frozen=True)
class Call:
    """A system call on the store: its name, the file or folder of its descriptor or first path, the whole line."""

    name: str
    path: str
    line: str


def traced(tmp_path: Path, *keys: str, inject: str = "", program: str = WRITE) -> tuple[list[str], list[Call]]:
    """Run WRITE under strace; what it printed, and its system calls on the store."""
    trace, store = tmp_path / "trace", str(tmp_path / "store")
    command = ["strace", "-f", "-y", "-qq", "-o", str(trace)]
    command += ["-e", "trace=write,pwrite64,fdatasync,fsync,rename,openat,unlink"]
    command += ["-e", f"inject={inject}"] if inject else []
    command += [sys.executable, "-c", program, store, *keys]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == (0 if "signal=KILL" not in inject else -signal.SIGKILL), ended.stderr
    found = [
        re.match(r"""\d+ +((\w+)\((?:AT_FDCWD[^,]*, )?(?:\d+<|")([^">]*).*)""", line)
        for line in trace.read_text().splitlines()
    ]
    calls = [Call(match.group(2), match.group(3), match.group(1)) for match in found if match]
    return ended.stdout.splitlines(), [call for call in calls if call.path.startswith(str(tmp_path))]


def positions(calls: list[Call], name: str, path: Path | str) -> list[int]:
    """Where in the order these calls stand."""
    return [i for i, call in enumerate(calls) if call.name == name and call.path == str(path)]


def test_the_order_of_a_write_is_data_then_name_then_folders(tmp_path: Path) -> None:
    printed, calls = traced(tmp_path, KEY)
    assert printed == ["durable"]
    final = tmp_path / "store" / KEY
    part = f"{final}.part"
    writes = positions(calls, "write", part) + positions(calls, "pwrite64", part)
    (datasync,), (rename,) = positions(calls, "fdatasync", part), positions(calls, "rename", part)
    assert len(writes) == 3
    assert max(writes) < datasync < rename
    assert calls[rename].line.endswith(f'"{part}", "{final}") = 0')
    for folder in final.parents:
        if folder.is_relative_to(tmp_path):
            assert min(positions(calls, "fsync", folder)) > rename, folder
    created = calls[positions(calls, "openat", part)[0]].line
    assert "O_CREAT|O_EXCL" in created
    assert "0600" in created


def test_a_process_does_not_trust_folders_that_another_made(tmp_path: Path) -> None:
    (tmp_path / "store" / HOUR).mkdir(parents=True)
    _, calls = traced(tmp_path, KEY, OTHER)
    folder = tmp_path / "store" / HOUR
    assert len(positions(calls, "fsync", folder)) >= 2
    for parent in folder.parents:
        if parent.is_relative_to(tmp_path):
            assert len(positions(calls, "fsync", parent)) == 1, parent


def test_a_failed_fdatasync_is_not_repeated_and_ends_the_store(tmp_path: Path) -> None:
    printed, calls = traced(tmp_path, KEY, OTHER, inject="fdatasync:error=EIO:when=1")
    assert [line.partition(" |")[0] for line in printed] == ["StoreFailed", "StoreFailed"]
    assert all("restart this process" in line for line in printed)
    assert len([call for call in calls if call.name == "fdatasync"]) == 1
    assert not [call for call in calls if call.name == "rename"]
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def test_after_a_failed_fdatasync_objects_begun_before_are_refused_too(tmp_path: Path) -> None:
    printed, calls = traced(tmp_path, KEY, OTHER, inject="fdatasync:error=EIO:when=1", program=WRITE_TOGETHER)
    assert printed == ["StoreFailed", "StoreFailed"]
    assert not [call for call in calls if call.name == "rename"]


def test_a_failed_fsync_of_the_folder_ends_the_store(tmp_path: Path) -> None:
    printed, calls = traced(tmp_path, KEY, OTHER, inject="fsync:error=EIO:when=1")
    assert [line.partition(" |")[0] for line in printed] == ["StoreFailed", "StoreFailed"]
    assert len([call for call in calls if call.name == "fsync"]) == 1


@pytest.mark.parametrize("call", ["write", "pwrite64", "fdatasync", "rename"])
def test_a_process_killed_before_the_rename_leaves_no_object(tmp_path: Path, call: str) -> None:
    printed, _ = traced(tmp_path, KEY, inject=f"{call}:signal=KILL:when=1")
    assert printed == []
    store = LocalStore(tmp_path / "store", NO_WATERMARK)
    assert list(store.list(HOUR)) == []
    age(tmp_path / "store" / f"{KEY}.part", 1000)
    assert store.sweep_abandoned(900) == 1


def test_a_process_killed_between_rename_and_fsync_leaves_a_whole_object(tmp_path: Path) -> None:
    printed, _ = traced(tmp_path, KEY, inject="fsync:signal=KILL:when=1")
    assert printed == []
    store = LocalStore(tmp_path / "store", NO_WATERMARK)
    assert store.get_bytes(KEY) == b"receiptst"
    assert store.sweep_abandoned(0) == 0


def test_no_room_at_the_fdatasync_loses_only_that_object(tmp_path: Path) -> None:
    printed, _ = traced(tmp_path, KEY, OTHER, inject="fdatasync:error=ENOSPC:when=1")
    assert printed == ["StoreFull | None", "durable"]
    assert [path.name for path in (tmp_path / "store" / HOUR).iterdir()] == [Path(OTHER).name]


def test_another_error_of_the_disk_fails_and_leaves_nothing(tmp_path: Path) -> None:
    printed, _ = traced(tmp_path, KEY, OTHER, inject="rename:error=EIO:when=1")
    assert printed == ["StoreFailed | None", "durable"]
    assert [path.name for path in (tmp_path / "store" / HOUR).iterdir()] == [Path(OTHER).name]


def test_a_full_disk_refuses_and_recovers_when_there_is_room(mount_tmpfs: Callable[[str], Path]) -> None:
    store = LocalStore(mount_tmpfs("size=1m") / "store", NO_WATERMARK)
    write(store, KEY, bytes(700_000))
    with pytest.raises(StoreFull):
        write(store, OTHER, bytes(700_000))
    assert [stat.key for stat in store.list(HOUR)] == [KEY]
    assert sorted(path.name for path in (store.root / HOUR).iterdir()) == [Path(KEY).name]
    store.delete(KEY)
    write(store, OTHER, bytes(700_000))


def test_without_inodes_the_store_is_full(mount_tmpfs: Callable[[str], Path]) -> None:
    store = LocalStore(mount_tmpfs("size=1m,nr_inodes=20") / "store", NO_WATERMARK)

    def write_many() -> None:
        for number in range(20):
            write(store, f"{HOUR}/{number:032x}.dcm")

    with pytest.raises(StoreFull):
        write_many()
    assert 0 < len(list(store.list(HOUR))) < 20


def test_a_read_only_disk_fails_new_objects_and_gives_the_old_ones(mount_tmpfs: Callable[[str], Path]) -> None:
    disk = mount_tmpfs("size=1m")
    store = LocalStore(disk / "store", NO_WATERMARK)
    write(store, KEY, b"kept")
    remount(disk, "ro")
    with pytest.raises(StoreFailed, match=r"[Rr]ead-only"):
        write(store, OTHER)
    assert store.ready() is not None
    assert store.get_bytes(KEY) == b"kept"
    remount(disk, "rw")
    write(store, OTHER)
    assert store.ready() is None


@pytest.mark.parametrize("watermark", [Watermark(600_000, 0.0), Watermark(0, 0.6)])
def test_under_the_watermark_objects_are_refused_until_there_is_room(
    mount_tmpfs: Callable[[str], Path], watermark: Watermark
) -> None:
    store = LocalStore(mount_tmpfs("size=1m") / "store", watermark)
    write(store, KEY, bytes(500_000))
    until(lambda: store.ready() is not None, what="the measured free space")
    with pytest.raises(StoreFull, match="watermark"):
        store.create(OTHER)
    assert "watermark" in (store.ready() or "")
    store.put_bytes("config/snapshot.json", b"{}")  # what lets ingest go on is not refused
    store.delete(KEY)
    until(lambda: store.ready() is None, what="the measured free space")
    write(store, OTHER)


def test_watermarks_in_their_order(mount_tmpfs: Callable[[str], Path]) -> None:
    """Instances are refused first, then reports, the configuration never."""
    disk = mount_tmpfs("size=1m")
    store = LocalStore(disk / "store", Watermark(400_000, 0.0))
    write(store, KEY)
    (disk / "ballast").write_bytes(bytes(700_000))
    until(lambda: store.ready() is not None, what="the measured free space")
    with pytest.raises(StoreFull, match="watermark"):
        store.create(OTHER)
    store.put_bytes(REPORT, b"{}")
    (disk / "ballast").write_bytes(bytes(1_000_000))
    until(lambda: (store.free().free or 0) < 100_000, what="the measured free space")
    with pytest.raises(StoreFull, match="watermark"):
        store.put_bytes(REPORT, b"{}")
    store.put_bytes("config/snapshot.json", b"{}")
    (disk / "ballast").unlink()
    until(lambda: store.ready() is None, what="the measured free space")
    store.put_bytes(REPORT, b"{}")
    write(store, OTHER)


def test_what_is_not_mounted_any_more_takes_and_tells_nothing(tmp_path: Path) -> None:
    """Another folder at the place of the root, or none: nothing is written there, nothing counts as gone."""
    root, aside = tmp_path / "store", tmp_path / "aside"
    store = LocalStore(root, NO_WATERMARK)
    write(store, KEY)
    root.rename(aside)
    for _ in range(2):
        for use in (
            lambda: store.stat(KEY),
            lambda: store.open(KEY),
            lambda: store.delete(KEY),
            lambda: write(store, OTHER),
            lambda: list(store.folders("objects")),
            lambda: list(store.list(HOUR)),
            lambda: store.put_bytes("config/snapshot.json", b"{}"),
        ):
            with pytest.raises(StoreFailed, match="mount its volume"):
                use()
        assert "mount its volume" in (store.ready() or "")
        root.mkdir(exist_ok=True)
    assert list(root.iterdir()) == []
    root.rmdir()
    aside.rename(root)
    assert store.ready() is None
    assert store.stat(KEY).size == 1
    write(store, OTHER)


def test_free_space_is_that_of_the_file_system(mount_tmpfs: Callable[[str], Path]) -> None:
    space = LocalStore(mount_tmpfs("size=1m") / "store", NO_WATERMARK).free()
    assert space.total == 1 << 20
    assert space.free is not None
    assert 0 < space.free <= space.total


def test_the_sweep_takes_only_old_files_without_a_living_writer(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, NO_WATERMARK)
    part = tmp_path / f"{KEY}.part"
    command = [sys.executable, "-c", HOLD, str(tmp_path), KEY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        age(part, 1000)
        assert store.sweep_abandoned(900) == 0
        writer.kill()
    assert part.exists()
    assert store.sweep_abandoned(1100) == 0
    assert store.sweep_abandoned(900) == 1
    assert not part.exists()
    assert store.sweep_abandoned(900) == 0


def test_the_sweep_takes_abandoned_configuration_and_no_object(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, NO_WATERMARK)
    write(store, KEY)
    store.put_bytes("config/snapshot.json", b"{}")
    left = tmp_path / "config" / "snapshot.json.0123.part"
    left.write_bytes(b"{")
    for path in (left, tmp_path / KEY, tmp_path / "config" / "snapshot.json"):
        age(path, 1000)
    assert store.sweep_abandoned(900) == 1
    assert store.get_bytes("config/snapshot.json") == b"{}"
    assert store.stat(KEY).size == 1


def test_a_folder_swept_clean_is_swept_again_when_something_comes(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, NO_WATERMARK)
    write(store, KEY)
    age(tmp_path / HOUR, 1000)
    assert store.sweep_abandoned(900) == 0
    part = tmp_path / f"{OTHER}.part"
    part.write_bytes(b"half")
    age(part, 1000)
    assert store.sweep_abandoned(900) == 1


def test_two_writers_of_one_key_do_not_meet(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, NO_WATERMARK)
    with store.create(KEY), pytest.raises(StoreFailed, match="exists"):
        store.create(KEY)


def test_many_threads_share_the_measurement_and_the_folders(tmp_path: Path) -> None:
    store, faults = LocalStore(tmp_path, NO_WATERMARK), list[GatewayError]()

    def store_some(thread: int) -> None:
        try:
            for number in range(20):
                write(store, f"{HOUR}/{thread:016x}{number:016x}.dcm")
        except GatewayError as error:
            faults.append(error)

    threads = [threading.Thread(target=store_some, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(list(store.list(HOUR))) == 160
    assert [path for path in (tmp_path / HOUR).iterdir() if path.suffix == ".part"] == []


def test_a_root_that_no_one_may_read_from_above_is_served(tmp_path: Path) -> None:
    (tmp_path / "a folder with spaces").mkdir(mode=0o711)
    store = LocalStore(tmp_path / "a folder with spaces" / "objects", NO_WATERMARK)
    write(store, KEY)
    assert store.stat(KEY).size == 1


def test_nothing_is_made_before_the_first_object(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "home" / "objects", NO_WATERMARK)
    assert store.ready() is None
    assert list(store.folders("objects")) == []
    assert store.sweep_abandoned(900) == 0
    assert list(tmp_path.iterdir()) == []


def age(path: Path, seconds: float) -> None:
    """Make a file or folder that old."""
    then = time.time() - seconds
    os.utime(path, (then, then))

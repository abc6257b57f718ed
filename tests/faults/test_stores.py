"""B2, the object store: full, read-only, slow, gone; what cannot be kept is refused, never answered 0000.

The disks are small ones of memory, mounted for the test.
"""

import os
import random
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.factories import Instance, ct, small_instances
from tests.faults.aftermath import Aftermath, Footprint
from tests.faults.disks import fill, mount, mounted, remount, unmount
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.ingest_process import IngestProcess, ingest_process
from tests.running_gateway import FreshServers, running_gateway
from tests.stations import Accept, RawSender, Refuse, StationReceiver
from tests.waiting import until

FULL = 0xA700
Mount = Callable[[str], Path]


@pytest.fixture
def disk_of(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a disk of memory with these options; unmounted at the end."""
    with ExitStack() as stack:

        def made(options: str) -> Path:
            folder = tmp_path / "disk"
            folder.mkdir()
            return stack.enter_context(mounted(folder, f"{options},uid={os.getuid()},mode=700"))

        yield made


def on(disk: Path) -> dict[str, str]:
    """The settings of a gateway whose store is on that disk and is used to its last byte."""
    return {
        "GATEWAY_OBJECTS_URL": (disk / "objects").as_uri(),
        "GATEWAY_MINIMUM_FREE_BYTES": "1",
        "GATEWAY_MINIMUM_FREE_FRACTION": "0",
    }


def sender_to(ingest: IngestProcess, instance: Instance, limit: float = 60) -> RawSender:
    """A sender that may send this one and others of its class."""
    return RawSender(ingest.port, contexts=[(instance.sop_class_uid, instance.transfer_syntax_uid)], limit=limit)


def store(sender: RawSender, instance: Instance) -> int:
    """C-STORE; the status."""
    return sender.store(
        instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid, instance.data_set
    )


@pytest.mark.root
@pytest.mark.all_faults
@pytest.mark.parametrize("leave", [0, 40_960], ids=["B2-21", "N11"])
def test_a_full_volume_refuses_and_recovers(tmp_path: Path, disk_of: Mount, leave: int) -> None:
    """B2-21 at the first byte, N11 within a data set: A700, nothing kept, the association goes on."""
    disk = disk_of("size=8m")
    with ingest_process(tmp_path / "home", on(disk)) as ingest, sender_to(ingest, ct(1)) as sender:
        assert store(sender, ct(1)) == 0
        ballast = fill(disk, leave)
        assert store(sender, ct(2, pixel_bytes=400_000)) == FULL
        assert sender.echo() == 0
        if not leave:
            until(lambda: ingest.ready()[0] == 503, limit=10, what="ingest not to be ready")
        assert (len(ingest.stored()), ingest.unfinished()) == (1, [])
        ballast.unlink()
        until(lambda: ingest.ready()[0] == 200, limit=10, what="ingest to be ready")
        assert store(sender, ct(2, pixel_bytes=400_000)) == 0
        assert len(ingest.stored()) == 2


@pytest.mark.root
@pytest.mark.all_faults
def test_without_inodes_it_refuses_and_recovers(tmp_path: Path, disk_of: Mount) -> None:
    """B2-23: A700 once no file can be made."""
    disk = disk_of("size=8m,nr_inodes=20")
    with ingest_process(tmp_path / "home", on(disk)) as ingest, sender_to(ingest, ct(1)) as sender:
        answers = [store(sender, ct(number)) for number in range(20)]
        kept = answers.index(FULL)
        assert (set(answers[:kept]), set(answers[kept:])) == ({0}, {FULL})
        assert sender.echo() == 0
        assert (len(ingest.stored()), ingest.unfinished()) == (kept, [])
        remount(disk, "nr_inodes=100")
        assert store(sender, ct(30)) == 0


@pytest.mark.root
@pytest.mark.all_faults
@pytest.mark.timeout(200)
def test_a_read_only_volume_refuses_what_is_new_and_sends_what_is_there(
    tmp_path: Path, disk_of: Mount, fresh_servers: FreshServers
) -> None:
    """B2-26: what was received before is delivered meanwhile."""
    disk, ledger = disk_of("size=64m"), Ledger()
    with (
        fresh_servers() as shared,
        running_gateway(tmp_path / "home", settings=on(disk), shared=shared) as gateway,
        StationReceiver(title="ARCHIVE1") as archive,
    ):
        gateway.add_station("SCANNER1")
        gateway.add_station("ARCHIVE1", archive.port, "--store", "--retry-most-seconds", "2")
        gateway.apply_rules("version: 1\nrules:\n  - {name: all, when: {all: []}, send: [{to: ARCHIVE1}]}\n")
        archive.behave(Refuse())
        old = small_instances(10, seed=1)
        Traffic(gateway.dicom_port, ledger).send(old)
        waiting = "select count(*) as n from routing.delivery"
        until(lambda: gateway.rows(waiting)[0]["n"] == len(old), limit=30, what="the deliveries to be planned")
        remount(disk, "ro")
        new = ct(99)
        with RawSender(gateway.dicom_port, contexts=[(new.sop_class_uid, new.transfer_syntax_uid)]) as sender:
            assert store(sender, new) == FULL
            assert sender.echo() == 0
            archive.behave(Accept())
            ledger.check(gateway, archive, limit=60)
            remount(disk, "rw")
            assert store(sender, new) == 0
        until(lambda: archive.digests(new.sop_instance_uid), limit=30, what="the new one to be delivered")
        Aftermath(gateway, disk / "objects").check()


@pytest.mark.all_faults
@pytest.mark.parametrize("call", ["writev", "pwrite64", "fdatasync"])
def test_interrupted_calls_are_made_again(tmp_path: Path, call: str) -> None:
    """B2-25: EINTR at any of the calls; what is stored is what was received."""
    inject = f"inject={call}:error=EINTR:when=1+2"
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
    instance = ct(1, pixel_bytes=600_000)
    with ingest_process(tmp_path, prefix=strace) as ingest:
        with sender_to(ingest, instance) as sender:
            assert store(sender, instance) == 0
        (key,) = ingest.stored()
        with ingest.objects.open(key) as kept:
            assert kept.read().endswith(instance.data_set)


@pytest.mark.all_faults
def test_a_write_that_the_kernel_cuts_short_ends_refused(tmp_path: Path) -> None:
    """N12: at the largest size of a file a write is short and the next one fails; nothing of it is kept."""
    small, large = ct(1), ct(2, pixel_bytes=900_000)
    with ingest_process(tmp_path, prefix=["prlimit", "--fsize=300000:300000"]) as ingest:
        with sender_to(ingest, small) as sender:
            assert [store(sender, small), store(sender, large), store(sender, ct(3))] == [0, FULL, 0]
            assert sender.echo() == 0
        assert (len(ingest.stored()), ingest.unfinished()) == (2, [])


@pytest.mark.all_faults
def test_a_slow_disk_delays_the_answer_and_nothing_else(tmp_path: Path) -> None:
    """B2-30: fdatasync takes 8 s; the association lives, others are answered meanwhile."""
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"]
    with (
        ingest_process(tmp_path, prefix=[*strace, "-e", "inject=fdatasync:delay_enter=8000000"]) as ingest,
        ThreadPoolExecutor(1) as pool,
        sender_to(ingest, ct(1)) as sender,
        RawSender(ingest.port) as other,
    ):
        begun = time.monotonic()
        answer = pool.submit(store, sender, ct(1))
        assert other.echo() == 0
        assert not answer.done()
        assert answer.result(60) == 0
        assert time.monotonic() - begun >= 8
        assert sender.echo() == 0


@pytest.mark.all_faults
@pytest.mark.timeout(200)
def test_the_same_instance_twice_at_the_same_time(tmp_path: Path, fresh_servers: FreshServers, seed: int) -> None:
    """B2-29: two processes receive the same bytes at once; one identity, one delivery, one object in the end."""
    settings = {"GATEWAY_STORAGE_DELETION_WAIT_SECONDS": "0", "GATEWAY_STORAGE_DELETION_POLL_SECONDS": "1"}
    ledger, instances = Ledger(), small_instances(20, seed=seed)
    with (
        fresh_servers() as shared,
        running_gateway(tmp_path, ingest_processes=2, settings=settings, shared=shared) as gateway,
        StationReceiver(title="ARCHIVE1") as archive,
    ):
        gateway.add_station("SCANNER1")
        gateway.add_station("ARCHIVE1", archive.port, "--store")
        gateway.apply_rules("version: 1\nrules:\n  - {name: all, when: {all: []}, send: [{to: ARCHIVE1}]}\n")
        together = threading.Barrier(2)

        def send_all() -> None:
            traffic = Traffic(gateway.dicom_port, ledger)
            for instance in instances:
                together.wait(60)
                traffic.send([instance], associations=1)

        with ThreadPoolExecutor(2) as pool:
            for sent in [pool.submit(send_all) for _ in range(2)]:
                sent.result()
        ledger.check(gateway, archive)
        until(
            lambda: len(list((tmp_path / "objects").rglob("*.dcm"))) == len(instances),
            limit=60,
            what="one object for each instance",
        )
        told = gateway.rows("select disposition, count(*) as n from storage.receipt group by 1")
        assert {row["disposition"]: row["n"] for row in told} == {"NEW": 20, "DUPLICATE": 20}


@pytest.mark.all_faults
@pytest.mark.timeout(200)
def test_a_damaged_object_is_marked_and_never_arrives(tmp_path: Path, fresh_servers: FreshServers, seed: int) -> None:
    """B2-27: a bit flips before the delivery; restored to its place the object is delivered after all."""
    ledger, instances = Ledger(), small_instances(6, seed=seed)
    with (
        fresh_servers() as shared,
        running_gateway(tmp_path, shared=shared) as gateway,
        StationReceiver(title="ARCHIVE1", behaviour=Refuse()) as archive,
    ):
        gateway.add_station("SCANNER1")
        gateway.add_station("ARCHIVE1", archive.port, "--store", "--retry-most-seconds", "2")
        gateway.apply_rules("version: 1\nrules:\n  - {name: all, when: {all: []}, send: [{to: ARCHIVE1}]}\n")
        Traffic(gateway.dicom_port, ledger).send(instances)
        contents = "select sop_instance_uid as uid, object_key as key, state from storage.identity order by 1"
        until(lambda: len(gateway.rows(contents)) == len(instances), limit=30, what="all to be recorded")
        bad = gateway.rows(contents)[seed % len(instances)]
        path = tmp_path / "objects" / bad["key"]
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1 << seed % 8]))
        archive.behave(Accept())
        until(
            lambda: {row["uid"] for row in gateway.rows(contents) if row["state"] == "DAMAGED"} == {bad["uid"]},
            limit=60,
            what="the damaged one to be marked",
        )
        until(lambda: len(set(archive.uids)) == len(instances) - 1, limit=30, what="the others to arrive")
        assert bad["uid"] not in archive.uids
        path.write_bytes(whole)
        ledger.check(gateway, archive, limit=60)


@pytest.mark.all_faults
@pytest.mark.parametrize("what", [resource.RLIMIT_NOFILE, resource.RLIMIT_AS], ids=["N13", "N14"])
def test_without_descriptors_or_memory_it_refuses_and_recovers(tmp_path: Path, what: int, seed: int) -> None:
    """N13, N14: the process may open no file, or get no memory for a thread; it lives, or ends
    so that it is started again, and serves when it may again."""
    chance, first = random.Random(seed), ct(seed)
    with ingest_process(tmp_path) as ingest:
        assert ingest.process is not None
        with sender_to(ingest, first) as sender:
            assert store(sender, first) == 0
        before, usual = Footprint.of(ingest.process.pid), resource.prlimit(ingest.process.pid, what)
        for number in range(12):
            resource.prlimit(ingest.process.pid, what, (_held(ingest.process.pid, what, chance), usual[1]))
            with suppress(OSError), sender_to(ingest, first, limit=2) as sender:
                assert store(sender, ct(1_000 + number)) in (0, FULL, 0x0110)
            resource.prlimit(ingest.process.pid, what, usual)
        if not serves(ingest, first):
            assert ingest.process.wait(60) in (1, -signal.SIGALRM), "it ends by itself"
            ingest.start()  # as who keeps it running does
            assert serves(ingest, first)
        else:
            until(lambda: _back(ingest, before), limit=30, what="threads and descriptors to be as before")
        assert ingest.unfinished() == []


def serves(ingest: IngestProcess, first: Instance) -> bool:
    """Whether an instance is stored within some seconds."""
    with suppress(OSError), sender_to(ingest, first, limit=20) as sender:
        return (store(sender, ct(5_000)), sender.echo()) == (0, 0)
    return False


def _held(pid: int, what: int, chance: random.Random) -> int:
    """What the process has, and a little more: the limit falls upon one call or another."""
    if what == resource.RLIMIT_NOFILE:
        return Footprint.of(pid).descriptors + chance.randrange(8)
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    return pages * resource.getpagesize() + chance.randrange(4) * (3 << 20)


def _back(ingest: IngestProcess, before: Footprint) -> bool:
    assert ingest.process is not None
    now = Footprint.of(ingest.process.pid)
    return now.threads <= before.threads + 2 and now.descriptors <= before.descriptors + 2


@pytest.mark.root
@pytest.mark.all_faults
def test_a_volume_that_is_unmounted_takes_nothing(tmp_path: Path, disk_of: Mount) -> None:
    """N15: nothing is written below the mount point, where it would be hidden later; mounted again, all goes on."""
    disk = disk_of("size=8m")
    aside = tmp_path / "aside"
    aside.mkdir()
    with ingest_process(tmp_path / "home", on(disk)) as ingest, sender_to(ingest, ct(1)) as sender:
        assert store(sender, ct(1)) == 0
        mount("--bind", str(disk), str(aside))
        unmount(disk)
        assert store(sender, ct(2)) == FULL
        assert sender.echo() == 0
        until(lambda: ingest.ready()[0] == 503, limit=10, what="ingest not to be ready")
        assert list(disk.iterdir()) == []
        mount("--bind", str(aside), str(disk))
        until(lambda: ingest.ready()[0] == 200, limit=10, what="ingest to be ready")
        assert store(sender, ct(2)) == 0
        assert len(ingest.stored()) == 2
    unmount(aside)

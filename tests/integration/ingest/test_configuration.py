"""Ingest lives by the snapshot alone: known callers only, changes within 2 s, outages of everything else (P3, P9)."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from schemas.snapshot import KEY, SnapshotStation
from tests.factories import Instance, ct
from tests.ingest_process import IngestProcess, ingest_process, snapshot
from tests.stations import RawSender
from tests.waiting import until


def store(ingest: IngestProcess, instance: Instance, calling_aet: str = "SCANNER1", called_aet: str = "GATEWAY") -> int:
    """Send one instance; its status."""
    contexts = [(instance.sop_class_uid, instance.transfer_syntax_uid)]
    with RawSender(ingest.port, calling_aet, called_aet, contexts) as sender:
        return sender.store(
            instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid, instance.data_set
        )


def rejection(ingest: IngestProcess, calling_aet: str = "SCANNER1", called_aet: str = "GATEWAY") -> str:
    """Result, source and reason of the A-ASSOCIATE-RJ; "" when accepted."""
    try:
        with RawSender(ingest.port, calling_aet, called_aet):
            return ""
    except ConnectionRefusedError as error:
        return str(error).partition("rejected: ")[2]


@pytest.mark.parametrize(
    ("calling", "called", "codes"),
    [("NOBODY", "GATEWAY", "(1, 1, 3)"), ("SCANNER1", "OTHER", "(1, 1, 7)"), ("OFF", "GATEWAY", "(1, 1, 3)"),
     ("FAR", "GATEWAY", "(1, 1, 3)"), ("NEAR", "GATEWAY", "")],
)  # fmt: skip
def test_only_known_stations(known: IngestProcess, calling: str, called: str, codes: str) -> None:
    assert rejection(known, calling, called) == codes


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> object:
    """An ingest that knows several stations."""
    stations = [
        SnapshotStation(title="SCANNER1"),
        SnapshotStation(title="OFF", enabled=False),
        SnapshotStation(title="FAR", addresses=["10.0.0.0/8"]),
        SnapshotStation(title="NEAR", addresses=["127.0.0.0/8"]),
    ]
    with ingest_process(tmp_path_factory.mktemp("known")) as ingest:
        ingest.configure(snapshot(2, stations))
        until(lambda: rejection(ingest, "NEAR") == "", what="the snapshot to be in force")
        yield ingest


def test_a_change_is_in_force_within_two_seconds(tmp_path: Path) -> None:
    with ingest_process(tmp_path) as ingest:
        assert rejection(ingest, "SCANNER2") == "(1, 1, 3)"
        ingest.configure(snapshot(2, [SnapshotStation(title="SCANNER2")], rule_set=9))
        until(lambda: rejection(ingest, "SCANNER2") == "", limit=2, what="SCANNER2 to be known")
        assert rejection(ingest, "SCANNER1") == "(1, 1, 3)"


def test_without_a_snapshot_it_is_not_ready_and_rejects_until_there_is_one(tmp_path: Path) -> None:
    ingest = IngestProcess(tmp_path)
    try:
        ingest.start(ready=False)
        status, checks = ingest.ready()
        assert status == 503
        assert "snapshot" in checks["snapshot"]
        assert rejection(ingest) == "(2, 3, 1)"
        ingest.configure(snapshot())
        until(lambda: ingest.ready()[0] == 200, limit=3, what="ingest to be ready")
        assert store(ingest, ct(1)) == 0
    finally:
        ingest.end()


def test_starts_from_its_own_copy_when_the_store_has_no_snapshot(tmp_path: Path) -> None:
    with ingest_process(tmp_path) as ingest:
        assert ingest.stop() == 0
        ingest.objects.delete(KEY)
        again = IngestProcess(tmp_path)
        try:
            again.start()
            assert store(again, ct(1)) == 0
        finally:
            again.end()


def test_a_broken_snapshot_changes_nothing(tmp_path: Path) -> None:
    with ingest_process(tmp_path) as ingest:
        ingest.objects.put_bytes(KEY, b'{"number": 9')
        until(lambda: any(line["event"] == "snapshot_unreadable" for line in ingest.log()), what="the warning")
        assert store(ingest, ct(1)) == 0


def test_associations_beyond_the_slots_of_all_processes_are_rejected(tmp_path: Path) -> None:
    """One calling AE gets three of four: the fourth is for the others."""
    with ingest_process(tmp_path, {"GATEWAY_INCOMING_ASSOCIATIONS": "4"}) as ingest:
        ingest.configure(snapshot(2, [SnapshotStation(title="SCANNER1"), SnapshotStation(title="SCANNER2")]))
        until(lambda: rejection(ingest, "SCANNER2") == "", what="SCANNER2 to be known")
        second = IngestProcess(tmp_path, ingest.settings)
        second.listener.close()
        second.listener, second.port = ingest.listener, ingest.port
        second.start()
        try:
            held = [RawSender(ingest.port).__enter__() for _ in range(3)]
            assert {rejection(ingest) for _ in range(8)} == {"(2, 3, 2)"}
            assert {rejection(ingest, "SCANNER2") for _ in range(8)} == {""}
            with RawSender(ingest.port, "SCANNER2"):
                assert {rejection(ingest, "SCANNER2") for _ in range(8)} == {"(2, 3, 2)"}
            held.pop().__exit__(None, None, None)
            until(lambda: rejection(ingest) == "", what="a freed slot")
            for sender in held:
                sender.__exit__(None, None, None)
        finally:
            second.end()


def test_drains_on_sigterm_without_losing_the_instance_under_way(tmp_path: Path) -> None:
    instance = ct(1)
    with ingest_process(tmp_path) as ingest:
        sender = RawSender(ingest.port, contexts=[(instance.sop_class_uid, instance.transfer_syntax_uid)])
        with sender:
            assert ingest.process is not None
            ingest.process.terminate()
            until(lambda: any(line["event"] == "process_draining" for line in ingest.log()), what="the drain")
            status = sender.store(
                instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid, instance.data_set
            )
        assert status == 0
        assert ingest.process.wait(20) == 0
        assert len(ingest.stored()) == 1


def test_full_disk_is_a700_and_recovers_alone(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    with ingest_process(tmp_path, {"GATEWAY_MINIMUM_FREE_BYTES": str(free - 1_000_000_000)}) as ingest:
        ballast = tmp_path / "ballast"
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 3_000_000_000)
        until(lambda: ingest.ready()[0] == 503, limit=5, what="ingest not to be ready")
        assert "MiB are free, less than the watermark" in str(ingest.ready()[1]["objects"])
        assert store(ingest, ct(1)) == 0xA700
        ballast.unlink()
        until(lambda: ingest.ready()[0] == 200, limit=5, what="ingest to be ready")
        assert store(ingest, ct(1)) == 0


def test_a_silent_connection_disturbs_nobody(tmp_path: Path) -> None:
    with ingest_process(tmp_path) as ingest, socket.create_connection(("127.0.0.1", ingest.port)):
        assert store(ingest, ct(1)) == 0

"""The sweep: the object store is ingest's outbox (P2), the watermark says what is complete (P7)."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from services.runtime.errors import Unavailable
from services.runtime.objects import new_object_key
from services.storage.full_sweep import LONGEST_ASSOCIATION
from services.storage.sweep import KEYS_KEPT_SECONDS
from tests.factories import ct, small_instances
from tests.integration.storage.conftest import Make, Storage
from tests.waiting import until_async


async def test_records_what_no_message_brought(storage: Storage) -> None:
    arrived = [storage.receive(instance) for instance in small_instances(12, seed=1)]
    await storage.handle(*arrived[:5])
    assert await storage.sweep.run_once() == 7
    assert await storage.sweep.run_once() == 0
    rows = await storage.rows(
        "select object_key, facts from storage.receipt join storage.fact using (received_at, object_key) order by 1"
    )
    assert [(row["object_key"], row["facts"]) for row in rows] == [
        (body.receipt.object_key, body.facts) for body in arrived
    ]
    assert await storage.events() == ["NEW"] * 12


async def test_what_appears_later_in_a_folder_it_knows_is_found(storage: Storage) -> None:
    storage.receive(ct(1))
    for _ in range(3):
        await storage.sweep.run_once()
    storage.receive(ct(2))
    assert await storage.sweep.run_once() == 1


async def test_who_no_longer_leads_tells_of_no_unreadable_objects(storage: Storage) -> None:
    """Whoever leads now does; the alarm would stay until the process starts again."""
    with storage.objects.create(new_object_key(datetime.now(UTC))) as writer:
        os.write(writer.fd, b"no DICOM")
        writer.commit()
    await storage.sweep.run_once()
    assert REGISTRY.get_sample_value("gateway_storage_unreadable_objects") == 1
    storage.leadership.held = False
    assert await storage.sweep.run_once() == 0
    assert REGISTRY.get_sample_value("gateway_storage_unreadable_objects") == 0


async def test_watermark_is_the_start_of_the_sweep_less_a_margin(storage: Storage) -> None:
    before = await storage.rows("select clock_timestamp() as at")
    await storage.sweep.run_once()
    after = await storage.rows("select clock_timestamp() as at, recorded_through from storage.watermark")
    margin = timedelta(seconds=2)
    assert before[0]["at"] - margin <= after[0]["recorded_through"] <= after[0]["at"] - margin


async def test_watermark_stays_when_something_cannot_be_recorded_now(storage: Storage) -> None:
    await storage.sweep.run_once()
    through = await storage.rows("select recorded_through from storage.watermark")
    storage.receive(ct(1))
    await storage.rows("alter table storage.receipt rename to away")
    with pytest.raises(Unavailable, match="42P01"):
        await storage.sweep.run_once()
    await storage.rows("alter table storage.away rename to receipt")
    assert await storage.rows("select recorded_through from storage.watermark") == through
    assert await storage.sweep.run_once() == 1


async def test_a_folder_is_closed_when_old_and_reopened_when_it_changes(make_storage: Make) -> None:
    storage = make_storage(all_folders_seconds=0.001)
    await storage.database.open()
    await storage.database.wait_available()
    storage.receive(ct(1))
    folder = next(storage.objects.folders("objects")).name
    hours_ago = datetime.now(UTC).timestamp() - 3 * 3600
    os.utime(storage.objects.root / folder, (hours_ago, hours_ago))
    assert await storage.sweep.run_once() == 1
    assert [row["objects"] for row in await storage.rows("select objects from storage.folder")] == [1]
    assert await storage.sweep.run_once() == 0
    storage.receive(ct(2))
    assert await storage.sweep.run_once() == 1
    assert await storage.rows("select 1 from storage.folder") == []


async def test_a_folder_at_rest_takes_no_memory_and_what_it_gets_late_is_found(storage: Storage) -> None:
    storage.receive(ct(1))
    folder = storage.objects.root / next(storage.objects.folders("objects")).name
    earlier = datetime.now(UTC).timestamp() - KEYS_KEPT_SECONDS - 60
    os.utime(folder, (earlier, earlier))

    async def forgotten() -> bool:
        assert await storage.sweep.run_once() == 0
        return known(storage) == 0

    assert await storage.sweep.run_once() == 1
    assert known(storage) == 1
    await until_async(forgotten, what="the keys to be forgotten")
    storage.receive(ct(2))
    assert await storage.sweep.run_once() == 1
    assert known(storage) == 2


def known(storage: Storage) -> int:
    """How many names the sweep remembers."""
    return sum(len(folder.known) for folder in storage.sweep._open.values())


async def test_age_is_judged_by_the_file_and_not_by_the_key(storage: Storage) -> None:
    arrived = storage.receive(ct(1))
    wrong = new_object_key(datetime.now(UTC) - timedelta(hours=3))
    (storage.objects.root / wrong).parent.mkdir(parents=True, exist_ok=True)
    (storage.objects.root / arrived.receipt.object_key).rename(storage.objects.root / wrong)
    assert await storage.sweep.run_once() == 1
    assert await storage.rows("select 1 from storage.folder") == []


async def test_what_is_no_object_of_ours_stops_nothing(storage: Storage) -> None:
    good = storage.receive(ct(1))
    folder = (storage.objects.root / good.receipt.object_key).parent
    (folder / "0.dcm").write_bytes(b"not ours")
    (folder / "1.dcm.part").write_bytes(b"half")
    assert await storage.sweep.run_once() == 1
    assert await storage.sweep.run_once() == 0


async def test_full_sweep_finds_what_a_closed_folder_hides_and_resumes(make_storage: Make) -> None:
    storage = make_storage(full_sweep_seconds=3600)
    await storage.database.open()
    await storage.database.wait_available()
    arrived = storage.receive(ct(1))
    folder = arrived.receipt.object_key.rpartition("/")[0]
    modified = next(storage.objects.folders(folder)).modified
    await storage.rows("insert into storage.folder values (%(f)s, now(), 1, %(m)s)", f=folder, m=modified)
    assert await storage.sweep.run_once() == 0
    await storage.rows(
        "update storage.watermark set full_sweep_started_at = now(), full_sweep_cursor = %(f)s", f=folder
    )
    assert await storage.full_sweep.run_if_due(storage.supervisor)
    assert await storage.dispositions() == []
    await storage.rows("update storage.watermark set full_sweep_started_at = now() - interval '2 hours'")
    assert await storage.full_sweep.run_if_due(storage.supervisor)
    assert await storage.dispositions() == [("NEW", 1, "PRESENT")]
    assert not await storage.full_sweep.run_if_due(storage.supervisor)


async def test_full_sweep_notices_an_object_that_is_gone(storage: Storage) -> None:
    gone, there = storage.receive(ct(1)), storage.receive(ct(2))
    await storage.handle(gone, there)
    (storage.objects.root / gone.receipt.object_key).unlink()
    assert await storage.full_sweep.run_if_due(storage.supervisor)
    rows = await storage.rows("select object_key, state from storage.identity")
    assert {row["object_key"]: row["state"] for row in rows} == {
        gone.receipt.object_key: "DAMAGED",
        there.receipt.object_key: "STORED",
    }


def test_a_receipt_is_looked_for_as_long_as_an_instance_may_take() -> None:
    assert timedelta(hours=12) <= LONGEST_ASSOCIATION


async def test_objects_from_before_a_restore_are_recovered_and_not_routed(make_storage: Make) -> None:
    storage = make_storage(recovered_before=datetime.now(UTC) + timedelta(minutes=1))
    await storage.database.open()
    await storage.database.wait_available()
    storage.receive(ct(1))
    await storage.sweep.run_once()
    assert await storage.events() == ["RECOVERED"]

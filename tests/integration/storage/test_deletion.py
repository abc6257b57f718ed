"""Deletion: hidden, waited for, deleted, remembered; a crash at any point brings nothing back. Duplicates, scrub."""

from schemas.messages import Envelope, InstanceDeleted, InstanceUnusable, Receipt, decode
from services.admin.backup.connection import QUERIES, connected
from tests.factories import ct
from tests.integration.storage.conftest import Make, Storage
from tests.integration.storage.test_recording import deliver


async def states(storage: Storage) -> list[tuple[str, str]]:
    """(identity, object) of every receipt in order of arrival."""
    rows = await storage.rows(
        "select i.state, r.object_state from storage.receipt r "
        "join storage.identity i using (sop_instance_uid, revision) order by r.received_at, r.object_key"
    )
    return [(row["state"], row["object_state"]) for row in rows]


async def test_a_deleted_instance_loses_its_object_and_stays_as_tombstone(storage: Storage) -> None:
    await storage.handle(storage.receive(ct(1)), storage.receive(ct(2)), storage.receive(ct(1)))
    assert await storage.delete(ct(1).sop_instance_uid) == 1
    assert await storage.delete(ct(1).sop_instance_uid) == 0
    assert await states(storage) == [("DELETING", "DELETING"), ("STORED", "PRESENT"), ("DELETING", "DELETING")]
    assert await storage.deletion.run_once() == 2
    assert await states(storage) == [("DELETED", "DELETED"), ("STORED", "PRESENT"), ("DELETED", "DELETED")]
    assert len(storage.present()) == 1


async def test_nothing_is_deleted_while_a_backup_is_made(storage: Storage, database_url: str) -> None:
    """Its snapshot of the database names those objects."""
    await storage.handle(storage.receive(ct(1)), storage.receive(ct(2)), storage.receive(ct(1)))
    await storage.delete(ct(2).sop_instance_uid)
    async with connected(database_url, "gateway-cli") as backup:
        await backup.execute(QUERIES.hold_off_deletions)
        assert (await storage.deletion.run_once(), await storage.redundancy.run_once()) == (0, 0)
        assert len(storage.present()) == 3
    assert (await storage.deletion.run_once(), await storage.redundancy.run_once()) == (1, 1)
    assert len(storage.present()) == 1


async def test_a_deletion_is_told_once_in_the_transaction_that_hides(storage: Storage) -> None:
    await storage.handle(storage.receive(ct(1)), storage.receive(ct(2)), storage.receive(ct(1)))
    for _ in range(2):
        await storage.delete(ct(1).sop_instance_uid)
    told = await storage.rows(
        "select body from runtime.outbox o join storage.identity i on i.state_at = o.created_at "
        "where i.state = 'DELETING' and routing_key = 'instance.deleted.v1'"
    )
    assert [decode(row["body"].encode()).body for row in told] == [
        InstanceDeleted(
            sop_instance_uid=ct(1).sop_instance_uid, revision=1, study_instance_uid=ct(1).study_instance_uid
        )
    ]


async def test_a_crash_between_row_and_unlink_brings_nothing_back(storage: Storage) -> None:
    await storage.handle(storage.receive(ct(1)))
    await storage.delete(ct(1).sop_instance_uid)
    assert await storage.sweep.run_once() == 0
    await storage.full_sweep.run_if_due(storage.supervisor)
    assert await states(storage) == [("DELETING", "DELETING")]
    assert await storage.events() == ["NEW"]
    assert await storage.deletion.run_once() == 1
    assert storage.present() == set()


async def test_a_crash_between_unlink_and_row_is_finished(storage: Storage) -> None:
    arrived = storage.receive(ct(1))
    await storage.handle(arrived)
    await storage.delete(ct(1).sop_instance_uid)
    storage.objects.delete(arrived.receipt.object_key)
    assert await storage.deletion.run_once() == 1
    assert await states(storage) == [("DELETED", "DELETED")]


async def test_nothing_is_deleted_before_its_time_or_while_a_delivery_needs_it(make_storage: Make) -> None:
    patient = make_storage(deletion_wait_seconds=3600)
    await patient.database.open()
    await patient.database.wait_available()
    arrived = patient.receive(ct(1))
    await patient.handle(arrived)
    await patient.delete(ct(1).sop_instance_uid)
    assert await patient.deletion.run_once() == 0
    hasty = make_storage()
    await hasty.database.open()
    await hasty.database.wait_available()
    await deliver(hasty, ct(1), "ARCHIVE", "PENDING")
    await hasty.rows("update routing.delivery set object_key = %(key)s", key=arrived.receipt.object_key)
    assert await hasty.deletion.run_once() == 0
    await hasty.rows("update routing.delivery set state = 'CANCELED'")
    assert await hasty.deletion.run_once() == 1


async def test_what_is_sent_again_after_deletion_is_new(storage: Storage) -> None:
    await storage.handle(storage.receive(ct(1)))
    await storage.delete(ct(1).sop_instance_uid)
    again = storage.receive(ct(1))
    await storage.handle(again)
    assert await storage.events() == ["NEW", "NEW"]
    assert await storage.deletion.run_once() == 1
    assert await states(storage) == [("STORED", "DELETED"), ("STORED", "PRESENT")]
    assert storage.present() == {again.receipt.object_key}


async def test_what_is_sent_again_behind_a_later_revision_leaves_no_object(storage: Storage) -> None:
    """Its row has another revision then, under which the old receipt is not found."""
    await storage.handle(storage.receive(ct(1)), storage.receive(ct(1, PatientComments="changed")))
    await storage.delete(ct(1).sop_instance_uid)
    again = storage.receive(ct(1))
    await storage.handle(again)
    assert await storage.deletion.run_once() == 2
    assert storage.present() == {again.receipt.object_key}


async def test_a_tombstone_goes_after_two_full_sweeps_without_the_object(make_storage: Make) -> None:
    storage = make_storage(full_sweep_seconds=0.000001)
    await storage.database.open()
    await storage.database.wait_available()
    await storage.handle(storage.receive(ct(1)), storage.receive(ct(2)), storage.receive(ct(3)))
    await storage.rows(
        "insert into commitment.archived (sop_instance_uid, revision, server, study_instance_uid, commitment, "
        "transaction_uid) values (%(uid)s, 1, 'ARCHIVE', '1', gen_random_uuid(), '1')",
        uid=ct(3).sop_instance_uid,
    )
    await storage.delete(ct(1).sop_instance_uid, ct(3).sop_instance_uid)
    await storage.full_sweep.run_if_due(storage.supervisor)
    await storage.deletion.run_once()
    assert await storage.full_sweep.run_if_due(storage.supervisor)
    assert len(await states(storage)) == 3
    assert await storage.full_sweep.run_if_due(storage.supervisor)
    assert await states(storage) == [("STORED", "PRESENT")]
    assert len(await storage.rows("select 1 from storage.fact")) == 1
    kept = await storage.rows("select sop_instance_uid from storage.identity where state = 'DELETED'")
    assert [row["sop_instance_uid"] for row in kept] == [ct(3).sop_instance_uid], "its flag is of that revision"
    await storage.handle(storage.receive(ct(3, PatientName="OTHER")))
    (again,) = await storage.rows(
        "select revision from storage.identity where sop_instance_uid = %(uid)s and state = 'STORED'",
        uid=ct(3).sop_instance_uid,
    )
    assert again["revision"] == 2


async def test_what_a_restored_store_brings_back_is_deleted_again(storage: Storage) -> None:
    arrived = storage.receive(ct(1))
    path = storage.objects.root / arrived.receipt.object_key
    content = path.read_bytes()
    await storage.handle(arrived)
    await storage.delete(ct(1).sop_instance_uid)
    await storage.deletion.run_once()
    path.write_bytes(content)
    await storage.full_sweep.run_if_due(storage.supervisor)
    assert await storage.deletion.run_once() == 1
    assert storage.present() == set()
    assert await storage.events() == ["NEW"]


async def test_a_duplicates_object_goes_once_the_first_is_verified(storage: Storage) -> None:
    first, second = storage.receive(ct(1)), storage.receive(ct(1))
    await storage.handle(first, second)
    assert await storage.redundancy.run_once() == 1
    assert storage.present() == {first.receipt.object_key}
    assert await states(storage) == [("STORED", "PRESENT"), ("STORED", "DELETED")]
    assert await storage.redundancy.run_once() == 0


async def test_a_duplicate_takes_over_from_a_damaged_first(storage: Storage) -> None:
    first, second = storage.receive(ct(1), "SCANNER1"), storage.receive(ct(1), "OTHER-SCANNER")
    await storage.handle(first, second)
    damage(storage, first.receipt.object_key)
    await storage.redundancy.run_once()
    await storage.redundancy.run_once()
    assert storage.present() == {second.receipt.object_key}
    rows = await storage.rows("select object_key, data_set_offset, state from storage.identity")
    assert rows == [
        {"object_key": second.receipt.object_key, "data_set_offset": second.receipt.offset, "state": "STORED"}
    ]


async def test_when_both_are_damaged_both_stay(storage: Storage) -> None:
    first, second = storage.receive(ct(1)), storage.receive(ct(1))
    await storage.handle(first, second)
    damage(storage, first.receipt.object_key)
    damage(storage, second.receipt.object_key)
    await storage.redundancy.run_once()
    assert len(storage.present()) == 2
    assert await states(storage) == [("DAMAGED", "PRESENT"), ("DAMAGED", "PRESENT")]
    assert await storage.redundancy.run_once() == 0


async def test_scrub_finds_a_flipped_bit(storage: Storage) -> None:
    fine, bad = storage.receive(ct(1)), storage.receive(ct(2))
    await storage.handle(fine, bad)
    damage(storage, bad.receipt.object_key)
    while await storage.scrub.run_once(storage.supervisor):
        pass
    while await storage.scrub.run_once(storage.supervisor):
        pass
    rows = await storage.rows("select sop_instance_uid, state from storage.identity")
    assert {row["sop_instance_uid"]: row["state"] for row in rows} == {
        ct(1).sop_instance_uid: "STORED",
        ct(2).sop_instance_uid: "DAMAGED",
    }


async def test_what_a_delivery_found_damaged_is_marked_at_once_and_mended_when_restored(storage: Storage) -> None:
    fine, bad = storage.receive(ct(1)), storage.receive(ct(2))
    await storage.handle(fine, bad)
    path = storage.objects.root / bad.receipt.object_key
    whole = path.read_bytes()
    damage(storage, bad.receipt.object_key)
    told = [unusable(each.receipt) for each in (fine, bad)]
    await storage.scrub.suspected(told)
    await storage.scrub.suspected(told)
    assert await content_states(storage) == {ct(1).sop_instance_uid: "STORED", ct(2).sop_instance_uid: "DAMAGED"}
    path.write_bytes(whole)
    for _ in range(2):
        while await storage.scrub.run_once(storage.supervisor):
            pass
    assert await content_states(storage) == {ct(1).sop_instance_uid: "STORED", ct(2).sop_instance_uid: "STORED"}


def unusable(receipt: Receipt) -> Envelope:
    """What the forwarder says of an object that it could not send."""
    body = InstanceUnusable(object_key=receipt.object_key, sop_instance_uid=receipt.sop_instance_uid, revision=1)
    return Envelope.wrap(body, "forwarder", correlation="job")


async def content_states(storage: Storage) -> dict[str, str]:
    """The state of each content by its SOP Instance UID."""
    rows = await storage.rows("select sop_instance_uid, state from storage.identity")
    return {row["sop_instance_uid"]: row["state"] for row in rows}


def damage(storage: Storage, key: str) -> None:
    """Flip a bit of the last byte."""
    path = storage.objects.root / key
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

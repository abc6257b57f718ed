"""Recording: identity, revisions, duplicates, what comes back; again changes nothing; races end right (P2, P5)."""

import asyncio
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from services.admin import overview
from services.runtime.errors import Reject
from services.storage.dispositions import TOO_OFTEN_FLAG
from tests.factories import Instance, ct, small_instances
from tests.integration.storage.conftest import Make, Storage

IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"


def revised(instance: Instance) -> Instance:
    """The same UID with other pixels."""
    return replace(instance, data_set=instance.data_set[:-2] + bytes([instance.data_set[-2] ^ 1, 0]))


async def add_station(storage: Storage, policy: str) -> None:
    await storage.rows(
        "insert into config.station (title, host, port, revision_policy) values ('SCANNER1', 'h', 104, %(policy)s)",
        policy=policy,
    )


async def test_a_batch_is_recorded_with_its_facts_and_events(storage: Storage) -> None:
    arrived = [storage.receive(instance) for instance in small_instances(30, seed=1)]
    await storage.handle(*arrived)
    rows = await storage.rows(
        "select r.*, f.facts, i.data_set_offset, i.state from storage.receipt r "
        "join storage.fact f using (received_at, object_key) "
        "join storage.identity i using (sop_instance_uid, revision) order by r.object_key"
    )
    assert [row["object_key"] for row in rows] == [body.receipt.object_key for body in arrived]
    for row, body in zip(rows, arrived, strict=True):
        told = body.receipt.model_dump(exclude={"offset", "findings", "corrects"})
        assert {name: row[name] for name in told} == told
        assert row["facts"] == body.facts
        assert (row["data_set_offset"], row["state"], row["object_state"]) == (body.receipt.offset, "STORED", "PRESENT")
    assert await storage.events() == ["NEW"] * 30


async def test_the_same_message_again_changes_nothing(storage: Storage) -> None:
    arrived = storage.receive(ct(1))
    for _ in range(3):
        await storage.handle(arrived, arrived)
    assert await storage.dispositions() == [("NEW", 1, "PRESENT")]
    assert await storage.events() == ["NEW"]


async def test_same_content_again_is_a_duplicate(storage: Storage) -> None:
    await storage.handle(storage.receive(ct(1)), storage.receive(ct(1)))
    await storage.handle(storage.receive(ct(1)))
    assert await storage.dispositions() == [
        ("NEW", 1, "PRESENT"), ("DUPLICATE", 1, "REDUNDANT"), ("DUPLICATE", 1, "REDUNDANT"),
    ]  # fmt: skip
    assert await storage.events() == ["NEW", "DUPLICATE", "DUPLICATE"]
    assert len(await storage.rows("select 1 from storage.identity")) == 1


@pytest.mark.parametrize(("policy", "disposition"), [("route", "REVISION"), ("keep", "KEPT"), ("hold", "HELD")])
async def test_other_content_is_a_flagged_revision(storage: Storage, policy: str, disposition: str) -> None:
    await add_station(storage, policy)
    await storage.handle(storage.receive(ct(1)))
    await storage.handle(storage.receive(revised(ct(1))))
    assert await storage.dispositions() == [("NEW", 1, "PRESENT"), (disposition, 2, "PRESENT")]
    assert [row["flags"] for row in await storage.rows("select flags from storage.receipt where revision = 2")] == [
        ["revision"]
    ]


async def test_two_contents_in_one_batch(storage: Storage) -> None:
    await storage.handle(storage.receive(ct(1)), storage.receive(revised(ct(1))), storage.receive(ct(1)))
    assert await storage.dispositions() == [
        ("NEW", 1, "PRESENT"), ("REVISION", 2, "PRESENT"), ("DUPLICATE", 1, "REDUNDANT"),
    ]  # fmt: skip


async def test_only_another_transfer_syntax_is_held(storage: Storage) -> None:
    await storage.handle(storage.receive(ct(1, transfer_syntax=EXPLICIT)))
    await storage.handle(storage.receive(ct(1, transfer_syntax=IMPLICIT)))
    rows = await storage.rows("select disposition, flags from storage.receipt where revision = 2")
    assert rows == [{"disposition": "HELD", "flags": ["transfer-syntax-only"]}]


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG_ENDIAN])
async def test_other_pixel_data_in_another_transfer_syntax_is_a_revision(storage: Storage, syntax: str) -> None:
    """Header facts are the same; what a scanner corrected in the image must reach its destinations."""
    await storage.handle(storage.receive(ct(1, transfer_syntax=EXPLICIT)))
    await storage.handle(storage.receive(ct(1, transfer_syntax=syntax, PixelData=bytes(2048))))
    await storage.handle(storage.receive(ct(1, transfer_syntax=EXPLICIT, PixelData=b"\1" * 2048)))
    await storage.handle(storage.receive(ct(1, transfer_syntax=syntax)))
    rows = await storage.rows("select disposition, flags from storage.receipt order by revision")
    assert [(row["disposition"], row["flags"]) for row in rows] == [
        ("NEW", []), ("REVISION", ["revision"]), ("REVISION", ["revision"]),
        ("HELD", ["transfer-syntax-only", TOO_OFTEN_FLAG]),
    ]  # fmt: skip


@pytest.mark.parametrize("state", ["DELIVERED", "WARNED", "SENDING", "UNKNOWN"])
async def test_what_comes_back_from_where_we_sent_it_is_kept_and_not_routed(storage: Storage, state: str) -> None:
    instance = ct(1)
    await storage.handle(storage.receive(instance, "SCANNER1"))
    await deliver(storage, instance, "WORKSTATION", state)
    await storage.handle(storage.receive(instance, "WORKSTATION"))
    await storage.handle(storage.receive(revised(instance), "WORKSTATION"))
    assert [row[0] for row in await storage.dispositions()] == ["NEW", "DUPLICATE", "RETURNED"]


@pytest.mark.parametrize("state", ["DELETING", "DELETED", "forgotten"])
async def test_what_was_deleted_and_comes_back_is_new(storage: Storage, state: str) -> None:
    """The same content, and another one; once it is here again the loop ends as ever."""
    instance, other = ct(1), ct(2)
    await storage.handle(storage.receive(instance, "SCANNER1"), storage.receive(other, "SCANNER1"))
    for each in (instance, other):
        await deliver(storage, each, "ARCHIVE", "DELIVERED")
    await storage.rows("update storage.identity set state = 'DELETED', state_at = now()")
    await storage.rows("update storage.receipt set object_state = 'DELETED'")
    if state == "forgotten":
        await storage.rows("delete from storage.identity")
    else:
        await storage.rows("update storage.identity set state = %(state)s", state=state)
    await storage.handle(storage.receive(instance, "ARCHIVE"), storage.receive(revised(other), "ARCHIVE"))
    await storage.handle(storage.receive(revised(instance), "ARCHIVE"))
    assert [row[0] for row in await storage.dispositions()] == ["NEW", "NEW", "NEW", "NEW", "RETURNED"]
    assert await storage.events() == ["NEW", "NEW", "NEW", "NEW", "RETURNED"]


async def test_a_copy_that_comes_back_is_kept_while_what_it_was_made_of_is_here(storage: Storage) -> None:
    """It went there under another UID, which is unknown here until it comes."""
    instance, copies = ct(1), [ct(2), ct(3)]
    await storage.handle(storage.receive(instance, "SCANNER1"))
    await deliver(storage, instance, "ARCHIVE", "DELIVERED")
    for copy, state in zip(copies, ("STORED", "DELETED"), strict=True):
        await storage.rows("update routing.delivery set sent_sop_instance_uid = %(uid)s", uid=copy.sop_instance_uid)
        await storage.rows("update storage.identity set state = %(state)s", state=state)
        await storage.handle(storage.receive(copy, "ARCHIVE"))
    assert [row[0] for row in await storage.dispositions()] == ["NEW", "RETURNED", "NEW"]


async def test_a_revision_from_where_we_retrieved_it_is_kept_and_not_routed(storage: Storage) -> None:
    instance = ct(1)
    await retrieve(storage, instance, "ARCHIVE1")
    await storage.handle(storage.receive(instance, "ARCHIVE1"))
    await storage.handle(storage.receive(revised(instance), "SCANNER1"))
    returned = replace(instance, data_set=instance.data_set[:-2] + b"\7\0")
    await storage.handle(storage.receive(returned, "ARCHIVE1"))
    assert [row[0] for row in await storage.dispositions()] == ["NEW", "REVISION", "RETURNED"]


async def test_what_we_never_delivered_there_is_new(storage: Storage) -> None:
    await deliver(storage, ct(1), "ELSEWHERE", "DELIVERED")
    await deliver(storage, ct(1), "WORKSTATION", "FAILED")
    await storage.handle(storage.receive(ct(1), "WORKSTATION"))
    assert [row[0] for row in await storage.dispositions()] == ["NEW"]


async def test_what_comes_too_often_within_an_hour_is_flagged_counted_and_told(storage: Storage) -> None:
    counted = ("gateway_storage_received_too_often_total", {"station": "SCANNER1"})
    before = REGISTRY.get_sample_value(*counted) or 0
    await storage.handle(storage.receive(ct(1)), storage.receive(ct(1)))
    await storage.handle(storage.receive(revised(ct(1)), "SCANNER2"), storage.receive(ct(2)))
    assert (await overview.status(storage.database))["received_too_often"] == {"instances": 0, "stations": []}
    await storage.handle(storage.receive(ct(1)), storage.receive(ct(1)))
    flags = "select flags from storage.receipt where sop_instance_uid = %(uid)s order by received_at, object_key"
    found = [TOO_OFTEN_FLAG in row["flags"] for row in await storage.rows(flags, uid=ct(1).sop_instance_uid)]
    assert found == [False, False, False, True, True]
    assert (REGISTRY.get_sample_value(*counted) or 0) - before == 2
    told = (await overview.status(storage.database))["received_too_often"]
    assert told == {"instances": 1, "stations": ["SCANNER1"]}
    await storage.rows("update storage.receipt set received_at = received_at - interval '1 hour'")
    await storage.handle(storage.receive(ct(1)))
    assert [TOO_OFTEN_FLAG in row["flags"] for row in await storage.rows(flags, uid=ct(1).sop_instance_uid)][
        -1
    ] is False


async def test_two_processes_record_the_same_at_once(storage: Storage, make_storage: Make) -> None:
    other = make_storage()
    await other.database.open()
    await other.database.wait_available()
    contents = [version for n in range(10) for version in (ct(n), revised(ct(n)), ct(n))]
    arrived = [storage.receive(instance) for instance in contents]
    await asyncio.gather(
        *(storage.handle(*arrived[start:]) for start in (0, 10, 20)),
        *(other.handle(*reversed(arrived[: 30 - start])) for start in (0, 10, 20)),
    )
    found = await storage.rows("select disposition, count(*) as n from storage.receipt group by 1 order by 1")
    assert [(row["disposition"], row["n"]) for row in found] == [("DUPLICATE", 10), ("NEW", 10), ("REVISION", 10)]
    assert len(await storage.events()) == 30
    pairs = await storage.rows(
        "select array_agg(revision order by revision) as r from storage.identity group by sop_instance_uid"
    )
    assert [row["r"] for row in pairs] == [[1, 2]] * 10


async def test_facts_the_database_refuses_do_not_hide_the_object(storage: Storage) -> None:
    good, bad = storage.receive(ct(1)), storage.receive(ct(2))
    poisoned = bad.model_copy(update={"facts": {"values": {"00100010": ["a\x00b"]}, "cut": [], "undecodable": []}})
    with pytest.raises(Reject, match="database"):
        await storage.handle(poisoned)
    await storage.handle(good)
    rows = await storage.rows("select disposition, flags from storage.receipt order by received_at")
    assert rows == [{"disposition": "NEW", "flags": []}, {"disposition": "NEW", "flags": ["facts-refused"]}]
    assert await storage.events() == ["NEW", "NEW"]


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "config/snapshot.json", "objects/x\n"])
async def test_a_message_with_a_key_that_is_not_ours_is_rejected(storage: Storage, key: str) -> None:
    arrived = storage.receive(ct(1))
    forged = arrived.model_copy(update={"receipt": arrived.receipt.model_copy(update={"object_key": key})})
    with pytest.raises(Reject, match="no key of the gateway"):
        await storage.handle(forged)
    assert await storage.dispositions() == []


async def retrieve(storage: Storage, instance: Instance, source: str) -> None:
    """The rows of a retrieve job for the instance's study."""
    await storage.rows(
        "with job as (insert into routing.job (id, kind, destination, study_instance_uid) values (gen_random_uuid(), "
        "'retrieve', 'GATEWAY', %(study)s) returning id), retrieval as (insert into routing.retrieval (job, source, "
        "to_us) select id, %(source)s, true from job returning job) insert into routing.retrieval_move (job, position, "
        "level, study_instance_uid, asked_at) select job, 1, 'STUDY', %(study)s, now() from retrieval",
        study=instance.study_instance_uid,
        source=source,
    )


async def deliver(storage: Storage, instance: Instance, destination: str, state: str) -> None:
    """A row in the forwarder's ledger."""
    await storage.rows(
        "insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, "
        "object_key, data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, state, status) values (now(), "
        "%(uid)s, 1, %(destination)s, gen_random_uuid(), %(study)s, 'k', 0, 1, 'h', 'c', 't', %(state)s, "
        "case when %(state)s in ('DELIVERED', 'WARNED') then 0 end)",
        uid=instance.sop_instance_uid,
        study=instance.study_instance_uid,
        destination=destination,
        state=state,
    )

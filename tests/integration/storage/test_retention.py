"""Retention on a real database: what is deleted and what stays, by outcome, and what is written down about it."""

import asyncio
import json
from pathlib import Path
from uuid import uuid4

import pytest

from services.storage.corrections import Corrector
from services.storage.requests import Requests
from services.storage.retention import INSTANCES_AT_ONCE, Retention
from tests.factories import Instance, ct
from tests.integration.storage.conftest import Leading, Make, Storage
from tests.integration.storage.test_recording import deliver


def retention(storage: Storage) -> Retention:
    return Retention(storage.database, Leading(), storage.settings, commitment=True)  # type: ignore[arg-type]


async def run(storage: Storage) -> None:
    """As the worker does, until there is nothing more to do."""
    part = retention(storage)
    for _ in range(20):
        if not await part.run_once():
            return
    raise AssertionError("retention does not come to an end")


async def received(storage: Storage, *instances: Instance, days: int = 40, source: str = "CT1") -> None:
    """Instances that came so many days ago."""
    await storage.handle(*[storage.receive(instance, source) for instance in instances])
    uids = [instance.sop_instance_uid for instance in instances]
    await storage.rows(
        "with moved as (update storage.receipt set received_at = received_at - make_interval(days => %(days)s), "
        "recorded_at = recorded_at - make_interval(days => %(days)s) "
        "where sop_instance_uid = any(%(uids)s) and recorded_at > now() - interval '1 day' "
        "returning object_key, received_at) "
        "update storage.identity i set received_at = m.received_at from moved m where i.object_key = m.object_key",
        days=days,
        uids=uids,
    )


async def states(storage: Storage) -> dict[str, str]:
    rows = await storage.rows("select sop_instance_uid, state from storage.identity where revision = 1")
    return {row["sop_instance_uid"]: row["state"] for row in rows}


async def kept(storage: Storage) -> dict[str, str]:
    rows = await storage.rows("select study_instance_uid, kept from storage.retention")
    return {row["study_instance_uid"]: row["kept"] for row in rows}


async def test_cells_of_retention_by_outcome(make_storage: Make) -> None:
    """One study for each cell; only those that may go are gone afterwards, and each deletion is in the audit."""
    storage = make_storage(retention_days=30)
    await storage.database.open()
    await storage.rows(
        "insert into config.station (title, host, port, commit_server, retention_days) values "
        "('ARCHIVE', '127.0.0.1', 104, true, null), ('EVER', '127.0.0.1', 105, false, 0)"
    )
    cells = {
        "delivered": ("DELIVERED", None, 40, "CT1", True),
        "warned": ("WARNED", None, 40, "CT1", True),
        "young": ("DELIVERED", None, 29, "CT1", False),
        "for ever": ("DELIVERED", None, 40, "EVER", False),
        "pending": ("PENDING", None, 40, "CT1", False),
        "failed": ("FAILED", None, 40, "CT1", False),
        "unknown": ("UNKNOWN", None, 40, "CT1", False),
        "cancelled": ("CANCELED", None, 40, "CT1", False),
        "unmatched": (None, None, 40, "CT1", False),
        "uncommitted": ("DELIVERED", "ARCHIVE", 40, "CT1", False),
        "said to be there": ("DELIVERED", None, 40, "CT1", False),
    }
    instances = {name: ct(number, study=number) for number, name in enumerate(cells, 1)}
    for name, (state, commit_on, days, source, _) in cells.items():
        await received(storage, instances[name], days=days, source=source)
        if state is not None:
            await deliver(storage, instances[name], "PACS1", state)
            await storage.rows(
                "update routing.delivery set commit_on = %(on)s where sop_instance_uid = %(uid)s",
                on=commit_on,
                uid=instances[name].sop_instance_uid,
            )
    there = instances["said to be there"].sop_instance_uid
    await storage.rows("update routing.delivery set status = null where sop_instance_uid = %(uid)s", uid=there)
    await run(storage)
    found = await states(storage)
    gone = {name for name, instance in instances.items() if found[instance.sop_instance_uid] == "DELETING"}
    assert gone == {name for name, cell in cells.items() if cell[-1]}
    reasons = await kept(storage)
    assert "not yet committed by ARCHIVE" in reasons[instances["uncommitted"].study_instance_uid]
    assert "said that it had it" in reasons[instances["said to be there"].study_instance_uid]
    assert "FAILED to PACS1" in reasons[instances["failed"].study_instance_uid]
    told = await storage.rows(
        "select actor, object, after from audit.entry where action = 'studies.delete' order by at"
    )
    assert {(row["actor"], row["object"]) for row in told} == {
        ("retention", instances[name].study_instance_uid) for name in gone
    }
    assert told[0]["after"]["policy"]["days"] == 30
    await storage.deletion.run_once()
    assert len(storage.present()) == len(cells) - len(gone)


async def test_it_is_off_until_somebody_says_days_and_follows_a_changed_policy(make_storage: Make) -> None:
    storage = make_storage()
    await storage.database.open()
    await storage.rows("insert into config.station (title, host, port) values ('CT1', '127.0.0.1', 104)")
    await received(storage, ct(1))
    await deliver(storage, ct(1), "PACS1", "DELIVERED")
    await run(storage)
    assert await states(storage) == {ct(1).sop_instance_uid: "STORED"}
    await storage.rows("update config.station set retention_days = 7")
    await run(storage)
    assert await states(storage) == {ct(1).sop_instance_uid: "DELETING"}
    await run(storage)
    assert await kept(storage) == {}


async def test_a_failed_delivery_counts_no_more_once_its_destination_has_it(make_storage: Make) -> None:
    storage = make_storage(retention_days=30)
    await storage.database.open()
    await received(storage, ct(1))
    await deliver(storage, ct(1), "PACS1", "FAILED")
    await storage.rows("update routing.delivery set request = gen_random_uuid()")
    await deliver(storage, ct(1), "PACS1", "DELIVERED")
    await run(storage)
    assert await states(storage) == {ct(1).sop_instance_uid: "DELETING"}


async def test_what_was_sent_again_into_another_study_goes_with_it_or_not_at_all(make_storage: Make) -> None:
    """The older revision lies in an old study, the newer one in a young one: neither goes before both may."""
    storage = make_storage(retention_days=30)
    await storage.database.open()
    other = ct(1, study=9, PatientID="CORRECTED")
    moved = Instance(
        other.sop_class_uid, ct(1).sop_instance_uid, other.study_instance_uid, other.series_instance_uid,
        other.transfer_syntax_uid, other.data_set,
    )  # fmt: skip
    await received(storage, ct(1))
    await deliver(storage, ct(1), "PACS1", "DELIVERED")
    await received(storage, moved, days=10)
    await run(storage)
    assert set((await kept(storage)).values()) != {""}
    assert {row["state"] for row in await storage.rows("select state from storage.identity")} == {"STORED"}
    await storage.rows("update storage.receipt set received_at = received_at - interval '30 days'")
    await storage.rows(
        "update storage.identity i set received_at = r.received_at from storage.receipt r "
        "where r.object_key = i.object_key"
    )
    await storage.rows("update storage.retention set look_at = now()")
    await run(storage)
    assert {row["state"] for row in await storage.rows("select state from storage.identity")} == {"DELETING"}


async def test_two_replicas_delete_each_study_once(make_storage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.storage.retention.INSTANCES_AT_ONCE", 2)
    assert INSTANCES_AT_ONCE > 2
    storages = [make_storage(retention_days=30), make_storage(retention_days=30)]
    for storage in storages:
        await storage.database.open()
    first = storages[0]
    instances = [ct(number, study=number // 5) for number in range(20)]
    await received(first, *instances)
    for instance in instances:
        await deliver(first, instance, "PACS1", "DELIVERED")
    await asyncio.gather(*(run(storage) for storage in storages))
    assert set((await states(first)).values()) == {"DELETING"}
    told = await first.rows("select sum((after ->> 'instances')::int) as instances from audit.entry")
    events = await first.rows("select count(*) as events from runtime.outbox where routing_key = 'instance.deleted.v1'")
    assert (told[0]["instances"], events[0]["events"]) == (20, 20)


async def test_a_preview_tells_and_deletes_nothing(make_storage: Make, tmp_path: Path) -> None:
    storage = make_storage()
    await storage.database.open()
    await received(storage, ct(1), ct(2, study=2))
    await deliver(storage, ct(1), "PACS1", "DELIVERED")
    await run(storage)
    corrector = Corrector(storage.objects, tmp_path, 1 << 30)
    requests = Requests(storage.database, storage.settings, corrector, commitment=True)

    async def ask(days: int | None) -> dict[str, object]:
        request = uuid4()
        await storage.rows(
            "insert into config.request (id, kind, body, requested_by) values (%(id)s, 'retention', %(body)s, 'anna')",
            id=request,
            body=json.dumps({"days": days, "limit": 10}),
        )
        await requests.carry_out(request)
        found = await storage.rows("select result from storage.request_done where request = %(id)s", id=request)
        return dict(found[0]["result"])

    assert "retention is off" in str((await ask(None))["error"])
    studies = (await ask(30))["studies"]
    assert isinstance(studies, list)
    assert {row["study"]: row["kept"] for row in studies} == {
        ct(1).study_instance_uid: "",
        ct(2, study=2).study_instance_uid: f"no rule sends it anywhere ({ct(2, study=2).sop_instance_uid})",
    }
    assert set((await states(storage)).values()) == {"STORED"}

"""We commit: from a peer's N-ACTION at a real ingest to the report it gets, on real PostgreSQL, without a broker."""

import struct
from collections.abc import Callable
from uuid import uuid4

from tests.factories import ct
from tests.integration.commitment.scp_bench import NEVER, Site, committing, in_thread, references
from tests.recorded import add_station
from tests.stations.asker import Asking, Hearing
from tests.stations.messages import COMMITMENT_INSTANCE, information
from tests.waiting import until_async

EXPLICIT = "1.2.840.10008.1.2.1"
BAD = {
    "another class": ({"sop_class": "1.2.840.10008.1.1"}, 0x0118),
    "another instance": ({"sop_instance": "1.2.3"}, 0x0112),
    "another action": ({"action_type": 2}, 0x0123),
    "no data set": ({"data": b""}, 0x0115),
    "no transaction": ({"data": information(None, references(ct(1)))}, 0x0115),
    "no instances": ({"data": information("1.2.3", [])}, 0x0115),
    "noise": ({"data": b"\x93" * 501}, 0x0110),
}


def mistyped_and_too_large(site: Site) -> None:
    """The association stays open."""
    good = information("1.2.3", references(ct(1)), syntax=EXPLICIT)
    head = struct.Struct("<HH2sH")
    mistyped = {
        "a transaction of another type": head.pack(8, 0x1195, b"LO", 6) + good[8:],
        "a sequence of another type": good[:14] + head.pack(8, 0x1199, b"LO", 4) + b"1.2 ",
        "too long a UID": head.pack(8, 0x1195, b"UI", 66) + b"1." * 33 + good[14:],
    }
    with Asking(site.ingest.port, syntaxes=[EXPLICIT]) as modality:
        for name, data in mistyped.items():
            assert modality.ask("", [], data=data).status == 0x0212, name
        assert modality.ask("", [], data=bytes(17 << 20)).status == 0x0213
        assert modality.ask("", [], data=good, action_type=2).status == 0x0123


async def test_every_status_of_a_request(start: Callable[..., Site]) -> None:
    """While the database and the broker are away, too."""
    site = start(NEVER, "postgresql://nobody@127.0.0.1:9/none")
    for name, (changes, status) in BAD.items():
        assert await site.ask("1.2.3.4", ct(1), **changes) == status, name
    await in_thread(mistyped_and_too_large, site)
    assert not list(site.ingest.objects.folders("requests"))
    assert await site.ask("1.2.3.4", ct(1), sop_instance=COMMITMENT_INSTANCE) == 0
    (folder,) = site.ingest.objects.folders("requests")
    (site.ingest.home / "objects" / folder.name).rename(site.ingest.home / "away")
    (site.ingest.home / "objects" / folder.name).write_text("a file where the folder has to be")
    assert await site.ask("1.2.3.5", ct(1)) == 0x0110


async def test_profile_xeleris_refuses(start: Callable[..., Site]) -> None:
    site = start({"GATEWAY_PROFILE": "xeleris", "GATEWAY_AET": "GATEWAY"})
    assert await site.ask("1.2.3.4", ct(1)) == 0x0211


async def test_each_instance_gets_its_verdict_on_a_new_association(start: Callable[..., Site]) -> None:
    """The peer has left; the report names itself SCP. A first refusal is tried again."""
    site = start(NEVER)
    good, other_class, damaged, gone, unknown = (ct(number) for number in range(5))
    _, _, _, lost = site.recorder.record(good, other_class, damaged, gone)
    site.rows("update storage.identity set state = 'DAMAGED' where sop_instance_uid = %s", damaged.sop_instance_uid)
    site.recorder.objects.delete(lost.object_key)
    site.everything_is_recorded()
    mr, unsupported = "1.2.840.10008.5.1.4.1.1.4", "1.2.3.4.5"
    named = [
        *references(good, damaged, gone, unknown),
        (mr, other_class.sop_instance_uid),
        (unsupported, good.sop_instance_uid),
    ]
    with Hearing() as hearing:
        hearing.status = 0x0110
        add_station(site.url, "SCANNER1", hearing.port)
        assert await site.ask("1.2.3.4", data=information("1.2.3.4", named)) == 0
        async with committing(site):
            await in_thread(hearing.report, "1.2.3.4")
            hearing.status = 0
            await until_async(lambda: site.states() == ["REPORTED"])
    report = hearing.reports[-1]
    assert (report.event_type, report.role, report.committed) == (2, (0, 1), tuple(references(good)))
    reasons = {(sop_class, uid): reason for sop_class, uid, reason in report.failed}
    assert reasons == {
        (damaged.sop_class_uid, damaged.sop_instance_uid): 0x0110,
        (gone.sop_class_uid, gone.sop_instance_uid): 0x0110,
        (unknown.sop_class_uid, unknown.sop_instance_uid): 0x0112,
        (mr, other_class.sop_instance_uid): 0x0119,
        (unsupported, good.sop_instance_uid): 0x0122,
    }


async def test_a_peer_that_stays_is_told_on_its_association(start: Callable[..., Site]) -> None:
    site = start()
    instance = ct(1)
    site.recorder.record(instance)
    site.everything_is_recorded()
    with Hearing() as hearing:
        add_station(site.url, "SCANNER1", hearing.port)

        def ask_and_wait() -> int:
            with Asking(site.ingest.port) as modality:
                assert modality.ask("1.2.3.4", references(instance)).status == 0
                report = modality.report()
                assert (report.event_type, report.committed) == (1, tuple(references(instance)))
                return modality.ask("1.2.3.5", references(instance), action_type=9).status

        async with committing(site):
            assert await in_thread(ask_and_wait) == 0x0123
            assert hearing.reports == []


async def test_what_is_unknown_waits_until_everything_before_is_recorded(start: Callable[..., Site]) -> None:
    site = start(NEVER)
    late = ct(1)
    with Hearing() as hearing:
        add_station(site.url, "SCANNER1", hearing.port)
        async with committing(site):
            assert await site.ask("1.2.3.4", late) == 0
            await until_async(lambda: site.states() == ["CHECKING"])
            site.recorder.record(late)
            report = await in_thread(hearing.report, "1.2.3.4")
    assert report.committed == tuple(references(late))


async def test_a_transaction_in_use(start: Callable[..., Site]) -> None:
    """The same again is one request; other instances under the same UID fail with 0131; too many with 0213."""
    site = start(NEVER)
    first, second, third = ct(1), ct(2), ct(3)
    with Hearing() as hearing:
        add_station(site.url, "SCANNER1", hearing.port)
        async with committing(site, most_references=2):
            for instance in (first, first, second):
                assert await site.ask("1.2.3.4", instance) == 0
            await until_async(lambda: len(site.states()) == 3)
            assert sorted(site.states()[:2]) == ["CHECKING", "JOINED"]
            report = await in_thread(hearing.report, "1.2.3.4")
            assert report.failed == ((*references(second)[0], 0x0131),)
            assert await site.ask("1.2.3.5", first, second, third) == 0
            report = await in_thread(hearing.report, "1.2.3.5")
            assert {reason for _, _, reason in report.failed} == {0x0213}


async def test_archives_downstream_have_to_commit_too(start: Callable[..., Site]) -> None:
    """It waits while something is under way, and fails what nothing brings there any more or came too late."""
    site = start(NEVER)
    archived, on_its_way, nowhere = instances = [ct(number) for number in range(3)]
    recorded = site.recorder.record(*instances)
    site.everything_is_recorded()
    for each in recorded:
        site.rows(
            "insert into routing.evaluation (received_at, object_key, sop_instance_uid, revision, study_instance_uid, "
            "rule_set) values (%s, %s, %s, 1, '1.2', 1)",
            each.received_at, each.object_key, each.sop_instance_uid,
        )  # fmt: skip
    site.rows(
        "insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, "
        "object_key, data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid) "
        "values (now(), %s, 1, 'ARCHIVE1', %s, '1.2', 'k', 0, 1, 's', '1.2', '1.2')",
        on_its_way.sop_instance_uid, uuid4(),
    )  # fmt: skip
    site.rows(ARCHIVED, archived.sop_instance_uid, uuid4())
    with Hearing() as hearing:
        add_station(site.url, "ARCHIVE1", 11113, commit_server=True)
        add_station(site.url, "SCANNER1", hearing.port, commit_downstream=["ARCHIVE1"])
        async with committing(site):
            assert await site.ask("1.2.3.4", *instances) == 0
            await until_async(lambda: [row["state"] for row in site.rows(ITEMS)] == ["COMMITTED", "PENDING", "FAILED"])
            site.rows(ARCHIVED, on_its_way.sop_instance_uid, uuid4())
            report = await in_thread(hearing.report, "1.2.3.4")
            assert report.committed == tuple(references(archived, on_its_way))
            assert report.failed == ((*references(nowhere)[0], 0x0110),)
            site.rows("delete from commitment.archived where sop_instance_uid = %s", on_its_way.sop_instance_uid)
            assert await site.ask("1.2.3.5", archived, on_its_way) == 0
            await until_async(lambda: site.rows(ITEMS)[-1]["state"] == "PENDING" and len(site.rows(ITEMS)) == 5)
            await until_async(lambda: site.change(TWO_DAYS_LATER))
            await until_async(lambda: looked_at_now(site))
            report = await in_thread(hearing.report, "1.2.3.5")
            assert report.committed == tuple(references(archived))
            assert report.failed == ((*references(on_its_way)[0], 0x0110),)


TWO_DAYS_LATER = (
    "update commitment.inbound set recorded_at = now() - interval '49 hours' "
    "where state = 'CHECKING' and lease_holder is null returning id"
)
LOOK_NOW = "update commitment.inbound set next_attempt_at = now() where state = 'CHECKING' returning id"
GIVE_UP = "update commitment.inbound set give_up_at = now(), next_attempt_at = now() where state = 'READY' returning id"
ITEMS = "select state from commitment.inbound_item order by received_at, position"
ARCHIVED = (
    "insert into commitment.archived (sop_instance_uid, revision, server, study_instance_uid, commitment, "
    "transaction_uid) values (%s, 1, 'ARCHIVE1', '1.2', %s, '1.2.9')"
)


async def looked_at_now(site: Site) -> bool:
    """Whether the last request is due at once, or decided already."""
    return bool(await site.change(LOOK_NOW)) or site.states()[-1] != "CHECKING"


async def test_restart_and_giving_up(start: Callable[..., Site]) -> None:
    """A request outlives whoever decided it; nobody listens until the time is over."""
    site = start(NEVER)
    instance = ct(1)
    site.recorder.record(instance)
    site.everything_is_recorded()
    add_station(site.url, "SCANNER1", 9)
    assert await site.ask("1.2.3.4", instance) == 0
    async with committing(site):
        await until_async(
            lambda: (
                site.states() == ["READY"] and site.rows("select attempts from commitment.inbound")[0]["attempts"] > 0
            )
        )
    assert site.states() in (["READY"], ["SENDING"])
    with Hearing() as hearing:
        add_station(site.url, "SCANNER1", hearing.port)
        site.rows("update commitment.inbound set next_attempt_at = now()")
        async with committing(site):
            await in_thread(hearing.report, "1.2.3.4")
            await until_async(lambda: site.states() == ["REPORTED"])
    assert len(hearing.reports) == 1
    assert await site.ask("1.2.3.5", instance) == 0
    async with committing(site):
        await until_async(lambda: site.states()[-1] == "READY")
        await until_async(lambda: site.change(GIVE_UP))
        await until_async(lambda: site.states() == ["REPORTED", "GIVEN UP"])

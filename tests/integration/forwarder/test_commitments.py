"""Storage commitment from the forwarder's side: who is asked, what waits for it, what is sent again."""

from uuid import UUID, uuid4

import pytest

from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.runtime.clock import now
from tests.factories import ct
from tests.integration.forwarder.bench import GATEWAY, Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations.receiver import Answer, StationReceiver

ARCHIVE_THEN_WS = [{"send": [{"to": "ARCHIVE1"}]}, {"send": [{"to": "WS1"}], "after_commitment": ["ARCHIVE1"]}]
UID = ct(1).sop_instance_uid
VARIANT_V = profile_of("xeleris", DicomSettings(variant="v"))


@pytest.mark.parametrize(
    ("flags", "commit", "status", "profile", "asked"),
    [
        ({"commit_server": True}, None, 0, GATEWAY, "ARCHIVE1"),
        ({"commit_server": True, "commit_on": "VAULT"}, True, 0xB000, GATEWAY, "ARCHIVE1"),
        ({"commit_on": "VAULT"}, None, 0, GATEWAY, "VAULT"),
        ({"commit_on": "PLAIN"}, None, 0, GATEWAY, None),
        ({}, None, 0, GATEWAY, None),
        ({"commit_server": True}, False, 0, GATEWAY, None),
        ({"commit_server": True}, None, 0, VARIANT_V, None),
    ],
)
async def test_who_is_asked_for_what_was_delivered(
    recorder: Recorder,
    ledger: Ledger,
    flags: dict[str, object],
    commit: bool | None,
    status: int,
    profile: object,
    asked: str | None,
) -> None:
    with StationReceiver("ARCHIVE1", Answer(status)) as archive:
        add_station(recorder.database_url, "VAULT", 104, commit_server=True)
        add_station(recorder.database_url, "PLAIN", 104)
        add_station(recorder.database_url, "ARCHIVE1", archive.port, **flags)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "ARCHIVE1", "commit": commit}]}])
        async with forwarder(recorder, profile=profile) as running:  # type: ignore[arg-type]
            await running.evaluate(recorder.record(ct(1)))
            await ledger.until_states({"WARNED" if status else "DELIVERED": 1})
    (row,) = ledger.rows("select commit, commit_on from routing.delivery")
    assert row == {"commit": commit, "commit_on": asked}
    told = ledger.rows(
        "select body::jsonb -> 'body' ->> 'commit_on' as asked from runtime.outbox "
        "where routing_key = 'instance.delivered.v1'"
    )
    assert [each["asked"] for each in told] == ([] if asked is None else [asked])


def stations(recorder: Recorder, workstation: int = 104) -> None:
    add_station(recorder.database_url, "ARCHIVE1", 104, commit_server=True)
    add_station(recorder.database_url, "WS1", workstation)


def deliver(ledger: Ledger) -> None:
    """The archive has taken everything."""
    ledger.execute(
        "update routing.delivery set state = 'DELIVERED', finished_at = now(), commit_on = 'ARCHIVE1' "
        "where destination = 'ARCHIVE1'"
    )


def commitment(ledger: Ledger, state: str, item: str, *, closed: bool, send_again: bool = False) -> UUID:
    """The commitment of what the archive took, in that state."""
    number = uuid4()
    ledger.execute(
        "insert into commitment.commitment (id, study_instance_uid, destination, server, state, reason, closed_at) "
        "values (%s, '1', 'ARCHIVE1', 'ARCHIVE1', %s, 'no such object', case when %s then now() end)",
        number, state, closed,
    )  # fmt: skip
    ledger.execute(
        "insert into commitment.item (received_at, delivery, round, commitment, job, sop_instance_uid, revision, "
        "sop_class_uid, study_instance_uid, state, send_again) "
        "select received_at, id, (select count(*) from commitment.item i where i.delivery = d.id), %s, job, "
        "sop_instance_uid, revision, sop_class_uid, study_instance_uid, %s, %s "
        "from routing.delivery d where destination = 'ARCHIVE1' and commit_on is not null",
        number, item, send_again,
    )  # fmt: skip
    return number


def archive(ledger: Ledger, revision: int = 1) -> None:
    """The archive has committed everything, in that revision."""
    ledger.execute(
        "insert into commitment.archived (sop_instance_uid, revision, server, study_instance_uid, commitment, "
        "transaction_uid) select sop_instance_uid, %s, 'ARCHIVE1', study_instance_uid, gen_random_uuid(), '1' "
        "from storage.identity",
        revision,
    )


async def test_a_delivery_waits_for_the_commitment_of_its_revision(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("WS1") as workstation:
        stations(recorder, workstation.port)
        add_rule_set(recorder.database_url, 1, ARCHIVE_THEN_WS)
        async with forwarder(recorder, sending=False) as running:
            await running.evaluate(recorder.record(ct(1)))
            deliver(ledger)
            archive(ledger, revision=7)
            await running.commitments.awaited()
            (row,) = ledger.deliveries("WS1")
            assert (row["state"], row["waits_for_ever"]) == ("PENDING", True)
            assert row["reason"] == "waits until ARCHIVE1 committed the instance"
            ledger.execute("update routing.delivery set waiting_since = now() - interval '400 hours'")
            await running.clocks.give_up()
            await running.evaluate(recorder.record(ct(1), disposition="DUPLICATE"))
            assert ledger.deliveries("WS1")[0]["waits_for_ever"]
        archive(ledger)
        async with forwarder(recorder):
            await ledger.until_states({"DELIVERED": 1}, "WS1")
        assert workstation.uids == [UID]
    (gone,) = ledger.rows("select awaits, waiting_since > now() - interval '1 minute' as fresh from routing.delivery "
                          "where destination = 'WS1'")  # fmt: skip
    assert gone == {"awaits": None, "fresh": True}


@pytest.mark.parametrize("committed_first", [True, False])
async def test_a_study_goes_when_it_is_complete_and_committed(
    recorder: Recorder, ledger: Ledger, committed_first: bool
) -> None:
    stations(recorder)
    rules = [ARCHIVE_THEN_WS[0], ARCHIVE_THEN_WS[1] | {"level": "study", "quiet": "1s"}]
    add_rule_set(recorder.database_url, 1, rules)
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1)))
        deliver(ledger)
        for committed in (committed_first, not committed_first):
            assert ledger.deliveries("WS1")[0]["waits_for_ever"]
            if committed:
                archive(ledger)
                await running.commitments.awaited(ct(1).study_instance_uid)
            else:
                ledger.execute("update routing.job set last_received_at = now() - interval '1 hour'")
                recorder.watermark(now())
                await running.clocks.release()
        assert not ledger.deliveries("WS1")[0]["waits_for_ever"]


async def test_a_delivery_fails_when_nothing_brings_the_commitment(recorder: Recorder, ledger: Ledger) -> None:
    stations(recorder)
    add_rule_set(recorder.database_url, 1, ARCHIVE_THEN_WS)
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1)))

        async def state() -> str:
            await running.commitments.awaited()
            return str(ledger.deliveries("WS1")[0]["state"])

        assert await state() == "PENDING"
        ledger.execute("update routing.delivery set state = 'FAILED' where destination = 'ARCHIVE1'")
        assert await state() == "FAILED"
        assert "nothing that ARCHIVE1 commits was sent" in ledger.deliveries("WS1")[0]["reason"]
        deliver(ledger)
        job = ledger.deliveries("WS1")[0]["job"]
        await running.requests.carry_out(ledger.request("retry", {"job": str(job)}))
        assert ledger.deliveries("WS1")[0]["waits_for_ever"]
        assert await state() == "PENDING"
        first = commitment(ledger, "FAILURE", "FAILED", closed=False)
        assert await state() == "PENDING"
        ledger.execute("update commitment.commitment set closed_at = now()")
        assert await state() == "FAILED"
        assert f"ARCHIVE1 has not committed the instance (commitment {first}" in ledger.deliveries("WS1")[0]["reason"]
        commitment(ledger, "QUEUED", "PENDING", closed=False)
        await running.requests.carry_out(ledger.request("retry", {"job": str(job)}))
        assert await state() == "PENDING"


async def test_what_was_refused_with_0112_is_sent_again_once(recorder: Recorder, ledger: Ledger) -> None:
    stations(recorder)
    new_uids = {"transform": [{"do": "new_uids"}]}
    add_rule_set(recorder.database_url, 1, [rule | new_uids for rule in ARCHIVE_THEN_WS])
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1)))
        deliver(ledger)
        commitment(ledger, "FAILURE", "FAILED", closed=True, send_again=True)
        await running.commitments.awaited()
        assert ledger.states("WS1") == {"PENDING": 1}
        assert [await running.commitments.send_again() for _ in range(2)] == [1, 0]
        assert ledger.states("ARCHIVE1") == {"DELIVERED": 1, "PENDING": 1}
        deliver(ledger)
        commitment(ledger, "FAILURE", "FAILED", closed=True, send_again=True)
        await running.commitments.send_again()
        again = ledger.rows("select 1 from routing.job where rule = 'refused with 0112'")
        changed = ledger.rows(
            "select distinct transformation is null as nothing, sent_sop_instance_uid like '2.25.%' as renamed, "
            "source, back, rule <> '' as of_a_rule from routing.delivery where destination = 'ARCHIVE1'"
        )
        sent = ledger.rows(
            "select job from routing.delivery where destination = 'ARCHIVE1' and request::text !~ '^0+-'"
        )
    kept = {"source": "SCANNER1", "back": False, "of_a_rule": True}
    assert changed == [{"nothing": False, "renamed": True, **kept}]
    assert len(again) == len({row["job"] for row in sent})


async def test_requests_of_other_services_are_let_be(recorder: Recorder, ledger: Ledger) -> None:
    async with forwarder(recorder, sending=False) as running:
        request = ledger.request("delete", {"uids": [UID]})
        await running.requests.carry_out(request)
        assert await running.requests.reconcile() == 0
    assert not ledger.rows("select 1 from routing.request_done")

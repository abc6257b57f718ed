"""Leases: one sender at a time, whoever dies, whatever the database does."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from prometheus_client import REGISTRY

from services.forwarder import ledger as rows
from services.forwarder import sender
from services.forwarder.delivery import Delivery
from services.runtime.db import Connection, Database
from services.runtime.errors import Conflict, GatewayError, Unavailable
from tests.factories import ct, small_instances
from tests.integration.forwarder.bench import GATEWAY, Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations.receiver import Accept, Answer, Freeze, Slow, StationReceiver
from tests.waiting import until_async

TO_ARCHIVE = [{"send": [{"to": "ARCHIVE1"}]}]


async def test_two_forwarders_never_send_the_same(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1", Slow(0.01)) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, associations=4)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        recorded = recorder.record(*small_instances(150, seed=1))
        async with forwarder(recorder) as one, forwarder(recorder) as other:
            await asyncio.gather(one.evaluate(recorded), other.evaluate(recorded))
            await until_async(lambda: len(archive.uids) > 20)
            held = ledger.rows("select name from runtime.lease where name like 'association/ARCHIVE1/%'")
            assert len(held) <= 4
            await ledger.until_states({"DELIVERED": 150}, limit=30)
        assert max(Counter(archive.uids).values()) == 1
    holders = {row["lease_holder"] for row in ledger.deliveries()}
    assert len(holders) > 1
    assert len(ledger.jobs()) == len(
        {row["study_instance_uid"] for row in ledger.rows("select * from storage.receipt")}
    )


async def test_who_finds_no_association_claims_nothing(
    recorder: Recorder, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each forwarder would write the ledger again and again, and take it back, while another one sends."""
    claimed, claim = [], rows.claim

    async def counted(*arguments: Any, **named: Any) -> list[Delivery]:
        found = await claim(*arguments, **named)
        claimed.append(len(found))
        return found

    monkeypatch.setattr(rows, "claim", counted)
    with StationReceiver("ARCHIVE1", Slow(0.02)) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, associations=1)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder, poll_seconds=0.05) as running, forwarder(recorder, poll_seconds=0.05):
            await running.evaluate(recorder.record(*small_instances(60, seed=1)))
            await ledger.until_states({"DELIVERED": 60})
    assert sum(claimed) <= 60 + 2 * 16, "but for those who began at the same instant"


async def test_all_associations_together_have_a_limit(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("A", Slow(0.2)) as a, StationReceiver("B", Slow(0.2)) as b:
        for station in (a, b):
            add_station(recorder.database_url, station.title, station.port, associations=2)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "A"}, {"to": "B"}]}])
        async with forwarder(recorder, profile=replace(GATEWAY, outgoing=1), idle_seconds=0.1) as running:
            await running.evaluate(recorder.record(*small_instances(4, seed=1)))
            held: list[int] = []

            def all_sent() -> bool:
                found = ledger.rows("select count(*) as n from runtime.lease where name like 'association//%'")
                held.append(found[0]["n"])
                return ledger.states() == {"DELIVERED": 8}

            await until_async(all_sent, limit=20)
            assert max(held) == 1


async def test_what_a_dead_worker_was_sending_is_unknown_and_sent_again(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder, sending=False) as running:
            await running.evaluate(recorder.record(*small_instances(3, seed=1)))
            async with running.database.transaction() as connection:
                claimed = await rows.claim(connection, "ARCHIVE1", 16, "a worker that died", 60)
            assert len(claimed) == 3
            await running.clocks.expire()
            assert ledger.states() == {"SENDING": 3}
        with psycopg.connect(recorder.database_url) as connection:
            connection.execute("update routing.delivery set lease_until = now() - interval '1 second'")
        async with forwarder(recorder, lease_seconds=0.5):
            await ledger.until_states({"DELIVERED": 3})
    for row in ledger.deliveries():
        assert [attempt["outcome"] for attempt in ledger.attempts(row["id"])] == ["UNKNOWN", "DELIVERED"]


async def test_a_lease_outlives_a_restart_of_the_database(recorder: Recorder, ledger: Ledger) -> None:
    """runtime.lease_expired: nothing that a living worker could not renew meanwhile is taken from it."""
    add_station(recorder.database_url, "ARCHIVE1", 104)
    add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
    async with forwarder(recorder, sending=False, lease_seconds=10**6) as running:
        await running.evaluate(recorder.record(ct(1)))
        async with running.database.transaction() as connection:
            await rows.claim(connection, "ARCHIVE1", 16, "a worker", 60)
        ledger.execute("update routing.delivery set lease_until = now() - interval '1 hour'")
        await running.clocks.expire()
        assert ledger.states() == {"SENDING": 1}


async def test_leases_are_renewed_while_an_answer_takes_long(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1", Slow(3)) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder, lease_seconds=1.5) as running, forwarder(recorder, lease_seconds=1.5):
            await running.evaluate(recorder.record(ct(1)))
            await ledger.until_states({"DELIVERED": 1})
        assert len(archive.uids) == 1


async def test_a_worker_that_cannot_renew_aborts_before_its_lease_ends(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1", Freeze()) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder, lease_seconds=3, idle_seconds=0.1) as running:
            await running.evaluate(recorder.record(ct(1)))
            await ledger.until_states({"SENDING": 1})
            rename = "alter table runtime.lease rename to lease_away"  # every renewal fails
            await asyncio.to_thread(ledger.execute, rename)
            await until_async(lambda: not REGISTRY.get_sample_value("gateway_forwarder_associations"), what="the abort")
            await asyncio.to_thread(ledger.execute, "alter table runtime.lease_away rename to lease")
            archive.behave(Accept())
            await ledger.until_states({"DELIVERED": 1}, limit=30)


async def test_a_late_answer_of_an_expired_lease_is_recorded(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1", Slow(1.5)) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, unknown_policy="hold")
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(ct(1)))
            await ledger.until_states({"SENDING": 1})
            ledger.execute(
                "update routing.delivery set state = 'UNKNOWN', next_attempt_at = 'infinity' where state = 'SENDING'"
            )
            await ledger.until_states({"DELIVERED": 1})


async def test_a_late_answer_after_a_cancel_is_recorded(recorder: Recorder, ledger: Ledger) -> None:
    """The receiver has it: to call it cancelled would be wrong. What never went stays cancelled."""
    with StationReceiver("ARCHIVE1", Slow(1.5)) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, unknown_policy="hold")
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder, cancel_seconds=5) as running:
            await running.evaluate(recorder.record(ct(1)))
            await ledger.until_states({"SENDING": 1})
            ledger.execute(
                "update routing.delivery set state = 'UNKNOWN', next_attempt_at = 'infinity' where state = 'SENDING'"
            )
            await running.requests.carry_out(ledger.request("cancel", {"job": str(ledger.jobs()[0]["id"])}))
            assert ledger.states() == {"CANCELED": 1}
            await ledger.until_states({"DELIVERED": 1})
    assert ledger.jobs()[0]["state"] == "CANCELED"


async def test_stopping_ends_associations_and_gives_back_what_was_not_sent(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1", Slow(0.3)) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, associations=1)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(*small_instances(20, seed=1)))
            await until_async(lambda: archive.uids)
        states = ledger.states()
        assert set(states) == {"DELIVERED", "PENDING"}
        assert states["DELIVERED"] == len(archive.uids)
        assert not ledger.rows("select 1 from runtime.lease")


async def test_stopping_does_not_wait_for_a_frozen_receiver(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1", Freeze()) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder, drain_seconds=0.5) as running:
            await running.evaluate(recorder.record(ct(1)))
            await until_async(archive.frozen.is_set)
    assert ledger.states() == {"UNKNOWN": 1}


async def test_a_changed_station_is_in_force_at_once(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("OLD") as old, StationReceiver("NEW") as new:
        add_station(recorder.database_url, "ARCHIVE1", old.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder, idle_seconds=60) as running:
            await running.evaluate(recorder.record(ct(1)))
            await ledger.until_states({"DELIVERED": 1})
            add_station(recorder.database_url, "ARCHIVE1", new.port)
            await until_async(lambda: running.configuration.stations["ARCHIVE1"].port == new.port, limit=2)
            await running.evaluate(recorder.record(ct(2)))
            await ledger.until_states({"DELIVERED": 2})
        assert (len(old.uids), len(new.uids)) == (1, 1)


async def test_a_restart_does_not_move_the_time_of_the_next_attempt(recorder: Recorder, ledger: Ledger) -> None:
    """P7: the time is the database's; a fresh forwarder neither forgets it nor tries before it."""
    with StationReceiver("ARCHIVE1", Answer(0xA700)) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(ct(1)))
            await until_async(lambda: ledger.rows("select 1 from routing.attempt"))
        assert ledger.states() == {"PENDING": 1}
        archive.behave(Accept())
        ledger.execute("update routing.destination set retry_at = now(), circuit = 'CLOSED'")
        due = "now() + interval '3 seconds'"
        ledger.execute(f"update routing.delivery set next_attempt_at = {due}")  # noqa: S608 - a constant
        expected = ledger.rows("select next_attempt_at as at from routing.delivery")[0]["at"]
        async with forwarder(recorder):
            await ledger.until_states({"DELIVERED": 1})
    delivered = ledger.rows("select max(at) as at from routing.attempt where outcome = 'DELIVERED'")[0]["at"]
    assert 0 <= (delivered - expected).total_seconds() < 3


class AnswerLost:
    """Takes the place of ``database.retry``: the COMMIT of the first exchange that claims something is done, and its
    answer lost. ``claimed`` is what nobody knows of."""

    def __init__(self, database: Database) -> None:
        self.claimed: list[Delivery] = []
        self._retry = database.retry

    async def retry(self, work: Callable[[Connection], Awaitable[Any]], attempts: int = 5) -> Any:
        """As the database's."""
        answer = await self._retry(work, attempts)
        if isinstance(answer, list) and answer and not self.claimed:
            self.claimed = answer
            raise Unavailable("the answer was lost")
        return answer


async def test_what_a_lost_commit_recorded_and_claimed(
    recorder: Recorder, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is recorded again without a second attempt; what it claimed nobody sends, so nobody keeps its lease."""
    with StationReceiver("ARCHIVE1", Slow(0.05)) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, associations=1)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder, lease_seconds=2) as running:
            await running.evaluate(recorder.record(*small_instances(100, seed=1)))
            lost = AnswerLost(running.database)
            monkeypatch.setattr(running.database, "retry", lost.retry)
            await until_async(lambda: lost.claimed)
            unsent = {delivery.id for delivery in lost.claimed}

            async def known_lost() -> bool:
                await running.clocks.expire()
                return unsent <= outcomes(ledger).keys()

            await until_async(known_lost)
            assert ledger.states()["DELIVERED"] < 100 - len(unsent), "known while the association goes on"
            archive.behave(Accept())
            await ledger.until_states({"DELIVERED": 100})
    assert outcomes(ledger) == {
        row["id"]: ["UNKNOWN", "DELIVERED"] if row["id"] in unsent else ["DELIVERED"] for row in ledger.deliveries()
    }
    assert max(Counter(archive.uids).values()) == 1


@pytest.mark.parametrize("error", [Unavailable("the database is away"), Conflict("others hold the lock for too long")])
async def test_what_the_database_does_not_take_is_recorded_later(
    recorder: Recorder, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, error: GatewayError
) -> None:
    failures, record = iter([error] * 10), rows.record

    async def failing(*arguments: Any, **named: Any) -> None:
        for failure in failures:
            raise failure
        await record(*arguments, **named)

    monkeypatch.setattr(rows, "record", failing)
    monkeypatch.setattr(sender, "DATABASE_PAUSE_SECONDS", 0.05)
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, associations=1)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(*small_instances(20, seed=1)))
            await ledger.until_states({"DELIVERED": 20})
    assert list(outcomes(ledger).values()) == [["DELIVERED"]] * 20


def outcomes(ledger: Ledger) -> dict[int, list[str]]:
    """What the attempts of each delivery led to, in their order."""
    told = ledger.rows("select delivery, array_agg(outcome order by id) as outcomes from routing.attempt group by 1")
    return {row["delivery"]: row["outcomes"] for row in told}

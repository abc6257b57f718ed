"""P2, P5: what could not be evaluated is come back to, and what a person cancelled stays cancelled."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from services.forwarder import ledger as rows
from services.forwarder.delivery import GONE
from services.forwarder.evaluation import Evaluated, Evaluator
from tests.factories import ct
from tests.integration.forwarder.bench import Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations.receiver import StationReceiver

HIDE = """
with gone as (
    update storage.identity set state = 'DELETING', state_at = now() - interval '1 minute'
    where sop_instance_uid = %s
) update storage.receipt set object_state = 'DELETING' where sop_instance_uid = %s
"""


async def test_what_cannot_be_evaluated_for_an_hour_is_not_forgotten(recorder: Recorder, ledger: Ledger) -> None:
    """The reconciler's mark stays before the oldest receipt that is left, however long its hindrance lasts."""
    add_station(recorder.database_url, "A", 104)
    recorder.rule_set = 7
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1)))
        ledger.execute("update storage.receipt set recorded_at = recorded_at - interval '1 hour'")
        ledger.execute("update routing.reconciled set through = now() - interval '61 minutes'")
        for _ in range(7):
            assert await running.handlers.reconcile(age_seconds=0) == 0
        add_rule_set(recorder.database_url, 7, [{"send": [{"to": "A"}]}])
        assert await running.handlers.reconcile(age_seconds=0) == 1
        assert await running.handlers.reconcile(age_seconds=0) == 0
    assert ledger.states() == {"PENDING": 1}
    assert ledger.rows("select through > now() - interval '1 minute' as caught_up from routing.reconciled") == [
        {"caught_up": True}
    ]


async def test_what_was_cancelled_while_its_worker_died_is_not_sent_again(recorder: Recorder, ledger: Ledger) -> None:
    add_station(recorder.database_url, "A", 104)
    add_rule_set(recorder.database_url, 1, [{"send": [{"to": "A"}]}])
    async with forwarder(recorder, sending=False, lease_seconds=0.001) as running:
        await running.evaluate(recorder.record(ct(1)))
        async with running.database.transaction() as connection:
            await rows.claim(connection, "A", 16, "a worker that died", 60)
        (job,) = ledger.jobs()
        await running.requests.carry_out(ledger.request("cancel", {"job": str(job["id"])}))
        assert ledger.states() == {"SENDING": 1}
        ledger.execute("update routing.delivery set lease_until = now() - interval '1 hour'")
        await running.clocks.expire()
    assert ledger.states() == {"CANCELED": 1}
    (delivery,) = ledger.deliveries()
    assert [attempt["outcome"] for attempt in ledger.attempts(delivery["id"])] == ["UNKNOWN"]


async def test_what_comes_again_after_its_tombstones_are_forgotten_is_sent(recorder: Recorder, ledger: Ledger) -> None:
    """Its revision begins at 1 again; what was sent of it under higher numbers before does not overtake it."""
    with StationReceiver("A") as a:
        add_station(recorder.database_url, "A", a.port)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "A"}]}])
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(ct(1, PatientComments="changed"), revision=2))
            await ledger.until_states({"DELIVERED": 1})
            ledger.execute("delete from storage.identity")
            ledger.execute("delete from storage.receipt")
            await running.evaluate(recorder.record(ct(1)))
            await ledger.until_states({"DELIVERED": 2})


async def test_what_is_held_for_an_instance_that_was_deleted_ends(recorder: Recorder, ledger: Ledger) -> None:
    """No claim comes to it, and while it waits its object stays."""
    add_station(recorder.database_url, "A", 104)
    add_rule_set(recorder.database_url, 1, [{"send": [{"to": "A"}]}])
    async with forwarder(recorder, sending=False, reconcile_age_seconds=1) as running:
        await running.evaluate(recorder.record(ct(1), ct(2)))
        ledger.execute("update routing.delivery set next_attempt_at = 'infinity'")
        ledger.execute(HIDE, ct(1).sop_instance_uid, ct(1).sop_instance_uid)
        await running.clocks.end_deleted()
    assert ledger.rows("select state, reason, sop_instance_uid from routing.delivery order by state") == [
        {"state": "FAILED", "reason": GONE, "sop_instance_uid": ct(1).sop_instance_uid},
        {"state": "PENDING", "reason": "", "sop_instance_uid": ct(2).sop_instance_uid},
    ]


async def test_what_is_erased_while_it_is_decided_where_it_goes_does_not_wait(
    recorder: Recorder, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erasure that finds nothing waiting proves it: a delivery that began to wait afterwards would make that untrue
    until its next claim."""
    add_station(recorder.database_url, "A", 104)
    add_rule_set(recorder.database_url, 1, [{"send": [{"to": "A"}]}])
    decide = Evaluator.evaluate_all

    def erased(evaluator: Evaluator, receipts: Sequence[dict[str, Any]], rules: Mapping[int, Any]) -> list[Evaluated]:
        ledger.execute("update storage.identity set state = 'DELETING', state_at = now()")
        return decide(evaluator, receipts, rules)

    async with forwarder(recorder, sending=False) as running:
        monkeypatch.setattr(Evaluator, "evaluate_all", erased)
        await running.evaluate(recorder.record(ct(1)))
    assert ledger.rows("select state, reason, finished_at is not null as ended from routing.delivery") == [
        {"state": "FAILED", "reason": GONE, "ended": True}
    ]
    assert [job["state"] for job in ledger.jobs()] == ["FAILED"]

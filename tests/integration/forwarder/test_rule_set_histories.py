"""Whatever is applied meanwhile, in whatever order receipts are evaluated: each goes by the rule set stamped on it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.admin.rules import rule_sets
from services.dicom.rules import dump, read
from services.forwarder.evaluation import ReceiptKey
from tests.integration.forwarder.bench import Forwarder, Ledger, forwarder
from tests.recorded import Recorded, Recorder, add_station
from tests.unit.rules import generated
from tests.unit.rules.reference import deliveries, routed

Rules = list[dict[str, Any]]
STORAGE = "storage.fact, storage.receipt, storage.identity"
ROUTING = "routing.evaluation, routing.delivery, routing.job"


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One loop for the module."""
    with asyncio.Runner() as running:
        yield running


@pytest.fixture(scope="module")
def history(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    """Records instances; the destinations are there."""
    for title in generated.DESTINATIONS:
        add_station(module_database_url, title, 104)
    return Recorder(module_database_url, tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="module")
def running(runner: asyncio.Runner, history: Recorder) -> Iterator[Forwarder]:
    """A forwarder that evaluates and does not send; it remembers one rule set, so that the others are read again."""
    evaluating = forwarder(history, sending=False, rule_sets=1)
    yield runner.run(evaluating.__aenter__())
    runner.run(evaluating.__aexit__(None, None, None))


@given(st.data())
@settings(
    max_examples=6, deadline=None, database=None, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
def test_each_receipt_goes_by_the_rule_set_stamped_on_it(
    history: Recorder, runner: asyncio.Runner, running: Forwarder, data: st.DataObject
) -> None:
    with psycopg.connect(history.database_url) as connection:
        connection.execute("update config.generation set rule_set = 0, number = number + 1")
        connection.execute(f"truncate {STORAGE}, {ROUTING} cascade".encode())
    runner.run(_one_history(history, running, data))


async def _one_history(recorder: Recorder, running: Forwarder, data: st.DataObject) -> None:
    """Rules are applied, some of them again (that is what a rollback does), between receipts and evaluations."""
    documents = data.draw(st.lists(generated.rules(4), min_size=2, max_size=3))
    applied: dict[int, Rules] = {}
    expected: dict[str, tuple[int, generated.Made]] = {}
    waiting: list[Recorded] = []
    for step in data.draw(st.lists(st.sampled_from("arrve"), min_size=4, max_size=14)):
        if step == "a" or not applied:
            chosen = data.draw(st.sampled_from(documents))
            applied[await _apply(running, chosen)] = chosen
        elif step == "e":
            await _evaluate(running, waiting, data)
        else:
            # A process of ingest may not know the newest one yet: it stamps what it works by.
            stamped = max(applied) if step == "r" else data.draw(st.sampled_from(sorted(applied)))
            made = data.draw(generated.instances(uid=f"1.2.3.{len(expected)}"))
            expected[made.instance.sop_instance_uid] = stamped, made
            waiting += _receive(recorder, stamped, made)
    await _evaluate(running, waiting, data, everything=True)
    ledger = Ledger(recorder.database_url)
    for uid, (number, made) in expected.items():
        (row,) = ledger.rows("select rule_set, matched from routing.evaluation where sop_instance_uid = %s", uid)
        assert (row["rule_set"], [match["rule"] for match in row["matched"]]) == (
            number, routed(applied[number], made.header, made.came)
        )  # fmt: skip
        sent = ledger.rows(
            "select d.destination, j.rule, j.rule_set from routing.delivery d join routing.job j on j.id = d.job "
            "where d.sop_instance_uid = %s",
            uid,
        )
        assert {each["destination"]: (each["rule_set"], each["rule"]) for each in sent} == {
            to: (number, rule) for to, rule in deliveries(applied[number], made.header, made.came).items()
        }


async def _apply(running: Forwarder, rules: Rules) -> int:
    text = dump(read({"version": 1, "rules": rules}))
    number: int = (await rule_sets.apply(running.database, "test", text, ""))["number"]
    return number


def _receive(recorder: Recorder, stamped: int, made: generated.Made) -> list[Recorded]:
    recorder.rule_set = stamped
    came = {name: made.came[name] for name in ("calling_aet", "received_at")}
    recorded = recorder.record(made.instance, **came)
    with psycopg.connect(recorder.database_url) as connection:
        connection.execute(
            "update storage.receipt set peer_address = %s where sop_instance_uid = %s",
            (made.came["peer_address"], made.instance.sop_instance_uid),
        )
    return recorded


async def _evaluate(
    running: Forwarder, waiting: list[Recorded], data: st.DataObject, *, everything: bool = False
) -> None:
    """Some of those that wait, in any order, some of them twice."""
    chosen = (
        list(waiting) if everything else data.draw(st.lists(st.sampled_from(waiting), max_size=4)) if waiting else []
    )
    keys = [ReceiptKey(each.received_at, each.object_key) for each in chosen]
    if keys:
        await running.evaluator.evaluate(keys, by="test")

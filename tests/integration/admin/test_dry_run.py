"""Dry-run and explanations on what storage recorded: exact against the plain evaluation of tests/unit/rules."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.admin.errors import NotFound
from services.admin.rules import dry_run as dry_runs
from services.admin.rules.dry_run import dry_run
from services.admin.rules.faults import FaultyRules
from services.admin.rules.rule_explanations import Asked, explain
from services.dicom.rules import ByClass, dump, read
from services.runtime.db import Database
from tests.factories import ct, nm_gated_tomo
from tests.recorded import Recorder, add_rule_set, add_station
from tests.unit.rules import generated
from tests.unit.rules.reference import deliveries

T = TypeVar("T")
WEEK = timedelta(days=7)
TABLES = "storage.fact, storage.receipt, storage.identity, config.rule_set"


@dataclass
class Bench:
    """A database with recorded instances, and what asks it."""

    recorder: Recorder
    runner: asyncio.Runner

    def __call__(self, work: Callable[[Database], Awaitable[T]]) -> T:
        """What a use case answers."""

        async def run() -> T:
            database = Database(self.recorder.database_url, application="test", pool=1, any_schema=True)
            await database.open()
            try:
                return await work(database)
            finally:
                await database.close()

        return self.runner.run(run())

    def dry_run(self, rules: list[dict[str, Any]], since: timedelta = WEEK, **given: Any) -> dict[str, Any]:
        """Dry-run of a draft with these rules."""
        return self(lambda database: dry_run(database, lambda: self.recorder.objects, text(rules), since, **given))

    def explain(self, uid: str, asked: Asked = Asked(), **given: Any) -> dict[str, Any]:  # noqa: B008 - immutable
        """Explanation of what the UID names."""
        return self(lambda database: explain(database, lambda: self.recorder.objects, uid, asked, **given))

    def live(self, number: int, rules: list[dict[str, Any]]) -> None:
        """Make rules live."""
        add_rule_set(self.recorder.database_url, number, rules)

    def clear(self) -> None:
        """Forget what was recorded, and all rule sets."""
        with psycopg.connect(self.recorder.database_url) as connection:
            connection.execute("set local session_replication_role = replica")  # rule sets never change otherwise
            connection.execute("update config.generation set rule_set = 0")
            connection.execute(f"truncate {TABLES} cascade".encode())


@pytest.fixture(scope="module")
def bench(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One for the module; each test clears it."""
    for title in (*generated.DESTINATIONS, "ARCHIVE"):
        add_station(module_database_url, title, 104)
    with asyncio.Runner() as runner:
        yield Bench(Recorder(module_database_url, tmp_path_factory.mktemp("objects")), runner)


@pytest.fixture(autouse=True)
def _cleared(bench: Bench) -> None:
    bench.clear()


def text(rules: list[dict[str, Any]]) -> str:
    """A rule file."""
    return dump(read({"version": 1, "rules": rules}))


def rule(name: str, to: str, **condition: Any) -> dict[str, Any]:
    """A rule of one condition; of none: everything."""
    return {"name": name, "when": {"all": [condition] if condition else []}, "send": [{"to": to}]}


def rows(report: dict[str, Any], part: str) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Instances, studies and bytes by rule and destination, of facts and objects together, without what is nothing."""
    total: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for tally in (report, report["from_objects"]):
        told = tally["no_longer_sent"] if part == "no_longer_sent" else tally["rules"]
        for row in told:
            share = row if part == "no_longer_sent" else row[part]
            total[row["rule"], row["to"]].update({name: share[name] for name in ("instances", "studies", "bytes")})
    return {send: (c["instances"], c["studies"], c["bytes"]) for send, c in total.items() if c["instances"]}


@given(st.data())
@settings(
    max_examples=8, deadline=None, database=None, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)  # fmt: skip
def test_a_dry_run_agrees_with_the_plain_evaluation(bench: Bench, data: st.DataObject) -> None:
    bench.clear()
    live, draft = data.draw(generated.rules(8)), data.draw(generated.rules(8))
    made = [data.draw(generated.instances(uid=f"1.2.3.{place}")) for place in range(data.draw(st.integers(1, 12)))]
    bench.live(1, live)
    with psycopg.connect(bench.recorder.database_url) as connection:
        for each in made:
            came = {name: each.came[name] for name in ("calling_aet", "received_at")}
            bench.recorder.record(each.instance, **came)
            connection.execute(
                "update storage.receipt set peer_address = %s where sop_instance_uid = %s",
                (each.came["peer_address"], each.instance.sop_instance_uid),
            )
    expected: dict[str, defaultdict[tuple[str, str], list[int]]] = {
        part: defaultdict(lambda: [0, 0, 0]) for part in ("newly_sent", "unchanged", "no_longer_sent")
    }
    for each in made:
        now, then = (deliveries(rules, each.header, each.came) for rules in (live, draft))
        sent = [("unchanged" if to in now else "newly_sent", (name, to)) for to, name in then.items()]
        sent += [("no_longer_sent", (name, to)) for to, name in now.items() if to not in then]
        for part, send in sent:
            share = expected[part][send]
            share[:] = [share[0] + 1, share[1] + 1, share[2] + len(each.instance.data_set)]
    report = bench.dry_run(draft, datetime.now(UTC) - datetime(2020, 11, 1, tzinfo=UTC))
    for part, shares in expected.items():
        assert rows(report, part) == {send: tuple(share) for send, share in shares.items()}, part
    assert report["instances"] + report["from_objects"]["instances"] == len(made)
    assert report["from_objects"]["read"] == report["from_objects"]["instances"]


def test_counts_are_exact_over_many_pages(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_runs, "PAGE", 3)
    at = datetime.now(UTC) - timedelta(hours=1)
    made = [ct(number, study=number % 2, InstanceNumber=number) for number in range(8)]
    bench.recorder.record(*made, received_at=at)  # one moment: the pages go on by key
    bench.recorder.record(ct(20, study=7, InstanceNumber=0), received_at=at - timedelta(days=30))
    for number, disposition in enumerate(("KEPT", "HELD"), start=30):
        bench.recorder.record(ct(number, study=8), received_at=at, disposition=disposition)
    (gone,) = bench.recorder.record(ct(40, study=9), received_at=at)
    with psycopg.connect(bench.recorder.database_url) as connection:
        connection.execute("delete from storage.fact where object_key = %s", (gone.object_key,))
    bench.live(4, [rule("all", "A"), rule("low", "B", tag="InstanceNumber", op="lt", value=2)])
    draft = [
        rule("high", "B", tag="InstanceNumber", op="ge", value=5),
        rule("same", "A", tag="InstanceNumber", op="between", value=[1, 7]),
        rule("again", "A", tag="InstanceNumber", op="le", value=1),
        rule("never", "C", tag="Modality", op="equals", value="MR"),
    ]
    report = bench.dry_run(draft, timedelta(days=2))
    size = [len(each.data_set) for each in made]
    assert (report["instances"], report["studies"], report["bytes"]) == (8, 2, sum(size))
    assert (report["compared_with"], report["deleted"]) == (4, 1)
    assert [(r["rule"], r["to"], r["instances"], r["studies"]) for r in report["rules"]] == [
        ("high", "B", 3, 2), ("same", "A", 7, 2), ("again", "A", 1, 1), ("never", "C", 0, 0),
    ]  # fmt: skip
    assert rows(report, "newly_sent") == {("high", "B"): (3, 2, sum(size[5:]))}
    assert rows(report, "unchanged") == {("same", "A"): (7, 2, sum(size[1:])), ("again", "A"): (1, 1, size[0])}
    assert rows(report, "no_longer_sent") == {("low", "B"): (2, 2, sum(size[:2]))}
    assert [r["sent_by_an_earlier_rule"] for r in report["rules"]] == [0, 0, 1, 0]
    examples = report["no_longer_sent"][0]["examples"]
    assert sorted(examples) == sorted(each.sop_instance_uid for each in made[:2])
    assert bench.dry_run(draft, timedelta(days=60))["instances"] == 9


RAW, NEVER = "1.2.840.113619.4.30", "1.2.840.113619.4.27"


def test_what_the_class_makes_of_it_is_told(bench: Bench) -> None:
    """As evaluation does: PET raw data goes to its station besides the rules, once, never back; some is never sent."""
    add_station(bench.recorder.database_url, "PETRAW", 104, pet_raw=True)
    add_rule_set(bench.recorder.database_url, 1, [rule("old", "A")])
    for seed, sop_class, source in ((1, RAW, "PET1"), (2, RAW, "PETRAW"), (3, NEVER, "PET1"), (4, NEVER, "PET2")):
        bench.recorder.record(replace(ct(seed, study=seed), sop_class_uid=sop_class), calling_aet=source)
    from_pet2 = rule("new", "B", fact="calling_aet", op="equals", value="PET2")
    report = bench.dry_run([rule("old", "A"), from_pet2], by_class=ByClass(frozenset({RAW}), frozenset({NEVER})))
    told = {(r["rule"], r["to"]): (r["unchanged"]["instances"], r["cannot_be_sent"]) for r in report["rules"]}
    assert told == {("old", "A"): (2, 2), ("new", "B"): (0, 1), ("PET raw data (R122)", "PETRAW"): (1, 0)}
    assert (rows(report, "newly_sent"), report["no_longer_sent"], report["instances"]) == ({}, [], 4)
    taken = bench.dry_run([rule("mine", "PETRAW")], by_class=ByClass(frozenset({RAW})))
    assert rows(taken, "unchanged") == {("mine", "PETRAW"): (1, 1, len(ct(1, study=1).data_set))}


def test_without_live_rules_everything_is_new(bench: Bench) -> None:
    bench.recorder.record(ct(1))
    report = bench.dry_run([rule("all", "A")])
    assert report["compared_with"] is None
    assert report["rules"][0]["newly_sent"]["instances"] == 1


def test_a_draft_with_faults_is_refused(bench: Bench) -> None:
    with pytest.raises(FaultyRules, match="NOBODY"):
        bench.dry_run([rule("all", "NOBODY")])


SLOT = "/".join((*generated.DEEP, "TimeSlotTime"))


def test_objects_are_read_only_where_they_decide_and_up_to_the_limit(bench: Bench) -> None:
    tomos = bench.recorder.record(*[nm_gated_tomo(number) for number in range(3)])
    bench.recorder.record(ct(9))
    bench.live(1, [rule("all", "A")])
    deep = {"tag": SLOT, "op": "gt", "value": 0}
    here, elsewhere = ({"fact": "calling_aet", "op": "equals", "value": title} for title in ("SCANNER1", "OTHER1"))
    draft = [{**rule("deep", "B"), "when": {"all": [here, deep]}}]
    assert bench.dry_run([{**rule("deep", "B"), "when": {"all": [elsewhere, deep]}}])["from_objects"]["read"] == 0
    bench.recorder.objects.delete(tomos[-1].object_key)  # the newest is read first
    found = bench.dry_run(draft)["from_objects"]
    assert {name: found[name] for name in ("read", "unreadable", "left_out", "limit", "instances")} == {
        "read": 3, "unreadable": 1, "left_out": 0, "limit": 1000, "instances": 3,
    }  # fmt: skip
    assert found["rate"] > 0
    assert found["rules"][0]["newly_sent"]["instances"] == 2
    report = bench.dry_run(draft, most_objects=2)
    assert (report["from_objects"]["read"], report["from_objects"]["left_out"]) == (2, 1)
    assert (report["instances"], report["from_objects"]["instances"]) == (1, 2)


def test_explanations_show_the_value_seen_and_the_verdict(bench: Bench) -> None:
    condition = {"tag": "InstanceNumber", "op": "le", "value": 7}
    bench.live(
        1, [{**rule("low", "A"), "when": {"all": [condition, {"tag": "Modality", "op": "equals", "value": "CT"}]}}]
    )
    made = [ct(number, study=1, InstanceNumber=number) for number in range(1, 10)]
    bench.recorder.record(*made)
    told = bench.explain(made[0].study_instance_uid)
    low, high = told["explanations"]
    assert (told["instances"], len(low["instances"]), len(high["instances"])) == (9, 7, 2)
    assert (low["rule_set"], low["rules"][0]["matched"], high["rules"][0]["matched"]) == (1, True, False)
    number, modality = low["rules"][0]["when"]["nodes"]
    assert number == {
        "node": "InstanceNumber le 7", "outcome": True, "found": ["1", "2", "3", "4", "5"], "more": 2,
    }  # fmt: skip
    assert modality == {"node": "Modality equals CT", "outcome": True, "found": ["CT"], "more": 0}
    assert high["rules"][0]["when"]["nodes"][0] == {
        "node": "InstanceNumber le 7", "outcome": False, "found": ["8", "9"], "more": 0,
    }  # fmt: skip
    cut = bench.explain(made[0].study_instance_uid, most=3)
    assert (cut["instances"], cut["cut_at"]) == (3, 3)


def test_explanations_go_by_the_rule_set_at_receipt_or_the_one_asked_for(bench: Bench) -> None:
    old, new = [rule("old", "A")], [rule("new", "A", tag=SLOT, op="gt", value=0)]
    bench.live(1, old)
    bench.live(2, new)
    instance = nm_gated_tomo(1)
    bench.recorder.record(instance)
    uid = instance.sop_instance_uid

    def names(asked: Asked) -> list[tuple[Any, Any, Any]]:
        (explanation,) = bench.explain(uid, asked)["explanations"]
        return [(explanation["rule_set"], each["rule"], each["matched"]) for each in explanation["rules"]]

    assert names(Asked()) == [(1, "old", True)]
    assert names(Asked(number=2)) == [(2, "new", True)], "read from the object"
    assert names(Asked(draft=text([rule("draft", "A", tag="Modality", op="equals", value="CT")]))) == [
        (None, "draft", False)
    ]
    with pytest.raises(NotFound, match="rule set 9 does not exist"):
        bench.explain(uid, Asked(number=9))
    with pytest.raises(NotFound, match=r"no recorded .* 1\.2\.99"):
        bench.explain("1.2.99")


def test_what_no_rule_was_asked_about_is_said(bench: Bench) -> None:
    instance = ct(1)
    Recorder(bench.recorder.database_url, bench.recorder.folder, rule_set=0).record(instance)
    (explanation,) = bench.explain(instance.sop_instance_uid)["explanations"]
    assert (explanation["rules"], explanation["notes"]) == ([], ["no rule set was live at receipt"])

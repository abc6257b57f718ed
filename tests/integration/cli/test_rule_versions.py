"""gateway rules: drafts, publishing, rolling back, test cases and warnings."""

import json

import psycopg
import pydicom.data
import pytest
from psycopg import errors

from schemas.rules import load
from tests.integration.cli.conftest import Gateway

# Comments, quotes, order of keys and line ends are the author's.
FIRST = "# why\r\nversion: 1\nrules:\n  - {send: [{to: ARCHIVE1}], when: {all: []}, name: 'first'}   # all of it"
SECOND = "version: 1\nrules:\n  - {name: second, when: {all: []}, send: [{to: ARCHIVE1}, {to: ARCHIVE2}]}\n"


@pytest.fixture
def site(gateway: Gateway) -> Gateway:
    """Two destinations and a scanner."""
    for title in ("ARCHIVE1", "ARCHIVE2"):
        gateway.station(title, "--store")
    gateway.station("GAMMA1")
    return gateway


def written(gateway: Gateway, name: str, text: str) -> str:
    (gateway.home / name).write_bytes(text.encode())
    return str(gateway.home / name)


def test_a_draft_becomes_a_rule_set_and_an_earlier_one_comes_back_as_a_copy(site: Gateway, database_url: str) -> None:
    faulty = written(site, "new.yaml", FIRST.replace("ARCHIVE1", "NOBODY"))
    saved = site.done("rules", "draft", "save", faulty, "--comment", "begun")
    assert ("draft new is saved" in saved.out, "it cannot be published yet: 1 fault" in saved.err) == (True, True)
    refused = site("rules", "publish", "new")
    assert (refused.status, "draft new: 1 fault" in refused.err) == (1, True)
    replaced = site.done("rules", "draft", "save", written(site, "new.yaml", FIRST), "--json").json()
    assert (replaced["replaced"]["comment"], replaced["faults"]) == ("begun", "")
    assert site.done("rules", "draft", "show", "new").out == FIRST
    assert [row["name"] for row in site.done("rules", "draft", "list", "--json").json()] == ["new"]
    published = site.done("rules", "publish", "new", "--comment", "agreed", "--json").json()
    assert (published["number"], published["changed"], published["taken"]["everywhere"]) == (1, True, True)
    assert site.done("rules", "draft", "list", "--json").json() == []
    site.done("rules", "apply", written(site, "second.yaml", SECOND), "--comment", "more")
    said = site.done("rules", "rollback", "1", "--comment", "less after all").out
    assert "rule set 3 is live (1 rule, a copy of 1)" in said
    assert "rule set 3 is live already" in site.done("rules", "rollback", "1").out
    assert site.done("rules", "show").out == FIRST
    assert load(site.done("rules", "show", "2", "--canonical").out) == load(SECOND)
    history = site.done("rules", "history", "--json").json()
    assert [(row["number"], row["comment"], row["copied_from"], row["live"]) for row in history] == [
        (3, "less after all", 1, True), (2, "more", None, False), (1, "agreed", None, False),
    ]  # fmt: skip
    with psycopg.connect(database_url) as connection:
        audited = connection.execute("select action, object from audit.entry where action ~ 'rules' order by id")
        assert audited.fetchall() == [
            ("rules.draft.save", "new"), ("rules.draft.save", "new"), ("rules.publish", "1"), ("rules.apply", "2"),
            ("rules.rollback", "3"),
        ]  # fmt: skip


def test_a_draft_that_others_overtook_is_compared_and_taken_over(site: Gateway) -> None:
    site.done("rules", "apply", written(site, "first.yaml", FIRST), "--comment", "one")
    mine = written(site, "mine.yaml", FIRST.replace("'first'", "'mine'"))
    site.done("rules", "draft", "save", mine)
    site.done("rules", "apply", written(site, "second.yaml", SECOND))
    refused = site("rules", "publish", "mine")
    assert (refused.status, "begun from rule set 1, but rule set 2 is live, published by cli:" in refused.err) == (
        1,
        True,
    )
    found = site.done("rules", "draft", "diff", "mine")
    assert "begun from rule set 1; live is rule set 2" in found.err
    assert ("-  - {name: second" in found.out, "+  - {send: [{to: ARCHIVE1}]" in found.out) == (True, True)
    assert site("rules", "draft", "take-over", "mine", "1").status == 1
    site.done("rules", "draft", "take-over", "mine", "2")
    site.done("rules", "draft", "save", mine)
    assert site.done("rules", "draft", "list", "--json").json()[0]["base"] == 2
    assert "rule set 3 is live" in site.done("rules", "publish", "mine").out
    site.done("rules", "draft", "save", mine, "--base", "1")
    assert site.done("rules", "apply", written(site, "first.yaml", FIRST), "--json").json()["number"] == 4
    assert site.done("rules", "rollback", "2", "--json").json()["number"] == 5


def test_a_rollback_is_checked_against_the_stations_of_today(site: Gateway) -> None:
    site.done("rules", "apply", written(site, "second.yaml", SECOND))
    site.done("rules", "apply", written(site, "first.yaml", FIRST))
    site.done("station", "remove", "ARCHIVE2")
    refused = site("rules", "rollback", "1")
    assert (refused.status, "second: send[2].to = ARCHIVE2" in refused.err) == (1, True)
    assert site("rules", "rollback", "7").status == 1
    assert site.done("rules", "show", "--json").json()["number"] == 2


def test_drafts_are_discarded_and_have_names(site: Gateway) -> None:
    file = written(site, "r.yaml", FIRST)
    assert site("rules", "draft", "save", file, "--name", "no/slash").status == 2
    assert site("rules", "publish", "r").status == 1
    site.done("rules", "draft", "save", file)
    site.done("rules", "draft", "discard", "r")
    assert site("rules", "draft", "show", "r").status == 1


def test_a_published_rule_set_cannot_change(site: Gateway, database_url: str) -> None:
    site.done("rules", "apply", written(site, "first.yaml", FIRST))
    for change in (
        "update config.rule_set set source = 'x'",
        "delete from config.rule_set where number = 1",
        "truncate config.rule_set cascade",
    ):
        with psycopg.connect(database_url) as connection, pytest.raises(errors.RestrictViolation, match="never change"):
            connection.execute(change)  # type: ignore[call-overload]


def test_a_test_case_that_fails_blocks_every_way_to_publish(site: Gateway) -> None:
    header = written(site, "nm.yaml", "elements: {Modality: NM}\nfacts: {calling_aet: GAMMA1}\n")
    site.done("rules", "apply", written(site, "first.yaml", FIRST))
    site.done("rules", "tests", "add", "nm", header, "--expect", "ARCHIVE1", "--comment", "agreed")
    second = written(site, "second.yaml", SECOND)
    site.done("rules", "draft", "save", second)
    told = "test nm: expected ARCHIVE1, got ARCHIVE1, ARCHIVE2; ARCHIVE2 by rule second"
    for command in (("check", second), ("apply", second), ("publish", "second")):
        blocked = site("rules", *command)
        assert (blocked.status, told in blocked.err) == (1, True), blocked
    assert site.done("rules", "show", "--json").json()["number"] == 1
    assert site.done("rules", "tests", "run", "--json").json()[0]["passed"] is True
    assert site("rules", "tests", "run", second).status == 1
    site.done("rules", "tests", "add", "nm", header, "--expect", "ARCHIVE1", "--expect", "ARCHIVE2")
    site.done("rules", "publish", "second")
    assert told.partition(":")[0] in site("rules", "rollback", "1").err
    site.done("rules", "tests", "remove", "nm")
    site.done("rules", "rollback", "1")


def test_a_data_set_is_kept_as_facts(site: Gateway) -> None:
    file = pydicom.data.get_testdata_file("CT_small.dcm")
    facts = ("--fact", "calling_aet=GAMMA1", "--fact", "peer_address=10.0.0.1")
    site.done("rules", "tests", "add", "ct", file, "--nowhere", *facts)
    stored = site.done("rules", "tests", "show", "ct", "--json").json()
    assert stored["expected"] == []
    assert stored["subject"]["facts"]["values"]["00080060"] == ["CT"]
    assert "7FE00010" not in stored["subject"]["facts"]["values"]
    assert (stored["subject"]["calling_aet"], stored["subject"]["peer_address"]) == ("GAMMA1", "10.0.0.1")
    assert "00080060" in site.done("rules", "tests", "show", "ct").out
    assert "1 test, 1 failed" in site("rules", "tests", "run", written(site, "first.yaml", FIRST)).out
    for wrong in ((file,), (file, "--expect", "A", "--nowhere"), (file, "--nowhere", "--fact", "x"),
                  (written(site, "x.yaml", "elements: {Modalty: NM}"), "--nowhere"),
                  (written(site, "cut.dcm", ""), "--nowhere")):  # fmt: skip
        assert site("rules", "tests", "add", "other", *wrong).status == 2
    assert [row["name"] for row in site.done("rules", "tests", "list", "--json").json()] == ["ct"]


def test_a_stand_in_that_cannot_commit_what_has_to_be_is_a_warning(site: Gateway) -> None:
    site.done("station", "set", "ARCHIVE1", "--commit-server", "--failover", "ARCHIVE2")
    file = written(site, "r.yaml", FIRST.replace("{to: ARCHIVE1}", "{to: ARCHIVE1, commit: true}"))
    warned = site.done("rules", "check", file)
    assert "warning: first: it requires commitment of what it sends to ARCHIVE1" in warned.err
    assert "'gateway station set ARCHIVE2 --commit-server'" in warned.err
    site.done("station", "set", "ARCHIVE1", "--failover", "", "--balance-with", "ARCHIVE2")
    assert [each["kind"] for each in site.done("rules", "check", file, "--json").json()["findings"]] == ["uncommitted"]
    site.done("station", "set", "ARCHIVE2", "--commit-on", "ARCHIVE1")
    assert site.done("rules", "check", file, "--json").json()["findings"] == []


def test_what_is_worth_knowing_is_a_warning(site: Gateway, database_url: str) -> None:
    text = """
version: 1
rules:
  - {name: quiet, when: {tag: Modality, op: equals, value: NM}, send: [{to: ARCHIVE1}]}
  - {name: all, when: {all: []}, send: [{to: ARCHIVE1}], stop: true}
  - {name: late, when: {tag: Modality, op: equals, value: CT}, send: [{to: ARCHIVE2}]}
"""
    file = written(site, "r.yaml", text)
    checked = site.done("rules", "check", file, "--json").json()
    assert [(found["kind"], found["rules"]) for found in checked["findings"]] == [
        ("shadowed", ["late", "all"]), ("twice", ["quiet", "all"]),
    ]  # fmt: skip
    applied = site.done("rules", "apply", file)
    assert "warning: late, all: it is never reached: all matches whatever it would" in applied.err
    with psycopg.connect(database_url) as connection:
        connection.execute("update config.rule_set_activation set activated_at = now() - interval '10 days'")
        connection.execute(
            "insert into routing.evaluation (received_at, object_key, sop_instance_uid, revision, study_instance_uid, "
            "rule_set, matched) values (now(), 'k', '1.2', 1, '1.3', 1, %s)",
            (json.dumps([{"rule": "all", "to": ["ARCHIVE1"]}]),),
        )
    for days, told in (("7", True), ("0", False), ("30", False)):
        warnings = site.done("rules", "check", "--days", days).err
        assert ("warning: quiet: it matched none of 1 instances in 7 days" in warnings) is told
        assert "all: it matched none" not in warnings
    other = site.done("rules", "check", written(site, "o.yaml", text.replace("value: NM", "value: PT")), "--days", "7")
    assert "matched none" not in other.err, "it was not there all the time"

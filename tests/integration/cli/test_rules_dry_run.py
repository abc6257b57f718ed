"""gateway rules dry-run and explain."""

import json

import pytest

from tests.factories import ct, nm_gated_tomo
from tests.integration.cli.conftest import Gateway
from tests.recorded import Recorder

LIVE = "version: 1\nrules:\n  - {name: all, when: {all: []}, send: [{to: ARCHIVE1}]}\n"
DRAFT = """\
version: 1
rules:
  - name: ct
    when: {all: [{tag: Modality, op: equals, value: CT}]}
    level: study
    late: all
    complete: {require: [{tag: Modality, op: equals, value: MR}, {all: [{tag: Rows, op: exists}]}]}
    send: [{to: ARCHIVE1}, {to: CT1}]
  - name: gated
    when: {all: [{tag: GatedInformationSequence/DataInformationSequence/TimeSlotInformationSequence/TimeSlotTime,
                  op: gt, value: 0}]}
    send: [{to: CT1}]
"""


@pytest.fixture
def recorder(gateway: Gateway) -> Recorder:
    """What this home's gateway recorded: objects lie in its folder, one rule set is live."""
    for title in ("ARCHIVE1", "CT1"):
        gateway.station(title, "--store")
    gateway.done("rules", "apply", gateway.file("live.yaml", LIVE))
    url = json.loads((gateway.home / "gateway.json").read_text())["database_url"]
    return Recorder(url, gateway.home / "objects")


def test_a_dry_run_tells_what_changes_and_changes_nothing(gateway: Gateway, recorder: Recorder) -> None:
    recorder.record(ct(1, study=1), ct(2, study=1), nm_gated_tomo(3))
    draft = gateway.file("draft.yaml", DRAFT)
    told = gateway.done("rules", "dry-run", draft, "--since", "1h", "--json").json()
    assert [(r["rule"], r["to"], r["instances"], r["studies"]) for r in told["rules"]] == [
        ("ct", "ARCHIVE1", 2, 1), ("ct", "CT1", 2, 1), ("gated", "CT1", 0, 0),
    ]  # fmt: skip
    assert (told["compared_with"], told["from_objects"]["read"]) == (1, 1)
    assert told["from_objects"]["no_longer_sent"][0]["to"] == "ARCHIVE1"
    people = gateway.done("rules", "dry-run", draft).out
    for said in ("2 instances, 1 study", "rule set 1, which is live", "1 object read", "no longer sent", "newly sent"):
        assert said in people, (said, people)
    assert "give a larger --objects" in gateway.done("rules", "dry-run", draft, "--objects", "0").out
    assert len(gateway.done("rules", "history", "--json").json()) == 1


@pytest.mark.parametrize("since", ["7", "0d", "d7", "1y", ""])
def test_a_time_that_is_none_is_told_with_the_cure(gateway: Gateway, since: str) -> None:
    ran = gateway("rules", "dry-run", gateway.file("draft.yaml", DRAFT), "--since", since)
    assert (ran.status, "90m, 12h, 7d, 2w" in ran.err) == (2, True), ran.err


def test_the_faults_of_a_draft_are_told(gateway: Gateway) -> None:
    draft = gateway.file("draft.yaml", DRAFT)
    for command in (("dry-run", draft), ("explain", "1.2.3", "--rules", draft)):
        ran = gateway("rules", *command)
        assert (ran.status, "send[1].to = ARCHIVE1" in ran.err) == (1, True), ran.err


def test_an_explanation_shows_each_condition(gateway: Gateway, recorder: Recorder) -> None:
    instance = ct(1)
    recorder.record(instance)
    uid = instance.sop_instance_uid
    draft = gateway.file("draft.yaml", DRAFT)
    (told,) = gateway.done("rules", "explain", uid, "--json").json()["explanations"]
    assert (told["rule_set"], told["instances"], told["rules"][0]["matched"]) == (1, [uid], True)
    people = gateway.done("rules", "explain", uid, "--rules", draft).out
    for said in (
        draft,
        "Modality equals CT",
        "did not match",
        "matched",
        "missing",
        "complete needs: Modality equals MR",
    ):
        assert said in people, (said, people)
    (told,) = gateway.done("rules", "explain", uid, "--rules", draft, "--json").json()["explanations"]
    assert [(node["node"], node["outcome"]) for node in told["rules"][0]["required"]] == [
        ("Modality equals MR", False), ("all", True),
    ]  # fmt: skip
    assert "rule set 1" in gateway.done("rules", "explain", uid, "--rule-set", "1").out
    assert gateway("rules", "explain", uid, "--rule-set", "7").status == 1
    assert gateway("rules", "explain", uid, "--rule-set", "1", "--rules", draft).status == 2
    assert gateway("rules", "explain", "nonsense").status == 2
    assert gateway("rules", "explain", "1.2.3").status == 1

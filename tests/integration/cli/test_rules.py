"""gateway rules."""

from tests.integration.cli.conftest import Gateway

GOOD = "version: 1\nrules:\n  - {name: first, when: {all: []}, send: [{to: ARCHIVE1}]}\n"
BAD = """\
version: 1
rules:
  - {name: one, when: {all: [{tag: Modalty, op: equals, value: CT}]}, send: [{to: NOBODY}]}
  - {name: two, when: {all: [{tag: Modality, op: resembles, value: CT}]}, send: [{to: CLOSED1}, {to: READONLY}]}
  - {name: two, when: {all: []}, send: [{to: ARCHIVE1, commit: true}], quiet: soon}
"""


def test_apply_makes_numbered_rule_sets_of_which_the_last_is_live(gateway: Gateway) -> None:
    assert gateway("rules", "show").status == 1
    gateway.station("ARCHIVE1", "--store")
    first = gateway.done("rules", "apply", gateway.file("r.yaml", GOOD), "--comment", "why", "--json").json()
    assert (first["number"], first["rules"], first["comment"], first["changed"]) == (1, 1, "why", True)
    gateway.done("rules", "apply", gateway.file("r.yaml", GOOD.replace("first", "second")))
    live, old = gateway.done("rules", "show", "--json").json(), gateway.done("rules", "show", "1", "--json").json()
    assert (live["number"], live["live"], live["document"]["rules"][0]["name"]) == (2, True, "second")
    assert (old["number"], old["live"], old["source"], old["comment"]) == (1, False, GOOD, "why")
    history = gateway.done("rules", "history", "--json").json()
    assert [(row["number"], row["live"], row["rules"]) for row in history] == [(2, True, 1), (1, False, 1)]
    assert all(len(row["activated_at"]) == 1 for row in history)
    assert "second" in gateway.done("rules", "show").out
    assert gateway("rules", "show", "7").status == 1


def test_check_tells_all_faults_at_once_and_changes_nothing(gateway: Gateway) -> None:
    gateway.station("ARCHIVE1", "--store")
    gateway.station("CLOSED1", "--store", "--disabled")
    gateway.station("READONLY")
    ran = gateway("rules", "check", gateway.file("bad.yaml", BAD), "--json")
    assert ran.status == 1
    faults = {(fault["rule"], fault["field"], fault["value"]): fault["cure"] for fault in ran.json()["faults"]}
    assert {(rule, field) for rule, field, _ in faults} >= {
        ("one", "when.all[1].tag"), ("one", "send[1].to"), ("rule 2 (two)", "when.all[1].op"),
        ("rule 2 (two)", "send[1].to"),
        ("rule 2 (two)", "send[2].to"), ("two", "name"), ("rule 3 (two)", "send[1].commit"), ("rule 3 (two)", "quiet"),
    }  # fmt: skip
    assert faults["rule 2 (two)", "send[1].to", "CLOSED1"].startswith("the station is disabled")
    assert faults["rule 2 (two)", "send[2].to", "READONLY"].startswith("the station may not be sent to")
    people = gateway("rules", "check", gateway.file("bad.yaml", BAD))
    assert (people.status, people.out, "NOBODY" in people.err, "soon" in people.err) == (1, "", True, True)
    assert gateway("rules", "apply", gateway.file("bad.yaml", BAD)).status == 1
    assert gateway.done("rules", "history", "--json").json() == []


def test_the_live_document_applied_again_changes_nothing(gateway: Gateway) -> None:
    gateway.station("ARCHIVE1", "--store")
    assert gateway.done("rules", "apply", gateway.file("r.yaml", GOOD), "--json").json()["changed"] is True
    again = gateway.done(
        "rules", "apply", gateway.file("r.yaml", GOOD + "# same\n"), "--comment", "new", "--json"
    ).json()
    assert (again["number"], again["rules"], again["comment"], again["changed"]) == (1, 1, "", False)
    said = gateway.done("rules", "apply", gateway.file("r.yaml", GOOD)).out
    assert "rule set 1 is live already, nothing changed" in said
    assert len(gateway.done("rules", "history", "--json").json()) == 1
    gateway.done("rules", "apply", gateway.file("r.yaml", GOOD.replace("first", "second")))
    assert gateway.done("rules", "apply", gateway.file("r.yaml", GOOD), "--json").json()["number"] == 3


def test_a_file_without_rules_is_said_to_send_nothing(gateway: Gateway) -> None:
    file = gateway.file("none.yaml", "version: 1\nrules: []\n")
    for command in ("check", "apply", "apply"):
        assert "no rules: instances are kept and sent nowhere" in gateway.done("rules", command, file).out


def test_a_good_file_is_checked_with_success(gateway: Gateway) -> None:
    gateway.station("ARCHIVE1", "--store")
    checked = gateway.done("rules", "check", gateway.file("r.yaml", GOOD), "--json").json()
    assert checked == {"ok": True, "rules": 1, "faults": [], "tests": [], "findings": []}


def test_files_that_cannot_be_read_are_usage_errors(gateway: Gateway) -> None:
    assert gateway("rules", "check", "/nowhere/rules.yaml").status == 2
    (gateway.home / "latin.yaml").write_bytes(b"version: 1 # \xe4\n")
    assert gateway("rules", "check", str(gateway.home / "latin.yaml")).status == 2
    empty = gateway("rules", "check", gateway.file("empty.yaml", ""))
    assert (empty.status, "1 fault\n  the file: it is empty" in empty.err) == (1, True), empty.err
    not_yaml = gateway("rules", "check", gateway.file("x.yaml", "{version: 1"))
    assert (not_yaml.status, "line" in not_yaml.err) == (1, True)

"""Rule files that are changed by lines: what is not changed stays as it was written."""

import copy

import pytest

from schemas.rules import load
from schemas.rules import text as text_module
from schemas.rules.editing import NotEditable, add, move, put, remove, rules_of
from schemas.rules.places import Places

TEXT = """# the file
version: 1   # always
rules:   # in their order
  # first
  # of all
  - name: nm   # short
    when:
      all:
        - {tag: Modality, op: in, value: [NM, PT]}   # both
        - any: [{tag: PatientID, op: exists}]
    quiet: 5m  # long enough
    send:
      - to: XELERIS2
        commit: true  # required

  # everything
  - name: archive
    description: |
      two
      lines
    when: {all: []}
    send: [{to: ARCHIVE}]

  - {name: braces, when: {any: []}, send: [{to: WS1}]}
# the end
"""


def names(text: str) -> list[str]:
    return [rule["name"] for rule in rules_of(text)]


def test_a_rule_moves_with_its_comments() -> None:
    moved = move(TEXT, 1, 0).text
    assert names(moved) == ["archive", "nm", "braces"]
    assert sorted(moved.splitlines()) == sorted(TEXT.splitlines())
    assert moved.index("# everything") < moved.index("name: archive") < moved.index("# of all")
    assert move(moved, 0, 1).text == TEXT
    assert names(move(TEXT, 0, 2).text) == ["archive", "braces", "nm"]
    assert "# the end" in move(TEXT, 2, 0).text


def test_one_field_changes_and_nothing_else() -> None:
    edited = put(TEXT, 0, {"quiet": "7m", "name": "nm"})
    assert (edited.text, edited.anew) == (TEXT.replace("quiet: 5m", "quiet: 7m"), ())
    assert put(TEXT, 0, {"quiet": "5m"}).text == TEXT
    assert put(TEXT, 0, {"name": "no"}).text == TEXT.replace("name: nm ", "name: 'no' ")
    assert "send: [{to: ARCHIVE}, {to: WS1}]" in put(TEXT, 1, {"send": [{"to": "ARCHIVE"}, {"to": "WS1"}]}).text
    longer = put(TEXT, 1, {"stop": True, "priority": "high"}).text
    assert longer.replace("    stop: true\n    priority: high\n", "") == TEXT
    assert put(longer, 1, {"stop": None, "priority": None}).text == TEXT


def test_a_part_changes_and_comments_beside_it_stay() -> None:
    rule = copy.deepcopy(rules_of(TEXT)[0])
    rule["when"]["all"][1]["any"][0]["tag"] = "a, b"
    nested = put(TEXT, 0, {"when": rule["when"]})
    assert nested.text == TEXT.replace("{tag: PatientID, op", "{tag: 'a, b', op")
    other = put(TEXT, 0, {"when": {"any": rules_of(TEXT)[0]["when"]["all"]}})
    assert other.text == TEXT.replace("      all:\n", "      any:\n")
    more = [*rule["send"], {"to": "WS1"}]
    added = put(TEXT, 0, {"send": more})
    assert (added.text, added.anew) == (TEXT.replace("# required\n", "# required\n      - {to: WS1}\n"), ())
    assert put(added.text, 0, {"send": more[::-1]}).text.count("commit: true  # required") == 1
    assert put(added.text, 0, {"send": rule["send"]}).text == TEXT
    fewer = put(TEXT, 0, {"when": {"all": rules_of(TEXT)[0]["when"]["all"][:1]}})
    assert (fewer.text, fewer.anew) == (TEXT.replace("        - any: [{tag: PatientID, op: exists}]\n", ""), ())
    steps = [{"do": "remove", "tag": "StudyID"}]
    changed = put(TEXT, 1, {"send": [{"to": "ARCHIVE", "transform": steps}], "schedule": ["sat,sun 00:00-24:00 UTC"]})
    block = (
        "    send:\n      - to: ARCHIVE\n        transform:\n          - {do: remove, tag: StudyID}\n    schedule:\n"
    )
    assert f"{block}      - sat,sun 00:00-24:00 UTC\n" in changed.text


def test_what_is_written_anew_is_said() -> None:
    when = {"all": [{"tag": "Modality", "op": "equals", "value": "NM"}]}
    edited = put(TEXT, 0, {"when": when})
    assert (rules_of(edited.text)[0]["when"], edited.anew) == (when, ("when",))
    assert "quiet: 5m  # long enough" in edited.text
    sent = put(TEXT, 0, {"send": [{"to": "XELERIS2"}, {"to": "WS1"}]})
    assert (len(rules_of(sent.text)[0]["send"]), sent.anew) == (2, ("send",))
    braces = put(TEXT, 2, {"stop": True})
    assert (rules_of(braces.text)[2]["stop"], braces.anew) == (True, ("the rule",))
    assert "# the end" in braces.text
    assert put(TEXT, 1, {"description": "one: line"}).anew == ()


def test_rules_come_and_go() -> None:
    rule = {"name": "new", "enabled": False, "when": {"all": []}, "send": [{"to": "ARCHIVE"}]}
    added = add(TEXT, rule).text
    assert (names(added)[-1], rules_of(added)[-1]) == ("new", rule)
    text = TEXT
    for _ in range(3):
        text = remove(text, 0).text
    assert load(text) == {"version": 1, "rules": []}
    assert rules_of(add(text, rule).text) == [rule]
    assert "# the file" in text
    assert rules_of(add("version: 1\nrules: []", rule).text) == [rule]


@pytest.mark.parametrize(
    "text", ["", "rules: 1", "rules: [{name: a}, {name: b}]", "a: [", "rules:\n  - text\n", "rules: [{name: a}\n"]
)
def test_what_cannot_be_changed_by_lines_is_refused(text: str) -> None:
    with pytest.raises(NotEditable):
        move(text, 0, 1)


def test_the_place_of_a_fault() -> None:
    places = Places(TEXT)
    assert places.of("nm", "when.all[2].any[1].op") == (10, 34)
    assert places.of("nm", "send[1].commit") == (14, 9)
    assert places.of("archive", "nothing") == (17, 5)
    assert places.of("rule 3 (unnamed)", "name") == (24, 6)
    assert places.of("", "version") == (2, 1)
    assert Places("a: [").of("", "line 1, column 5") == (1, 5)
    assert Places("a: [").of("x", "name") is None


def test_a_change_reads_the_text_before_and_the_text_after_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An editor of thousands of rules waits for each reading; the text after is the one before of the next change."""
    text = TEXT + "".join(f"  - name: r{n}\n    when: {{all: []}}\n    send: [{{to: ARCHIVE}}]\n" for n in range(50))
    read: list[str] = []
    reading = text_module._read
    monkeypatch.setattr(text_module, "_read", lambda text, how: [read.append(text), reading(text, how)][1])
    changed = put(text, 7, {"level": "study", "stop": True}).text
    moved = move(changed, 7, 8).text
    assert rules_of(moved)[8]["level"] == "study"
    assert Places(moved).of("r5", "level") is not None
    assert read.count(text) == read.count(changed) == read.count(moved) == 1
    assert [each.get("level") for each in rules_of(changed)].count("study") == 1

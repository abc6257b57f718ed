"""The builder beside the YAML: it says all of the rule language, changes the text it is sent, and loses nothing."""

import html
import re
from typing import Any

import httpx
import pytest
from lxml import html as pages

from schemas.rules import load
from services.admin import stations
from services.admin.station import build
from tests.conftest import CHECKOUT
from tests.desk import Desk

TEXT = """version: 1
rules:
  # night shift
  - name: nm
    when: {all: [{tag: Modality, op: in, value: [NM, PT]}, {tag: StudyID, op: equals, value: 007, ignore_case: false}]}
    send: [{to: XELERIS2, commit: true}]
    level: study   # as a whole
    late_within: 7d
  - name: archive  # all of it
    when: {any: [{all: []}]}
    send: [{to: ARCHIVE}]
"""
STRANGE = """version: 1
rules:
  - name: 'two words'
    description: |
      two lines, "quoted"
      and <b>marked</b>
    when:
      none:
        - {tag: '(0009,"A, B",10)', op: in, value: ['7', 7, 'a, b', "it's", '[x]', ' blank ']}
        - {fact: calling_aet, op: nearly, value: CT1, weight: 3}   # neither field nor operator
        - {tag: PatientID, op: exists, value: "there is none"}
        - any: []
        - 17
    send: [{to: ARCHIVE, commit: maybe}, {to: XELERIS2, copies: 2}, ARCHIVE]
    schedule: [mon-fri  18:00-06:00 Europe/Zurich, 7]
    complete: {require: {tag: Modality, op: exists}, counts: true, more: 1}
    transform: [{do: replace, tag: [PatientID], pattern: "a\\tb", by: ""}, {do: nothing}, text]
    after_commitment: [ARCHIVE]
    level: image
    stop: "yes"
    back: false
    contact: nobody
    colour: green
  - name: alone
    when: {tag: Modality, op: equals, value: CT, ignore_case: true}
    send: {to: ARCHIVE}
    transform: {do: reduce}
"""


@pytest.fixture(autouse=True)
async def two_stations(desk: Desk) -> None:
    for title in ("ARCHIVE", "XELERIS2"):
        fields = {"title": title, "host": "127.0.0.1", "port": 104, "store": True}
        await stations.add(desk.database, "cli:tests", build(fields))


def rewritten(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    (found,) = re.findall('<textarea id="rewritten"[^>]*>\n(.*?)</textarea>', answer.text, re.DOTALL)
    return html.unescape(found)


def shown_again(answer: httpx.Response) -> list[int]:
    """The places of the rules that take the place of those that are shown; the others stay as they are."""
    assert answer.headers["HX-Retarget"] == "#applied"
    return [int(place) for place in re.findall(r'<li hx-swap-oob="[^"]*"[^>]* data-position="(\d+)"', answer.text)]


async def as_shown(desk: Desk, text: str, position: int) -> dict[str, list[str]]:
    """What a browser sends of the form of a rule that nobody touched."""
    answer = await desk.operator.post("/rules/builder/form", data={"text": text, "position": position})
    assert answer.status_code == 200, answer.text
    (form,) = pages.fromstring(f"<div>{answer.text}</div>").forms
    sent: dict[str, list[str]] = {"text": [text.replace("\n", "\r\n")]}
    for name, value in form.form_values():
        area = form.inputs[name].tag == "textarea" if not isinstance(form.inputs[name], list) else False
        sent.setdefault(name, []).append(value.removeprefix("\n") if area else value)
    return sent


async def put(desk: Desk, sent: dict[str, Any]) -> str:
    return rewritten(await desk.operator.post("/rules/builder/put", data=sent))


def documented() -> list[str]:
    """Every rule file of docs/rules.md."""
    told = (CHECKOUT / "docs/rules.md").read_text(encoding="utf-8")
    return re.findall(r"```yaml\n(.*?)```", told, re.DOTALL)


async def test_a_form_that_nobody_touched_changes_nothing(desk: Desk) -> None:
    files = [TEXT, STRANGE, *documented()]
    assert len(files) > 20
    for text in files:
        for position in range(len(load(text)["rules"])):
            assert await put(desk, await as_shown(desk, text, position)) == text


async def test_what_the_form_says_goes_into_the_text(desk: Desk) -> None:
    sent = await as_shown(desk, TEXT, 0) | {"name": ["nm <b>"], "level": ["series"], "send.0.commit": ["false"]}
    changed = await put(desk, sent)
    wanted = TEXT.replace("name: nm", "name: nm <b>").replace("level: study", "level: series")
    assert changed == wanted.replace("commit: true", "commit: false")
    sent["when.n.0.value"] = ["CT"]
    answer = await desk.operator.post("/rules/builder/put", data=sent)
    assert "{tag: Modality, op: in, value: [CT]}, {tag: StudyID, op: equals, value: 007," in rewritten(answer)
    assert "<b>nm &lt;b&gt;</b>" in answer.text


async def pressed(desk: Desk, text: str, *acts: str, **fields: str) -> dict[str, Any]:
    """The first rule after buttons of its form were pressed, one after the other, and fields were filled in."""
    for act in (*acts, ""):
        filled = {} if act else {name: [value] for name, value in fields.items()}
        text = await put(desk, await as_shown(desk, text, 0) | filled | {"act": [act]})
    rule: dict[str, Any] = load(text)["rules"][0]
    return rule


async def test_all_of_the_language_is_built_by_buttons_and_fields(desk: Desk) -> None:
    text = "version: 1\nrules:\n- {name: new, when: {all: []}, send: [{to: ARCHIVE}]}\n"
    rule = await pressed(
        desk, text, "when:condition", "when:group", "when/1:condition", "complete:condition", "send:target",
        "send/1/transform:step", "schedule:window", "transform:step", "transform:step", "transform/1:up",
        **{
            "when.n.0.subject": "Modality", "when.n.0.op": "in", "when.n.0.value": "NM, PT",
            "when.n.1.shape": "none", "when.n.1.n.0.subject": "calling_aet", "when.n.1.n.0.value": "CT1",
            "when.n.1.n.1.subject": "Rows", "when.n.1.n.1.op": "gt", "when.n.1.n.1.value": "512",
            "complete.n.0.subject": "ImageType", "complete.n.0.value": "TOMO", "complete.counts": "true",
            "level": "study", "quiet": "5m", "late": "all", "late_within": "7d", "priority": "stat",
            "stop": "true", "back": "true", "send.1.commit": "true", "description": "as a whole",
            "send.1.transform.0.tag": 'PatientID, (0009,"SITE 1",01)', "send.1.transform.0.value": "{calling_aet}-7",
            "schedule.0.days": "sat,sun", "schedule.0.begins": "00:00", "schedule.0.ends": "24:00",
            "schedule.0.zone": "Europe/Zurich",
            "transform.0.tag": "InstitutionName", "transform.0.value": "Hospital, North",
            "transform.1.tag": "StudyID", "transform.1.value": "1",
        },
    )  # fmt: skip
    assert rule == {
        "name": "new",
        "when": {
            "all": [
                {"tag": "Modality", "op": "in", "value": ["NM", "PT"]},
                {
                    "none": [
                        {"fact": "calling_aet", "op": "equals", "value": "CT1"},
                        {"tag": "Rows", "op": "gt", "value": 512},
                    ]
                },
            ]
        },
        "send": [
            {"to": "ARCHIVE"},
            {
                "to": "XELERIS2",
                "commit": True,
                "transform": [{"do": "set", "tag": ["PatientID", '(0009,"SITE 1",01)'], "value": "{calling_aet}-7"}],
            },
        ],
        "description": "as a whole",
        "level": "study",
        "quiet": "5m",
        "complete": {"require": [{"tag": "ImageType", "op": "equals", "value": "TOMO"}], "counts": True},
        "late": "all",
        "late_within": "7d",
        "schedule": ["sat,sun 00:00-24:00 Europe/Zurich"],
        "transform": [
            {"do": "set", "tag": "InstitutionName", "value": "Hospital, North"},
            {"do": "set", "tag": "StudyID", "value": 1},
        ],
        "priority": "stat",
        "stop": True,
        "back": True,
    }


async def test_a_change_of_another_kind_has_other_fields(desk: Desk) -> None:
    """And keeps what it has of the same name."""
    text = TEXT + "    transform: [{do: set, tag: StudyID, value: '1'}]\n"
    sent = await as_shown(desk, text, 1)
    answer = await desk.operator.post("/rules/builder/put", data=sent | {"transform.0.do": ["prefix"]})
    assert "{do: prefix, tag: StudyID, text: ''}" in rewritten(answer)
    assert 'name="transform.0.text"' in answer.text
    assert shown_again(answer) == [1]


async def test_conditions_move_between_groups(desk: Desk) -> None:
    text = """version: 1
rules:
  - name: a
    when:
      all:
        - {tag: Modality, op: equals, value: CT}   # first
        - any:
            - {tag: StudyID, op: exists}   # second
            - {tag: Rows, op: exists}
    send: [{to: ARCHIVE}]
"""
    sent = await as_shown(desk, text, 0)
    out = await desk.operator.post("/rules/builder/put", data=sent | {"act": ["when/1/0:up"]})
    assert [*load(rewritten(out))["rules"][0]["when"]["all"][1]] == ["tag", "op"]
    assert "# first" in rewritten(out)
    assert "Written anew, without the comments inside: when." in out.text
    assert 'data-focus="r0-when/1"' in out.text
    into = await put(desk, sent | {"act": ["when/0:in"]})
    assert [each["tag"] for each in load(into)["rules"][0]["when"]["all"][0]["any"]] == ["Modality", "StudyID", "Rows"]
    gone = await put(desk, sent | {"act": ["when/1:remove"]})
    assert gone == text.split("        - any:")[0] + "    send: [{to: ARCHIVE}]\n"
    for act in ("when/0:up", "when/7:remove", "when/0/0:up", "colour:condition", "when:fly", "send/0:remove", "x"):
        refused = await desk.operator.post("/rules/builder/put", data=sent | {"act": [act]})
        assert refused.status_code == 422, act
    strange = {"when.n." + "9" * 5000 + ".kind": ["condition"], "when.n.-1.kind": ["condition"], ".": [""]}
    assert await put(desk, sent | strange) == text
    for name in ("name.of", "when.kind.n", "send.0.to.0"):
        assert (await desk.operator.post("/rules/builder/put", data=sent | {name: ["x"]})).status_code == 422, name


async def test_rules_are_added_moved_and_removed(desk: Desk) -> None:
    answer = await desk.operator.post("/rules/builder/add", data={"text": TEXT})
    added = rewritten(answer)
    assert "- name: new-rule-1\n    enabled: false\n" in added
    assert re.search(r'<ol hx-swap-oob="beforeend:#builder ol.built">\s*<li data-focus="r2-form"', answer.text)
    assert shown_again(answer) == [1], "there is one behind it now"
    answer = await desk.operator.post("/rules/builder/move", data={"text": added, "position": 2, "to": 0})
    moved = rewritten(answer)
    assert shown_again(answer) == [0, 1, 2]
    assert moved.index("new-rule-1") < moved.index("# night shift") < moved.index("name: nm")
    removed = await desk.operator.post("/rules/builder/remove", data={"text": moved, "position": 0})
    assert rewritten(removed) == TEXT

    braces = {"text": "version: 1\nrules: [{name: a}, {name: b}]", "position": 0, "to": 1}
    refused = await desk.operator.post("/rules/builder/move", data=braces)
    assert (refused.status_code, "lines of its own" in refused.text) == (422, True)
    assert "mend the YAML first" in (await desk.operator.post("/rules/builder", data={"text": "rules: ["})).text
    assert (await desk.viewer.post("/rules/builder", data={"text": TEXT})).status_code == 403


async def test_a_rule_that_is_longer_than_a_form_can_be_is_left_to_the_yaml(desk: Desk) -> None:
    many = ", ".join("{tag: Rows, op: exists}" for _ in range(300))
    text = TEXT.replace("{any: [{all: []}]}", f"{{all: [{many}]}}")
    answer = await desk.operator.post("/rules/builder/form", data={"text": text, "position": 1})
    assert "change it in the YAML" in answer.text
    assert "<form" not in answer.text

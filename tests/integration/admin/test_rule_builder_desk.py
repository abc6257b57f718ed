"""The builder beside the YAML: it changes the text that it is sent, and loses nothing of it."""

import html
import re

import httpx
import pytest

from services.admin import stations
from services.admin.station import build
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


@pytest.fixture(autouse=True)
async def two_stations(desk: Desk) -> None:
    for title in ("ARCHIVE", "XELERIS2"):
        fields = {"title": title, "host": "127.0.0.1", "port": 104, "store": True}
        await stations.add(desk.database, "cli:tests", build(fields))


def rewritten(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    (found,) = re.findall('<textarea id="rewritten"[^>]*>\n(.*?)</textarea>', answer.text, re.DOTALL)
    return html.unescape(found)


def as_shown(part: str, position: int) -> dict[str, list[str]]:
    """What a browser sends of the form of a rule that nobody touched."""
    form = part.split('class="built-form"')[position + 1].split("</form>")[0]
    sent: dict[str, list[str]] = {}
    for name, value in re.findall('<input (?![^>]*type="checkbox")[^>]*?name="([a-z]+)" value="([^"]*)"', form):
        sent.setdefault(name, []).append(html.unescape(value))
    for name, value in re.findall('<input type="checkbox" name="([a-z]+)" value="([^"]*)" checked', form):
        sent.setdefault(name, []).append(html.unescape(value))
    for name, options in re.findall('<select name="([a-z]+)"[^>]*>(.*?)</select>', form):
        chosen = re.findall('<option(?: value="([^"]*)")? selected>([^<]*)', options)
        first = re.findall('<option(?: value="([^"]*)")?>([^<]*)', options)
        value, words = (chosen or first)[0]
        sent.setdefault(name, []).append(value if 'value="' in options else words)
    return sent


async def test_a_form_that_nobody_touched_changes_nothing(desk: Desk) -> None:
    part = (await desk.operator.post("/rules/builder", data={"text": TEXT})).text
    assert "late_within" in part
    assert "Its conditions are nested" in part
    for position in (0, 1):
        sent = as_shown(part, position) | {"text": [TEXT.replace("\n", "\r\n")]}
        assert rewritten(await desk.operator.post("/rules/builder/put", data=sent)) == TEXT


async def test_what_the_form_says_goes_into_the_text(desk: Desk) -> None:
    part = (await desk.operator.post("/rules/builder", data={"text": TEXT})).text
    sent = as_shown(part, 0) | {"text": [TEXT], "name": ["nm <b>"], "to": ["XELERIS2", "ARCHIVE"], "level": ["series"]}
    changed = rewritten(await desk.operator.post("/rules/builder/put", data=sent))
    wanted = TEXT.replace("name: nm", "name: nm <b>").replace("level: study", "level: series")
    assert changed == wanted.replace("commit: true}]", "commit: true}, {to: ARCHIVE}]")
    sent["value"][0] = "CT"
    answer = await desk.operator.post("/rules/builder/put", data=sent)
    assert "- {tag: Modality, op: in, value: [CT]}\n" in rewritten(answer)
    assert "- {tag: StudyID, op: equals, value: '007', ignore_case: false}\n" in rewritten(answer)
    assert "<b>" not in answer.text.split('<ol class="built">')[1].replace("<b>nm &lt;b&gt;</b>", "").replace(
        "<b>archive</b>", ""
    )


async def test_rules_are_added_moved_and_removed(desk: Desk) -> None:
    added = rewritten(await desk.operator.post("/rules/builder/add", data={"text": TEXT}))
    assert "- name: new-rule-1\n    enabled: false\n" in added
    moved = rewritten(await desk.operator.post("/rules/builder/move", data={"text": added, "position": 2, "to": 0}))
    assert moved.index("new-rule-1") < moved.index("# night shift") < moved.index("name: nm")
    removed = await desk.operator.post("/rules/builder/remove", data={"text": moved, "position": 0})
    assert rewritten(removed) == TEXT

    braces = {"text": "version: 1\nrules: [{name: a}, {name: b}]", "position": 0, "to": 1}
    refused = await desk.operator.post("/rules/builder/move", data=braces)
    assert (refused.status_code, "lines of its own" in refused.text) == (422, True)
    assert "mend the YAML first" in (await desk.operator.post("/rules/builder", data={"text": "rules: ["})).text
    assert (await desk.viewer.post("/rules/builder", data={"text": TEXT})).status_code == 403

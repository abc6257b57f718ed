"""Rules on the admin's desk: what pages show and the API answers, over a real database."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from services.admin import stations
from services.admin.rules import rule_drafts, rule_sets
from services.admin.station import build
from services.admin.web import preconditions
from tests.desk import Desk

RULES = """version: 1
rules:
  # the first
  - name: nm
    when: {all: [{tag: Modality, op: in, value: [NM, PT]}]}
    send: [{to: XELERIS2}]
  - name: archive
    when: {all: []}
    send: [{to: ARCHIVE}]
"""


@pytest.fixture(autouse=True)
async def two_stations(desk: Desk) -> None:
    for title in ("ARCHIVE", "XELERIS2"):
        fields = {"title": title, "host": "127.0.0.1", "port": 104, "store": True}
        await stations.add(desk.database, "cli:tests", build(fields))


async def publish(desk: Desk, text: str, comment: str = "") -> dict[str, Any]:
    answer = await desk.admin.post("/api/v1/rules/publish", json={"source": text, "comment": comment, "wait": 0})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_published_listed_compared_and_rolled_back(desk: Desk) -> None:
    assert "No rules are live yet" in (await desk.viewer.get("/rules")).text
    assert (await publish(desk, RULES, "one"))["changed"]
    second = await publish(desk, RULES.replace("PT", "CT"), "<b>two</b>")
    assert (second["number"], second["rules"]) == (2, 2)

    shown = (await desk.viewer.get("/rules")).text
    assert "Modality is NM or CT" in shown
    assert "&lt;b&gt;two&lt;/b&gt;" in shown
    assert "<b>two</b>" not in shown

    listed = (await desk.viewer.get("/api/v1/rules/sets?limit=1")).json()
    assert ([each["number"] for each in listed["items"]], listed["next"]) == ([2], 2)
    assert (await desk.viewer.get("/api/v1/rules/sets?before=2")).json()["next"] is None
    assert (await desk.viewer.get("/api/v1/rules/sets/1/text")).text == RULES

    changes = (await desk.viewer.get("/api/v1/rules/sets/2/changes?since=1")).json()
    assert [line["kind"] for line in changes if line["kind"] in ("removed", "added")] == ["removed", "added"]
    assert "value: [NM, CT]" in (await desk.viewer.get("/rules/versions/compare?old=1&new=2")).text

    rolled = await desk.admin.post("/rules/versions/1/roll-back", data={"comment": "back"})
    assert "Rule set 3 is live, a copy of 1" in rolled.text
    live = (await desk.viewer.get("/api/v1/rules/live")).json()
    assert (live["number"], live["copied_from"], live["source"]) == (3, 1, RULES)
    entries = await desk.rows("select actor, action from audit.entry where action like 'rules.%%' order by at, id")
    assert [(each["actor"], each["action"]) for each in entries][-1] == ("user:admin", "rules.rollback")


async def test_faults_are_told_with_their_places(desk: Desk) -> None:
    faulty = RULES.replace("op: in", "op: among").replace("to: ARCHIVE", "to: NOWHERE")
    problem = await desk.operator.post("/api/v1/rules/check", json={"source": faulty})
    assert (problem.status_code, problem.headers["Content-Type"]) == (422, "application/problem+json")
    places = [(each["rule"], each["field"], each["line"]) for each in problem.json()["errors"]]
    assert places == [("nm", "when.all[1].op", 5), ("archive", "send[1].to", 9)]

    unreadable = await desk.operator.post("/api/v1/rules/check", json={"source": "version: 1\nrules: [\n"})
    assert unreadable.json()["errors"][0]["line"] == 3
    sound = await desk.operator.post("/api/v1/rules/check", json={"source": RULES})
    assert sound.json()["rules"] == 2


async def test_drafts_are_edited_by_one_at_a_time(desk: Desk) -> None:
    path = "/api/v1/rules/drafts/next"
    made = await desk.admin.put(path, json={"source": RULES})
    assert (made.status_code, (await desk.admin.put(path, json={"source": ""})).status_code) == (200, 428)
    changed = await desk.admin.put(path, json={"source": RULES + "#\n"}, headers={"If-Match": made.headers["ETag"]})
    late = await desk.admin.put(path, json={"source": ""}, headers={"If-Match": made.headers["ETag"]})
    assert (changed.status_code, late.status_code) == (200, 412)
    wanted = {"draft": "next", "wait": 0}
    stale = await desk.admin.post("/api/v1/rules/publish", json=wanted, headers={"If-Match": made.headers["ETag"]})
    fresh = await desk.admin.post("/api/v1/rules/publish", json=wanted, headers={"If-Match": changed.headers["ETag"]})
    assert (stale.status_code, fresh.status_code) == (412, 200)
    assert (await desk.viewer.get(path)).status_code == 404


async def test_a_draft_does_not_undo_what_was_published_since_it_was_begun(desk: Desk) -> None:
    path = "/api/v1/rules/drafts/next"
    await publish(desk, RULES)
    assert (await desk.admin.post("/rules/drafts", data={"name": "next"})).status_code == 200
    await publish(desk, RULES.replace("PT", "CT"), "CT too")
    mine = RULES.replace("name: nm", "name: gamma")
    made = await desk.admin.get(path)
    changed = await desk.admin.put(path, json={"source": mine}, headers={"If-Match": made.headers["ETag"]})
    assert changed.json()["base"] == 1

    tag = {"If-Match": changed.headers["ETag"]}
    refused = await desk.admin.post("/api/v1/rules/publish", json={"draft": "next", "wait": 0}, headers=tag)
    assert refused.status_code == 409
    for told in ("begun from rule set 1", "rule set 2 is live", "by user:admin at ", "take-over next 2"):
        assert told in refused.json()["detail"]
    changes = (await desk.viewer.get(f"{path}/changes")).json()
    assert (changes["base"], changes["live"], changes["published_by"], changes["comment"]) == (
        1, 2, "user:admin", "CT too",
    )  # fmt: skip
    assert next(line["text"].strip() for line in changes["lines"] if line["kind"] == "removed") == "- name: nm"

    assert (await desk.admin.put(f"{path}/base", json={"number": 1}, headers=tag)).status_code == 409
    assert (await desk.admin.put(f"{path}/base", json={"number": 2})).status_code == 428
    taken = await desk.admin.put(f"{path}/base", json={"number": 2}, headers=tag)
    assert (taken.status_code, taken.json()["base"], taken.json()["source"]) == (200, 2, mine)
    done = await desk.admin.post("/api/v1/rules/publish", json={"draft": "next", "wait": 0})
    assert (done.status_code, done.json()["number"]) == (200, 3)


async def test_the_editor_shows_the_difference_and_takes_over_what_came_meanwhile(desk: Desk) -> None:
    await publish(desk, RULES)
    await desk.admin.post("/rules/drafts", data={"name": "next"})
    await publish(desk, RULES.replace("PT", "CT"), "<i>CT</i> too")
    mine = RULES.replace("name: nm", "name: gamma")
    tag = preconditions.tag_of(await rule_drafts.show(desk.database, "next"))
    form = {"seen": tag, "text": mine, "comment": "mine"}

    shown = (await desk.operator.post("/rules/drafts/next/changes", data={"text": mine})).text
    assert "Begun from rule set 1, but 2 is live" in " ".join(shown.replace("<b>", "").replace("</b>", "").split())
    assert ("&lt;i&gt;CT" in shown, "value: [NM, CT]" in shown, "take over 2" in shown) == (True, True, False)
    assert "begun from rule set 1, which 2 has replaced" in (await desk.operator.get("/rules")).text
    refused = await desk.admin.post("/rules/drafts/next/publish", data=form, headers={"HX-Request": "true"})
    assert (refused.status_code, "take it over at Publish…" in refused.text) == (409, True)

    taken = await desk.admin.post("/rules/drafts/next/base", data={"seen": tag, "number": "2"})
    tag = preconditions.tag_of(await rule_drafts.show(desk.database, "next"))
    assert tag.strip('"') in taken.text
    assert "which is live" in (await desk.admin.post("/rules/drafts/next/changes", data={"text": mine})).text
    done = await desk.admin.post("/rules/drafts/next/publish", data=form | {"seen": tag})
    assert (done.status_code, (await rule_sets.show(desk.database, None))["source"]) == (200, mine)
    (entry,) = await desk.rows("select before, after from audit.entry where action = 'rules.draft.take-over'")
    assert entry == {"before": {"base": 1}, "after": {"base": 2}}


async def test_a_draft_without_a_base_or_of_what_is_live_is_published(desk: Desk) -> None:
    path, body = "/api/v1/rules/drafts/next", {"draft": "next", "wait": 0}
    await publish(desk, RULES)
    await desk.admin.put(path, json={"source": RULES.replace("PT", "CR")})
    await desk.rows("update config.rule_draft set base = null")
    await publish(desk, RULES.replace("PT", "CT"))
    assert (await desk.admin.post("/api/v1/rules/publish", json=body)).status_code == 200
    stale = await desk.admin.put(path, json={"source": RULES, "base": 2})
    assert (stale.json()["base"], (await desk.admin.post("/api/v1/rules/publish", json=body)).status_code) == (2, 409)
    same = RULES.replace("PT", "CR")
    await desk.admin.put(path, json={"source": same}, headers={"If-Match": stale.headers["ETag"]})
    assert (await desk.admin.post("/api/v1/rules/publish", json=body)).json()["changed"] is False
    unknown = await desk.admin.put("/api/v1/rules/drafts/other", json={"source": RULES, "base": 9})
    assert (unknown.status_code, "base: rule set 9 does not exist" in unknown.json()["detail"]) == (422, True)


async def test_a_rule_is_held_and_resumed(desk: Desk) -> None:
    await publish(desk, RULES)
    held = await desk.operator.post("/rules/hold", data={"rule": "archive", "why": "disk full", "until": "2h"})
    assert held.headers["HX-Redirect"] == "/rules"
    (archive,) = [each for each in (await desk.viewer.get("/api/v1/rules")).json()["rules"] if each["hold"]]
    assert (archive["name"], archive["hold"]["why"]) == ("archive", "disk full")
    assert (await desk.operator.post("/api/v1/rules/resume", json={"rule": "archive"})).status_code == 200
    assert (await desk.operator.post("/api/v1/rules/resume", json={"rule": "archive"})).status_code == 409


async def test_hits_are_counted_by_rule(desk: Desk) -> None:
    await publish(desk, RULES)
    for number, rules in enumerate((["nm", "archive"], ["archive"], ["archive"], ["gone"], [])):
        days = 8 if number == 2 else 1
        await desk.rows(_EVALUATION, days, Jsonb([{"rule": rule} for rule in rules]), number)
    listed = (await desk.viewer.get("/api/v1/rules")).json()["rules"]
    assert [(rule["name"], rule["hits"], rule["last_hit_at"] is None) for rule in listed] == [
        ("nm", 1, False),
        ("archive", 2, False),
    ]


_EVALUATION = """
insert into routing.evaluation
    (received_at, object_key, sop_instance_uid, revision, study_instance_uid, rule_set, matched)
select now() - make_interval(days => %s), n.n::text, '1.2.' || n.n, 1, '1.2', 1, %s from (select %s::int as n) n"""


async def test_who_may_what(desk: Desk) -> None:
    body = {"source": RULES, "wait": 0}
    for client in (desk.viewer, desk.operator):
        assert (await client.post("/api/v1/rules/publish", json=body)).status_code == 403
        assert (await client.post("/rules/versions/1/roll-back", data={"comment": ""})).status_code == 403
    assert (await desk.viewer.post("/api/v1/rules/check", json={"source": RULES})).status_code == 403
    assert (await desk.viewer.post("/rules/hold", data={"rule": "nm", "why": "x"})).status_code == 403

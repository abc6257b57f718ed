"""What holds for everything the desk answers: problems, headers, entity tags, lists, hostile text, the audit."""

import asyncio
import base64
import html
import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from structlog.testing import capture_logs

from services.admin.changes import audit
from services.admin.notices.settings import NoticeSettings
from services.admin.web.repeats import keeps
from tests.desk import ADDRESS, Desk
from tests.integration.cli.test_asking import DEAD, JOB, RECORDED
from tests.integration.cli.test_commitments import ASKED, IDS, INBOUND, OURS, RECEIVED, REPORTED

HOSTILE = "\"><script>alert(1)</script>' onload=x {{7*7}}\x01\x1b[31m\u202e"
STATION = {"title": "CT1", "host": "127.0.0.1", "port": 104}


async def recorded(desk: Desk) -> None:
    """A study that was sent and committed in part, a commitment that others asked for, dead letters."""
    await desk.rows("insert into config.station (title, host, port) values ('ARCHIVE1', '127.0.0.1', 105)")
    for name in (RECORDED, ASKED, REPORTED, RECEIVED, DEAD):
        text = name
        for placeholder, value in IDS.items():
            text = text.replace(placeholder, value)
        for statement in filter(str.strip, text.split(";\n")):
            await desk.rows(statement.replace("%", "%%"))


def problem(answer: httpx.Response, status: int) -> str:
    """The detail of a problem, RFC 9457."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.text
    document = answer.json()
    assert (document["type"], document["status"]) == ("about:blank", status)
    assert document["title"]
    detail: str = document["detail"]
    assert detail
    return detail


@pytest.mark.parametrize("path", ["/", "/patients", "/static/desk.css", "/api/v1/jobs", "/api/v1/nothing"])
async def test_a_head_is_what_get_says_without_its_body(desk: Desk, path: str) -> None:
    head, whole = await desk.admin.head(path), await desk.admin.get(path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert whole.content
    assert [name for name, value in whole.headers.items() if head.headers.get(name) != value] in (
        [],
        ["content-security-policy"],  # its nonce is another each time
    )


async def test_a_head_of_what_never_ends_does(desk: Desk) -> None:
    async with asyncio.timeout(10):
        assert (await desk.admin.head("/events")).status_code == 200


async def test_every_kind_of_error_is_a_problem(desk: Desk) -> None:
    admin, nobody = desk.admin, await desk.client()
    assert "log in" in problem(await nobody.get("/api/v1/jobs"), 401)
    assert "only admins" in problem(await desk.viewer.get("/api/v1/users"), 403)
    assert "ABSENT" in problem(await admin.get("/api/v1/stations/ABSENT"), 404)
    problem(await admin.get("/api/v1/nothing"), 404)
    problem(await admin.put("/api/v1/jobs"), 405)
    assert "already" in problem(await twice(admin), 409)
    problem(await admin.patch("/api/v1/stations/CT1", json={}, headers={"If-Match": '"x"'}), 412)
    problem(await admin.patch("/api/v1/stations/CT1", json={}), 428)
    wrong = await admin.post("/api/v1/stations", json={"title": "A" * 17, "host": "x", "port": 1})
    assert "A" * 17 in problem(wrong, 422)
    faulty = await admin.get("/api/v1/jobs?limit=0&state=lost")
    assert {each["place"] for each in faulty.json()["errors"]} == {"query.limit", "query.state"}
    for cursor in ("bad", base64.urlsafe_b64encode(json.dumps(["2026-11-29", ["a"]]).encode()).decode()):
        assert "begin again" in problem(await admin.get(f"/api/v1/jobs?cursor={cursor}"), 422)
    problem(await nobody.get("/events", headers={"Authorization": "Bearer gw_none"}), 401)
    problem(await admin.post("/api/v1/stations", content=b"{", headers={"Content-Type": "application/json"}), 422)
    await desk.database.close()
    problem(await admin.get("/api/v1/jobs"), 503)
    page = await admin.get("/jobs")
    assert (page.status_code, "<h1>" in page.text) == (503, True)


async def test_a_path_with_a_line_break_is_answered_as_any_other(desk: Desk) -> None:
    """As it is served: beside the health of the process."""
    program = await desk.program()
    desk.runtime.health.serve(desk.app)
    transport = httpx.ASGITransport(desk.runtime.health.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://desk", headers=program.headers) as served:
        assert "no backslash" in problem(await served.get("/api/v1/stations/A%0D%0AB"), 422)
        assert (await served.get("/api/v1/stations")).json() == []
        assert (await served.get("/livez")).status_code == 200


async def test_a_fault_of_the_gateways_own_is_a_problem_too_and_tells_no_data(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*given: object) -> None:
        raise ValueError("DOE^JOHN")

    monkeypatch.setattr("services.admin.jobs.list_jobs", broken)
    with capture_logs() as logs:
        assert "DOE" not in problem(await desk.admin.get("/api/v1/jobs"), 500)
        page = await desk.admin.get("/jobs")
    assert [each["event"] for each in logs] == ["request_failed"] * 2
    assert (page.status_code, "DOE" in page.text, "<h1>" in page.text) == (500, False, True)
    assert "Content-Security-Policy" in page.headers


async def twice(client: httpx.AsyncClient) -> httpx.Response:
    await client.post("/api/v1/stations", json=STATION)
    return await client.post("/api/v1/stations", json=STATION)


async def test_every_answer_says_what_a_browser_may_do_with_it(desk: Desk) -> None:
    paths = ("/", "/login", "/nothing", "/static/desk.css", "/api/v1/jobs", "/api/v1/nothing", "/audit/export.csv")
    answers = [await desk.admin.get(path) for path in (*paths, "/")] + [await (await desk.client()).get("/jobs")]
    nonces = []
    for answer in answers:
        headers = answer.headers
        policy = headers["Content-Security-Policy"]
        nonces += re.findall(r"script-src 'nonce-([^']+)'", policy)
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert (headers["X-Content-Type-Options"], headers["X-Frame-Options"]) == ("nosniff", "DENY")
        assert headers["Cache-Control"] == ("max-age=3600" if "/static/" in str(answer.url) else "no-store")
    assert len(set(nonces)) == len(answers)
    for script in re.findall(r"<script[^>]*>", answers[0].text):
        assert f'nonce="{nonces[0]}"' in script
        assert " src=" in script


async def test_an_edit_is_refused_if_the_station_was_changed_since_it_was_seen(desk: Desk) -> None:
    made = await desk.admin.post("/api/v1/stations", json=STATION)
    seen = {"If-Match": made.headers["ETag"]}
    assert (await desk.viewer.get("/api/v1/stations/CT1")).headers["ETag"] == seen["If-Match"]
    first = await desk.admin.patch("/api/v1/stations/CT1", json={"port": 105}, headers=seen)
    assert (first.status_code, first.json()["port"]) == (200, 105)
    assert first.headers["ETag"] != seen["If-Match"]
    late = await desk.admin.patch("/api/v1/stations/CT1", json={"description": "lost?"}, headers=seen)
    assert "load it again" in problem(late, 412)
    assert "changed meanwhile" in problem(await desk.admin.delete("/api/v1/stations/CT1", headers=seen), 412)
    form = await desk.admin.post("/stations/CT1", data={"host": "127.0.0.1", "port": "106", "seen": seen["If-Match"]})
    assert form.status_code == 412
    now = (await desk.admin.get("/api/v1/stations/CT1")).json()
    assert (now["port"], now["description"]) == (105, "")
    either = {"If-Match": f'"another", {first.headers["ETag"]}'}
    assert (await desk.admin.delete("/api/v1/stations/CT1", headers=either)).status_code == 204


async def test_who_has_a_station_already_is_told_that_it_has_not_changed(desk: Desk) -> None:
    tag = (await desk.admin.post("/api/v1/stations", json=STATION)).headers["ETag"]
    for named in (tag, f'"another", W/{tag}', "*"):
        same = await desk.viewer.get("/api/v1/stations/CT1", headers={"If-None-Match": named})
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag), named
        assert same.headers["Cache-Control"] == "no-store"
    await desk.admin.patch("/api/v1/stations/CT1", json={"port": 105}, headers={"If-Match": tag})
    changed = await desk.viewer.get("/api/v1/stations/CT1", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["port"]) == (200, 105)
    gone = await desk.viewer.get("/api/v1/stations/CT2", headers={"If-None-Match": "*"})
    assert problem(gone, 404)
    untagged = await desk.viewer.get("/api/v1/stations", headers={"If-None-Match": "*"})
    assert (untagged.status_code, len(untagged.json())) == (200, 1)
    paths = (await desk.viewer.get("/api/v1/openapi.json")).json()["paths"]
    told = {path for path, methods in paths.items() if "304" in methods.get("get", {}).get("responses", {})}
    assert told == {f"/api/v1/{each}" for each in ("stations/{title}", "titles/{title}", "contacts/{name}",
                                                   "rules/drafts/{name}", "rules/tests/{name}")}  # fmt: skip


async def test_an_edit_changes_nothing_but_what_it_names(desk: Desk) -> None:
    """Not another thing by its name, and nothing without a word about a field that is written wrong."""
    contact = {"name": "it", "mails": ["it@example.org"], "everything_else": True}
    for path, name, thing in (
        ("stations", "title", STATION), ("titles", "title", {"title": "CT1"}), ("contacts", "name", contact),
    ):  # fmt: skip
        for other in (thing[name], "CT2"):
            assert (await desk.admin.post(f"/api/v1/{path}", json=thing | {name: other})).status_code == 201
        before = (await desk.admin.get(f"/api/v1/{path}/CT2")).json()
        here, seen = f"/api/v1/{path}/{thing[name]}", {"If-Match": "*"}
        for wrong, told in (({name: "CT2"}, "keeps its"), ({"prot": 1}, "it has no field prot")):
            assert told in problem(await desk.admin.patch(here, json=wrong, headers=seen), 422)
        assert "no field prot" in problem(await desk.admin.post(f"/api/v1/{path}", json=thing | {"prot": 1}), 422)
        assert (await desk.admin.get(f"/api/v1/{path}/CT2")).json() == before
        assert (await desk.admin.patch(here, json={name: thing[name]}, headers=seen)).status_code == 200
    cancel = {"action": "cancel", "state": "FAILED", "destnation": "CT1"}
    assert "body.destnation" in problem(await desk.admin.post("/api/v1/jobs/act", json=cancel), 422)
    lost = problem(await desk.admin.get("/api/v1/jobs?stat=FAILED"), 422)
    assert lost == "there is no parameter 'stat'; there are cursor, destination, ended, kind, limit, state, study"


async def test_a_title_is_edited_as_it_was_seen(desk: Desk) -> None:
    made = await desk.admin.post("/api/v1/titles", json={"title": "DESK2", "associations": 4})
    assert made.status_code == 201
    tag = {"If-Match": made.headers["ETag"]}
    assert (await desk.admin.patch("/api/v1/titles/DESK2", json={"associations": 5}, headers=tag)).is_success
    problem(await desk.admin.patch("/api/v1/titles/DESK2", json={"associations": 6}, headers=tag), 412)
    assert [each["associations"] for each in (await desk.viewer.get("/api/v1/titles")).json()] == [5]


LISTS = {
    "jobs": "insert into routing.job (id, kind, state, destination, study_instance_uid, created_at)"
    " select gen_random_uuid(), 'send', 'COMPLETED', 'A', '1.2.3', now() - (n / 3) * interval '1 s'"
    " from generate_series(1, 25) n",
    "commitments": "insert into commitment.commitment (id, study_instance_uid, destination, server, state, created_at)"
    " select gen_random_uuid(), '1.2.' || n, 'A', 'V', 'COLLECTING', now() - (n / 3) * interval '1 s'"
    " from generate_series(1, 25) n",
    "dead-letters": "insert into runtime.dead_letter (queue, reason, headers, body, fingerprint)"
    " select 'q', 'r', '{}', 'b', n::text::bytea from generate_series(1, 25) n",
    "audit": "insert into audit.entry (at, actor, action, object)"
    " select now() - (n / 3) * interval '1 s', 'cli:x', 'y', n from generate_series(1, 25) n",
}


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_is_walked_from_page_to_page_and_everything_is_seen_once(desk: Desk, name: str) -> None:
    await desk.rows(LISTS[name])
    query = {"limit": "4"} | ({"action": "y"} if name == "audit" else {})
    ids: list[Any] = []
    cursor = None
    while True:
        found = (await desk.admin.get(f"/api/v1/{name}", params=query | ({"cursor": cursor} if cursor else {}))).json()
        ids += [each["id"] for each in found["items"]]
        cursor = found["next"]
        if cursor is None:
            break
    assert (len(ids), len(set(ids))) == (25, 25)
    whole = (await desk.admin.get(f"/api/v1/{name}", params=query | {"limit": "1000"})).json()
    assert [each["id"] for each in whole["items"]] == ids


async def test_hostile_text_is_escaped_on_every_page(desk: Desk) -> None:
    await recorded(desk)
    printable = {"description": HOSTILE.partition("\x01")[0]}
    tag = {"If-Match": (await desk.admin.get("/api/v1/stations/ARCHIVE1")).headers["ETag"]}
    with_controls = {"description": HOSTILE}
    station = "/api/v1/stations/ARCHIVE1"
    assert (await desk.admin.patch(station, json=with_controls, headers=tag)).status_code == 422
    assert (await desk.admin.patch(station, json=printable, headers=tag)).status_code == 200
    await desk.rows("update routing.job set reason = %s, rule = %s", HOSTILE, HOSTILE)
    await desk.rows("update routing.delivery set reason = %s", HOSTILE)
    await desk.rows("update commitment.commitment set reason = %s", HOSTILE)
    await desk.rows("update commitment.inbound set reason = %s", HOSTILE)
    await desk.rows("update runtime.dead_letter set reason = %s, body = %s", HOSTILE, HOSTILE.encode())
    async with desk.database.transaction() as conn:
        await audit(conn, HOSTILE, HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, {HOSTILE: 1})
    (letter, *_) = await desk.rows("select id from runtime.dead_letter")
    pages = [
        "/", "/stations", "/stations/ARCHIVE1", "/jobs", f"/jobs/{JOB}", "/commitments", f"/commitments/{OURS}",
        "/commitments?side=received", f"/commitments/{INBOUND}", "/attention?since=365d",
        f"/attention/letters/{letter['id']}", "/audit", "/users", "/settings", "/api",
    ]  # fmt: skip
    pages += [f"{page}?{httpx.QueryParams({name: HOSTILE})}" for page, name in QUERIES]
    shown = ""
    for page in pages:
        answer = await desk.admin.get(page)
        assert answer.status_code in (200, 404, 422), (page, answer.text)
        assert "<script>alert" not in answer.text, page
        assert "' onload=x" not in answer.text, page
        shown += answer.text
    assert shown.count("&lt;script&gt;alert(1)") > 10
    assert "49" not in re.findall(r"onload=x (\d+)", shown), "it is no template"
    for page, name in QUERIES:
        nothing = await desk.admin.get(f"{page}?{name}=a%00b")
        assert nothing.status_code in (200, 422), (page, name, nothing.text)


async def test_a_station_that_was_written_past_the_checks_is_shown_and_can_be_removed(desk: Desk) -> None:
    """By SQL, or by an older version: no page breaks, and the form says what is wrong with it."""
    await desk.rows(
        "insert into config.station (title, host, port, description, store, query_retrieve, schedule)"
        " values (%s, %s, 104, %s, true, true, %s)", ODD, "no host\x07", HOSTILE, ["never, ever"],
    )  # fmt: skip
    station = f"/stations/{quote(ODD, safe='')}"
    pages = ("/", "/stations", station, "/stations?q=A", "/patients", "/import", "/remote", "/jobs", "/rules")
    for page in (*pages, "/stations/new/form", "/api/v1/stations", "/api/v1/status"):
        answer = await desk.admin.get(page)
        assert answer.status_code == 200, (page, answer.text)
        assert page.startswith("/api") or "<script>alert" not in answer.text, page
        assert page.startswith("/api") or ODD not in answer.text, page
    shown = (await desk.admin.get(station)).text
    seen = {"seen": html.unescape(re.findall(r'name="seen" value="([^"]*)"', shown)[0])}
    part = {"HX-Request": "true"}
    saved = await desk.admin.post(
        station, data=seen | {"host": "::1", "port": "104", "description": HOSTILE}, headers=part
    )
    assert (saved.status_code, "A/B&lt;b&gt;&#39;&#34;&amp;?#%20: Description &#39;" in saved.text) == (422, True), (
        saved.text
    )
    assert (await desk.admin.post(f"{station}/echo", headers=part)).status_code < 500
    removed = await desk.admin.post(f"{station}/remove", data=seen, headers=part)
    assert (removed.status_code, await desk.rows("select from config.station")) == (200, [])


async def test_a_station_is_opened_changed_and_removed_whatever_its_title(desk: Desk) -> None:
    titles = ["A/B", "CT1/..", "A/echo", "A%2FB", "new"]
    for title in titles:
        made = await desk.admin.post("/api/v1/stations", json={"title": title, "host": "127.0.0.1", "port": 104})
        assert made.status_code == 201, made.text
    listed = (await desk.admin.get("/stations")).text
    for title in titles:
        there = f"/stations/{quote(title, safe='')}"
        assert f'href="{there}"' in listed
        page = await desk.admin.get(there)
        assert f"<h1>{title}" in page.text, page.text
        seen = {"seen": html.unescape(re.findall(r'name="seen" value="([^"]*)"', page.text)[0])}
        saved = await desk.admin.post(there, data=seen | {"host": "127.0.0.1", "port": "105"})
        assert (saved.status_code, saved.headers["HX-Redirect"]) == (200, there)
        shown = await desk.admin.get(f"/api/v1{there}")
        assert (shown.json()["title"], shown.json()["port"]) == (title, 105)
        held = await desk.admin.put(f"/api/v1{there}/hold", json={"why": "maintenance"})
        assert held.status_code == 200, held.text
        assert (await desk.admin.delete(f"/api/v1{there}/hold")).status_code == 200
        removed = await desk.admin.delete(f"/api/v1{there}", headers={"If-Match": shown.headers["ETag"]})
        assert removed.status_code == 204, removed.text
    refused = await desk.admin.post("/api/v1/stations", json={"title": "..", "host": "127.0.0.1", "port": 104})
    assert (refused.status_code, "choose another" in refused.text) == (422, True)


ODD = "A/B<b>'\"&?#%20"
"""An AE title as PS3.5 section 6.2 allows it."""
QUERIES = [
    ("/stations", "q"), ("/jobs", "study"), ("/commitments", "station"), ("/commitments", "side"), ("/audit", "actor"),
    ("/audit", "since"), ("/attention", "state"), ("/attention", "since"), ("/settings", "q"), ("/login", "next"),
]  # fmt: skip


async def test_the_audit_tells_who_did_what_from_where_and_what_changed(desk: Desk) -> None:
    made = await desk.admin.post("/api/v1/stations", json=STATION)
    tag = {"If-Match": made.headers["ETag"]}
    await desk.admin.patch("/api/v1/stations/CT1", json={"port": 105, "description": "new"}, headers=tag)
    (entry,) = (await desk.admin.get("/api/v1/audit?action=station.set&object=CT1")).json()["items"]
    assert (entry["actor"], entry["address"], entry["object"]) == ("user:admin", ADDRESS, "CT1")
    assert (entry["before"]["port"], entry["after"]["port"]) == (104, 105)
    page = (await desk.admin.get("/audit?object=CT1&since=1h")).text
    assert "<dt>port</dt><dd><del>104</del> <ins>105</ins>" in page
    assert "station.add" in page
    assert "session.begin" not in page
    assert "session.begin" in (await desk.admin.get("/audit?action=session")).text
    assert (await desk.admin.get("/audit?since=soon")).status_code == 422


async def test_who_reads_the_audit_is_in_it_once_an_hour_from_each_address(desk: Desk) -> None:
    elsewhere = await desk.logged_in("admin", address="10.0.0.7")
    for browser in (desk.admin, elsewhere):
        for path in ("/audit", "/api/v1/audit", "/audit?actor=user:admin"):
            assert (await browser.get(path)).status_code == 200
    assert (await desk.operator.get("/audit")).status_code == 403
    entries = await desk.rows("select actor, address from audit.entry where action = 'audit.view' order by id")
    assert [(each["actor"], each["address"]) for each in entries] == [
        ("user:admin", ADDRESS), ("user:admin", "10.0.0.7"),
    ]  # fmt: skip


async def test_the_audit_is_exported_whole_and_no_cell_is_a_formula(desk: Desk) -> None:
    await desk.rows(
        "insert into audit.entry (actor, action, object) select '=cmd()', 'y', n from generate_series(1, 2500) n"
    )
    assert (await desk.admin.get("/api/v1/audit/export?action=%00")).status_code == 422
    answer = await desk.admin.get("/audit/export.csv?action=y")
    lines = answer.text.splitlines()
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert (len(lines), lines[0]) == (2501, "at,actor,address,action,object,before,after")
    assert all(",'=cmd()," in line for line in lines[1:])
    (entry,) = (await desk.admin.get("/api/v1/audit?action=audit.export")).json()["items"]
    assert entry["actor"] == "user:admin"


async def test_a_setting_that_is_secret_is_never_shown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GATEWAY_NOTICES_SMTP_USER", "GATEWAY_NOTICES_SMTP_PASSWORD", "GATEWAY_OTHER_PASSWORD"):
        monkeypatch.setenv(name, "hidden-one" if "PASSWORD" in name else "gateway")
    desk.app.state.desk = replace(desk.app.state.desk, notices=NoticeSettings.load())
    monkeypatch.setenv("GATEWAY_INGEST_LIMIT", "17")
    password = desk.runtime.settings.database_url.split("@")[0].rpartition(":")[2]
    page, document = await desk.admin.get("/settings"), await desk.admin.get("/api/v1/settings")
    for answer in (page, document):
        assert "hidden-one" not in answer.text
        assert password not in answer.text
        assert "guest:guest" not in answer.text
        assert "GATEWAY_INGEST_LIMIT" in answer.text.replace("<wbr>", "")
    told = {each["variable"]: each for each in document.json()}
    assert told["GATEWAY_AET"] == {"variable": "GATEWAY_AET", "value": "DESK", "source": "home"}
    for name in ("GATEWAY_NOTICES_SMTP_PASSWORD", "GATEWAY_OTHER_PASSWORD"):
        assert told[name]["value"] == "set, not shown"
    assert told["GATEWAY_ADMIN_SESSION_HOURS"]["source"] == "default"
    assert told["GATEWAY_ADMIN_OIDC_LOCAL_PASSWORDS"]["value"] == "True", "that one may is no secret"
    assert (told["GATEWAY_INCOMING_ASSOCIATIONS"]["value"], told["GATEWAY_OUTGOING_ASSOCIATIONS"]["value"]) == (
        "64",
        "32",
    )
    assert "1.2.840.113619.4.30" in told["GATEWAY_PET_RAW_CLASSES"]["value"]


async def test_the_api_describes_itself_and_every_operation_declares_its_problems(desk: Desk) -> None:
    document = (await desk.viewer.get("/api/v1/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            told = operation["responses"]
            assert {"401", "403", "503"} <= set(told), (method, path)
            for status in (each for each in told if each >= "4"):
                assert list(told[status]["content"]) == ["application/problem+json"], (method, path)
            named = {each["name"] for each in operation["parameters"]}
            assert ("Idempotency-Key" in named) == (method != "get" and keeps(path)), (method, path)
    assert "examples" in json.dumps(document)
    page = (await desk.viewer.get("/api")).text
    assert all(f"<code>{path}</code>" in page for path in document["paths"])

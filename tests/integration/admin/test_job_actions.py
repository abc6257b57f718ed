"""Many jobs at once, and one to another station: in the browser and by programs, told first how many they are."""

import asyncio
import re
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import httpx

from services.admin.web import cursors
from tests.desk import Desk

FAILED, WAITING, DONE, RETRIEVING = (UUID(int=number) for number in range(1, 5))
JOBS: Final = """
insert into routing.job (id, kind, state, destination, study_instance_uid, created_at, released_at, finished_at) values
    ('{1}', 'send', 'FAILED', 'A', '1.1', now() - interval '4 min', now(), now()),
    ('{2}', 'send', 'QUEUED', 'A', '1.2', now() - interval '3 min', now(), null),
    ('{3}', 'send', 'COMPLETED', 'A', '1.3', now() - interval '2 min', now(), now()),
    ('{4}', 'retrieve', 'QUEUED', 'GATEWAY', '1.4', now() - interval '1 min', now(), null);
insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, object_key,
    data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, state, finished_at)
select now(), j.study_instance_uid || '.' || n, 1, 'A', j.id, j.study_instance_uid, 'o', 1, 1, '0', '1', '2',
    case when j.state = 'QUEUED' then 'PENDING' when j.state = 'COMPLETED' or n = 1 then 'DELIVERED' else 'FAILED' end,
    j.finished_at
from routing.job j, generate_series(1, 3) n where kind = 'send';
insert into storage.identity (sop_instance_uid, revision, sha256, received_at, object_key, size, data_set_offset,
    sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid)
select sop_instance_uid, 1, repeat('0', 64), received_at, 'o', 1, 1, '1', study_instance_uid, '1', '2'
from routing.delivery;
insert into config.station (title, host, port, store) values ('A', '127.0.0.1', 1, true), ('B', '127.0.0.1', 2, true)
"""


async def filled(desk: Desk) -> None:
    """A job that failed in part, one that waits, one that is done, and one that retrieves."""
    text = JOBS
    for number, job in enumerate((FAILED, WAITING, DONE, RETRIEVING), 1):
        text = text.replace(f"{{{number}}}", str(job))
    for statement in text.split(";\n"):
        await desk.rows(statement)


async def made(desk: Desk) -> list[tuple[str, dict[str, Any]]]:
    rows = await desk.rows("select kind, body from config.request order by requested_at")
    return [(row["kind"], row["body"]) for row in rows]


def fields(answer: httpx.Response) -> dict[str, list[str]]:
    """What the question bears along to its answer."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', answer.text):
        found.setdefault(name, []).append(value)
    return found


async def test_the_question_says_how_many_and_the_answer_does_just_that(desk: Desk) -> None:
    await filled(desk)
    page = (await desk.operator.get("/jobs?destination=A")).text
    assert page.count('name="job"') == 3
    assert 'name="job"' not in (await desk.viewer.get("/jobs")).text
    everything = {"everything": "true", "destination": "A", "action": "retry"}
    asked = await desk.operator.post("/jobs/ask", data=everything)
    assert "Retry 1 job with 2 instances?" in " ".join(asked.text.split())
    await desk.rows("update routing.job set created_at = now() + interval '1 s' where id = %s", WAITING)
    answer, _ = await asyncio.gather(
        desk.operator.post("/jobs/act", data=fields(asked)), desk.answering({"deliveries": 2})
    )
    assert (answer.status_code, "Retry: 1 job, 2 instances" in answer.text) == (200, True)
    assert answer.headers["HX-Trigger-After-Swap"] == "jobs-changed"
    ((kind, body),) = await made(desk)
    assert (kind, len(body["deliveries"])) == ("retry-deliveries", 2)
    nothing = await desk.operator.post("/jobs/ask", data={"action": "cancel", "job": [str(DONE)]})
    assert "nothing of it waits" in nothing.text
    for lacking in ({"action": "cancel"}, {"action": "reroute", "job": [str(FAILED)], "to": "B"}):
        assert (await desk.operator.post("/jobs/ask", data=lacking)).status_code == 422, lacking


async def test_a_job_goes_to_another_station_with_the_reason_in_the_audit(desk: Desk) -> None:
    await filled(desk)
    assert "Reroute…" in (await desk.operator.get(f"/jobs/{FAILED}")).text
    sending = desk.operator.post(f"/jobs/{FAILED}/reroute", data={"to": "B", "why": "A is being repaired"})
    answer, _ = await asyncio.gather(sending, desk.answering({"deliveries": 2, "sent": 2}))
    assert "Sent to B instead: 1 job, 2 instances" in answer.text
    (entry,) = (await desk.admin.get("/api/v1/audit?action=request.reroute-deliveries")).json()["items"]
    assert (entry["actor"], entry["after"]["to"], entry["after"]["why"]) == (
        "user:operator", "B", "A is being repaired",
    )  # fmt: skip
    for path, refused in ((f"/jobs/{DONE}/reroute", "all of it is delivered"), (f"/jobs/{FAILED}/reroute", "say why")):
        assert refused in (await desk.operator.post(path, data={"to": "B"})).text
    away = await desk.operator.post(f"/api/v1/jobs/{FAILED}/reroute", json={"to": "C", "why": "x"})
    assert (away.status_code, "C is not defined" in away.json()["detail"]) == (404, True)


async def test_programs_act_on_many_jobs_once(desk: Desk) -> None:
    await filled(desk)
    program = await desk.program()
    found = await program.post("/api/v1/jobs/act", json={"action": "cancel", "state": "QUEUED", "dry_run": True})
    counted = found.json()
    assert (counted["jobs"], counted["deliveries"], counted["more"]) == (2, 3, False)
    assert await made(desk) == []
    body = {"action": "cancel", "state": "QUEUED", "until": counted["at"]}
    key = {"Idempotency-Key": "cancel-all"}
    acting = program.post("/api/v1/jobs/act", json=body, headers=key)
    results = desk.answering({"deliveries": 3}, {"requests": 1})
    answer, _ = await asyncio.gather(acting, results)
    assert (answer.json()["touched"], answer.json()["queued"], len(answer.json()["requests"])) == (3, 0, 2)
    assert (await program.post("/api/v1/jobs/act", json=body, headers=key)).json() == answer.json()
    assert [kind for kind, _ in await made(desk)] == ["cancel-deliveries", "cancel"]
    first = program.post("/api/v1/jobs/act", json={"action": "first", "jobs": [str(WAITING), str(RETRIEVING)]})
    put, _ = await asyncio.gather(first, desk.answering({"jobs": 1, "deliveries": 3}))
    assert (put.json()["jobs"], put.json()["touched"]) == (1, 3)
    await desk.rows("update routing.delivery set state = 'SENDING' where job = %s", WAITING)
    sending = await program.post("/api/v1/jobs/act", json={"action": "cancel", "jobs": [str(WAITING)], "dry_run": True})
    assert (sending.json()["jobs"], sending.json()["deliveries"]) == (1, 3), "all of it is being sent"
    everything = await program.post("/api/v1/jobs/act", json={"action": "cancel"})
    assert (everything.status_code, "name them, or filter" in everything.json()["detail"]) == (422, True)


async def test_now_counts_what_was_given_up_after_days_and_leads_to_just_that(desk: Desk) -> None:
    """What failed long ago is not told, what a filter of the address finds is all that an action is done to."""
    await filled(desk)
    await desk.rows(
        "update routing.job set created_at = now() - interval '74 hours', finished_at = now() where id = %s", FAILED
    )
    await desk.rows(
        "update routing.job set state = 'FAILED', finished_at = now() - interval '25 hours' where id = %s", DONE
    )
    await desk.rows(
        "update routing.delivery set state = 'FAILED', received_at = received_at - interval '74 hours', finished_at ="
        " case when job = %s then now() else now() - interval '25 hours' end where job in (%s, %s)",
        FAILED, FAILED, DONE,
    )  # fmt: skip
    now = (await desk.viewer.get("/now")).text
    (need,) = re.findall(r'<a href="([^"]+)">1 job failed within 24 hours</a>', now)
    status = (await desk.viewer.get("/api/v1/status")).json()
    told = {each["title"]: each["failed"] for each in status["destinations"]}
    assert (status["jobs"], told) == ({"QUEUED": 2, "FAILED": 1}, {"A": 3, "B": 0})
    page = (await desk.operator.get(need.replace("&amp;", "&"))).text
    assert (str(FAILED) in page, str(DONE) in page) == (True, False)
    assert re.search('<option value="1d" selected>ended within 24 hours', page)
    asked = await desk.operator.post("/jobs/ask", data=fields_of(page) | {"everything": "true", "action": "retry"})
    assert "Retry 1 job with 3 instances?" in " ".join(asked.text.split())
    program = await desk.program()
    for ended, jobs in (("1d", [FAILED]), ("2026-01-01T00:00", [DONE, FAILED]), (None, [DONE, FAILED])):
        query = {"state": "FAILED"} | ({"ended": ended} if ended else {})
        listed = (await program.get("/api/v1/jobs", params=query)).json()["items"]
        assert [each["id"] for each in listed] == [str(job) for job in jobs], ended
    dry = await program.post("/api/v1/jobs/act", json={"action": "retry", "ended": "1d", "dry_run": True})
    assert dry.json()["deliveries"] == 3
    assert (await program.get("/api/v1/jobs?ended=soon")).status_code == 422


async def test_a_job_tells_what_failed_first_and_all_of_it_page_by_page(
    desk: Desk,
) -> None:
    """However many instances it has: one that failed came after more than a page of others."""
    await filled(desk)
    await desk.rows("delete from routing.delivery where job = %s", FAILED)
    await desk.rows(
        "insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid,"
        " object_key, data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, state, finished_at)"
        " select now() + make_interval(secs => n), '1.1.' || n, 1, 'A', %s, '1.1', 'o', 1, 1, '0', '1', '2',"
        " case when n > 1100 then 'FAILED' else 'DELIVERED' end, now() from generate_series(1, 1101) n",
        FAILED,
    )  # fmt: skip
    shown = (await desk.viewer.get(f"/api/v1/jobs/{FAILED}")).json()["deliveries"]
    assert [each["instance"] for each in shown[:2]] == ["1.1.1101", "1.1.1"]
    listed = await everything(desk.viewer, f"/api/v1/jobs/{FAILED}/deliveries", limit=500)
    assert listed == ["1.1.1101", *(f"1.1.{n}" for n in range(1, 1101))]
    assert await everything(desk.viewer, f"/api/v1/jobs/{FAILED}/deliveries", state="FAILED") == ["1.1.1101"]
    address, instances = f"/jobs/{FAILED}", list[str]()
    while address:
        page = (await desk.viewer.get(address)).text
        instances += re.findall(r"<code>(1\.1\.\d+)</code></a>", page)
        address = next((each.replace("&amp;", "&") for each in re.findall(r'href="([^"]+)">More', page)), "")
    assert instances == listed
    first = (await desk.viewer.get(f"/jobs/{FAILED}")).text
    (failed,) = re.findall(r'href="([^"]+)">FAILED <small>1<', first)
    page = (await desk.viewer.get(failed)).text
    assert re.findall(r"<code>(1\.1\.\d+)</code></a>", page) == ["1.1.1101"]
    assert f'hx-get="{failed}"' in page  # what is shown stays so while it changes
    for key in ("", "0", "2 1", "0 -1", f"1 {2**63}"):
        cursor = cursors.written(datetime.now(UTC), key)
        refused = await desk.viewer.get(f"/api/v1/jobs/{FAILED}/deliveries", params={"cursor": cursor})
        assert refused.status_code == 422, key
    assert (await desk.viewer.get(f"/api/v1/jobs/{UUID(int=9)}/deliveries")).status_code == 404


async def everything(browser: httpx.AsyncClient, path: str, **query: str | int) -> list[str]:
    """The instances of all pages of a list."""
    answer = (await browser.get(path, params=query)).json()
    found = [each["instance"] for each in answer["items"]]
    return found + (await everything(browser, path, **query | {"cursor": answer["next"]}) if answer["next"] else [])


def fields_of(page: str) -> dict[str, str]:
    """What the buttons above the list send along."""
    bar = page[page.index('id="bulk"') : page.index("data-count")]
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', bar))

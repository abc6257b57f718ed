"""Commitments, dead letters and unmatched studies: looked at, and acted on, in the browser and by programs."""

import asyncio
from typing import Any

import httpx

from tests.desk import Desk
from tests.integration.admin.test_answers import recorded
from tests.integration.cli.test_commitments import EXPIRED, INBOUND, OURS

UNMATCHED = """
insert into storage.receipt (received_at, object_key, sop_instance_uid, revision, disposition, sha256, size,
    sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid, peer_address, calling_aet, called_aet,
    association, configuration, rule_set, status, findings)
select now() - (n / 3) * interval '1 minute', 'objects/u' || n, '1.9.' || n, 1, 'NEW', repeat('cd', 32), 10, '1.2.840',
    '1.9.' || n || '.1', '1.9', '1.2.840.10008.1.2.1', '10.0.0.1', 'CT1', 'GATEWAY', 'a', 5, 3, 0, '[]'
from generate_series(1, 25) n;
insert into storage.identity
select sop_instance_uid, 1, sha256, received_at, object_key, 10, 100, sop_class_uid, study_instance_uid, '1.9',
    transfer_syntax_uid from storage.receipt where object_key like 'objects/u%';
insert into routing.evaluation
select received_at, object_key, sop_instance_uid, 1, study_instance_uid, 3, '[]' from storage.receipt
where object_key like 'objects/u%'
"""

ONE_MORE = """
insert into storage.receipt (received_at, object_key, sop_instance_uid, revision, disposition, sha256, size,
    sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid, peer_address, calling_aet, called_aet,
    association, configuration, rule_set, status, findings)
select now(), 'objects/new', '1.9.99', 1, disposition, sha256, size, sop_class_uid, study_instance_uid,
    series_instance_uid, transfer_syntax_uid, peer_address, calling_aet, called_aet, association, configuration,
    rule_set, status, findings
from storage.receipt where object_key = 'objects/u1';
insert into storage.identity
select sop_instance_uid, 1, sha256, received_at, object_key, 10, 100, sop_class_uid, study_instance_uid, '1.9',
    transfer_syntax_uid from storage.receipt where object_key = 'objects/new';
insert into routing.evaluation
select received_at, object_key, sop_instance_uid, 1, study_instance_uid, 3, '[]' from storage.receipt
where object_key = 'objects/new'
"""

SCHEDULED = """
insert into config.station (title, host, port, store, schedule)
values ('NIGHT', '127.0.0.1', 105, true, array[to_char(now() + interval '2 days', 'dy') || ' 12:00-13:00 UTC']);
insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, object_key,
    data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, shut, created_at)
values (now(), '1.1', 1, 'NIGHT', gen_random_uuid(), '2', 'o', 1, 1, 'a', '1', '4', 'station',
    now() - interval '1 hour')
"""


async def stored_unmatched(desk: Desk) -> None:
    for statement in UNMATCHED.split(";"):
        await desk.rows(statement.replace("%", "%%"))


async def asked(desk: Desk, request: Any, result: dict[str, Any]) -> tuple[httpx.Response, dict[str, Any]]:
    """What an action answers while a service gives that result, and the request that it made of it."""
    answer, _ = await asyncio.gather(request, desk.answering(result))
    (made,) = await desk.rows("select kind, body, requested_by from config.request order by requested_at desc limit 1")
    return answer, made


async def test_commitments_are_filtered_by_the_address_and_failures_have_their_names(desk: Desk) -> None:
    await recorded(desk)
    for query, ids in {
        "": {OURS, EXPIRED}, "?state=FAILURE&study=1.2.3": {OURS}, "?station=VNA": {OURS, EXPIRED},
        "?station=CT1": set(), "?side=received": {INBOUND}, "?side=received&station=CT1": {INBOUND},
        "?side=received&state=READY": set(),
    }.items():  # fmt: skip
        page = (await desk.viewer.get(f"/commitments{query}")).text
        assert {each for each in (OURS, EXPIRED, INBOUND) if f'href="/commitments/{each}"' in page} == ids, query
        assert ("No commitment fits." in page) == (not ids)
    for path in (f"/commitments/{OURS}", f"/commitments/{INBOUND}"):
        assert "No such object instance" in (await desk.viewer.get(path)).text
    found = (await desk.viewer.get(f"/api/v1/commitments/{OURS}")).json()
    assert {each["failure"] for each in found["instances"]} == {"No such object instance", None}
    received = (await desk.viewer.get("/api/v1/commitments/received")).json()["items"]
    assert [(each["id"], each["source"]) for each in received] == [(INBOUND, "CT1")]


async def test_the_journey_of_a_study_has_its_commitments_both_ways(desk: Desk) -> None:
    await recorded(desk)
    journey = (await desk.viewer.get("/api/v1/studies/1.2.3/journey")).json()["events"]
    told = [
        (each["at"][11:19], each["text"], each["detail"], each["link"])
        for each in journey
        if each["kind"] == "commitment" and "STRANGER" not in each["text"]
    ]
    ours, theirs = f"/commitments/{OURS}", f"/commitments/{INBOUND}"
    assert told == [
        ("20:00:30", "To be committed by VNA", "of what ARCHIVE1 was sent", ours),
        ("20:00:50", "VNA asked to commit: accepted", "0000, to report by 2026-11-24 20:01Z", ours),
        ("20:02:00", "VNA reported: 1 committed, 1 not", "", ours),
        ("20:02:00", "Not committed by VNA", "0112 No such object instance", ours),
        ("20:02:00", "Commitment by VNA failed", "1 instance was not committed", ours),
        ("21:00:00", "CT1 asked us to commit", "", theirs),
        ("21:00:00", "Committed for CT1", "", theirs),
        ("21:01:00", "Reported to CT1", "", theirs),
    ]
    (foreign,) = [each for each in journey if "STRANGER" in each["text"]]
    assert (foreign["tone"], foreign["detail"]) == ("warn", "foreign")


async def test_a_commitment_is_asked_for_again(desk: Desk) -> None:
    await recorded(desk)
    answer, made = await asked(desk, desk.operator.post(f"/commitments/{OURS}/retry"), {"commitment": EXPIRED})
    assert (answer.status_code, "asked for again" in answer.text) == (200, True)
    assert (made["kind"], made["body"], made["requested_by"]) == (
        "retry-commitment", {"commitment": OURS}, "user:operator",
    )  # fmt: skip
    over = await desk.operator.post(f"/api/v1/commitments/{OURS}/cancel")
    assert (over.status_code, "FAILURE already" in over.json()["detail"]) == (409, True)
    theirs = await desk.operator.post(f"/api/v1/commitments/{INBOUND}/retry")
    assert "only the peer can ask again" in theirs.json()["detail"]


async def test_a_dead_letter_is_looked_at_replayed_or_given_up_with_a_reason(desk: Desk) -> None:
    await recorded(desk)
    second, first = (await desk.viewer.get("/api/v1/dead-letters?state=PARKED")).json()["items"]
    assert "body" not in first
    assert "nonsense" not in (await desk.viewer.get("/attention")).text
    assert (await desk.viewer.get(f"/attention/letters/{first['id']}")).status_code == 403
    assert "nonsense" in (await desk.operator.get(f"/attention/letters/{first['id']}")).text
    assert (await desk.operator.get(f"/api/v1/dead-letters/{first['id']}")).json()["body"] == "nonsense"
    assert (await desk.operator.get("/api/v1/dead-letters/999")).status_code == 404
    told = await desk.operator.post(f"/attention/letters/{first['id']}/replay")
    assert (told.status_code, told.headers["HX-Trigger"]) == (200, "attention-changed")
    (message,) = await desk.rows("select body from runtime.outbox where routing_key = 'index.instance-stored'")
    assert message["body"] == "nonsense"
    for silent in ({}, {"reason": " "}):
        assert (await desk.operator.post(f"/attention/letters/{second['id']}/discard", data=silent)).status_code == 422
    program = await desk.program()
    gone = await program.post(f"/api/v1/dead-letters/{second['id']}/discard", json={"reason": "sent by hand"})
    assert gone.json() == {"id": second["id"], "state": "DISCARDED"}
    assert (await desk.operator.post(f"/attention/letters/{second['id']}/replay")).status_code == 409
    entries = (await desk.admin.get("/api/v1/audit?action=dead-letter")).json()["items"]
    assert [(each["action"], each["after"]) for each in entries] == [
        ("dead-letter.discard", {"reason": "sent by hand"}), ("dead-letter.replay", None),
        ("dead-letter.view", None), ("dead-letter.view", None),
    ]  # fmt: skip
    assert "None: every message was handled." in (await desk.viewer.get("/attention")).text


LETTERS = """
insert into runtime.dead_letter (queue, reason, headers, body, fingerprint)
select case when n < 4 then 'index.instance-stored' else 'storage.instance-received' end, 'no Such ' || n, '{}',
    convert_to('{"calling_aet": "CT' || n || '", "destination":"PACS"}', 'UTF8') || decode('ff', 'hex'),
    decode(lpad(n::text, 2, '0'), 'hex')
from generate_series(1, 5) n
"""


async def test_dead_letters_are_filtered_and_several_replayed_or_given_up_at_once(desk: Desk) -> None:
    await desk.rows(LETTERS)
    for query, reasons in {
        "queue=storage.instance-received": "54", "reason=SUCH+3": "3", "station=CT2": "2", "station=PACS": "54321",
        "station=CT": "", "queue=index.instance-stored&station=CT5": "",
    }.items():  # fmt: skip
        items = (await desk.viewer.get(f"/api/v1/dead-letters?{query}")).json()["items"]
        assert "".join(each["reason"][-1] for each in items) == reasons, query
        page = (await desk.viewer.get(f"/attention?{query}")).text
        assert {n for n in "12345" if f"no Such {n}" in page} == set(reasons), query
        assert ("No dead letter fits." in page) == (not reasons)
    numbers = [each["id"] for each in (await desk.viewer.get("/api/v1/dead-letters")).json()["items"]]
    await desk.rows("update runtime.dead_letter set body = '{}'")
    first, second, third, fourth, _ = numbers
    told = await desk.operator.post("/attention/letters/replay", data={"letter": [str(first), str(second)]})
    assert (told.status_code, "2 dead letters" in told.text) == (200, True)
    mixed = await desk.operator.post("/api/v1/dead-letters/discard", json={"numbers": [second, third], "reason": "x"})
    assert (mixed.status_code, "REPLAYED already" in mixed.json()["detail"]) == (409, True)
    done = await desk.operator.post("/api/v1/dead-letters/replay", json={"numbers": [third]})
    assert done.json() == [{"id": third, "state": "REPLAYED"}]
    assert (await desk.operator.post("/attention/letters/discard", data={"reason": "x"})).status_code == 422
    assert (await desk.operator.post("/attention/letters/discard", data={"letter": str(fourth)})).status_code == 422
    await desk.operator.post("/attention/letters/discard", data={"letter": str(fourth), "reason": "sent by hand"})
    rows = await desk.rows("select state from runtime.dead_letter order by id desc")
    assert [each["state"] for each in rows] == ["REPLAYED", "REPLAYED", "REPLAYED", "DISCARDED", "PARKED"]
    (entry,) = await desk.rows("select object, after from audit.entry where action = 'dead-letter.discard'")
    assert entry == {"object": str(fourth), "after": {"reason": "sent by hand"}}


async def test_what_waits_for_a_schedule_needs_nobody_until_it_is_held_too(desk: Desk) -> None:
    for statement in SCHEDULED.split(";"):
        await desk.rows(statement)
    now, listed = (await desk.viewer.get("/now")).text, (await desk.viewer.get("/stations")).text
    assert "NIGHT is" not in now, "it is neither held nor slow"
    assert all("waits for its schedule: opens" in page and "(station NIGHT)" in page for page in (now, listed))
    (told,) = (await desk.viewer.get("/api/v1/status")).json()["destinations"]
    assert (told["held"], told["shut"], told["schedule"].split(":")[0]) == (0, 1, "waits for its schedule")
    await desk.rows("update routing.delivery set hold = 1")
    held = (await desk.viewer.get("/now")).text
    assert "NIGHT is held: 1 instance waits" in held
    assert "waits for its schedule" not in held


async def test_unmatched_studies_are_walked_once_routed_and_sent(desk: Desk) -> None:
    await stored_unmatched(desk)
    await desk.rows("insert into config.station (title, host, port, store) values ('ARCHIVE1', '127.0.0.1', 105, true)")
    seen: list[str] = []
    query: dict[str, str] | None = {"since": "1d", "limit": "4"}
    while query:
        found = (await desk.viewer.get("/api/v1/unmatched", params=query)).json()
        seen += [each["study_instance_uid"] for each in found["items"]]
        query = found["next"] and query | {"cursor": found["next"]}
    assert (len(seen), len(set(seen))) == (25, 25)
    assert "no rule matched" in (await desk.viewer.get("/attention?since=1d")).text
    now = (await desk.viewer.get("/now")).text
    assert '<a href="/attention?since=1d#unmatched">25 studies of 24 hours were sent nowhere' in now
    data = {"study": seen[0]}
    answer, made = await asked(desk, desk.operator.post("/attention/studies/route", data=data), {"instances": 1})
    assert (answer.status_code, made["kind"], made["body"]["uids"]) == (200, "route", [seen[0]])
    send = desk.operator.post("/attention/studies/send", data=data | {"to": "ARCHIVE1"})
    answer, made = await asked(desk, send, {"jobs": []})
    assert (answer.status_code, made["kind"], made["body"]) == (200, "send", {"uids": [seen[0]], "to": "ARCHIVE1"})
    nowhere = await desk.operator.post(f"/api/v1/unmatched/{seen[0]}/send", json={"to": "NOWHERE"})
    assert (nowhere.status_code, "NOWHERE" in nowhere.json()["detail"]) == (404, True)


async def test_an_unmatched_study_is_discarded_until_something_new_of_it_comes(desk: Desk) -> None:
    await stored_unmatched(desk)
    one, other = "1.9.1.1", "1.9.2.1"
    for silent in ({"study": one}, {"study": one, "reason": " "}):
        assert (await desk.operator.post("/attention/studies/discard", data=silent)).status_code == 422
    told = await desk.operator.post("/attention/studies/discard", data={"study": one, "reason": "<i>a test</i>"})
    assert (told.status_code, told.headers["HX-Trigger"], "1 instance" in told.text) == (200, "attention-changed", True)
    gone = await desk.operator.post(f"/api/v1/unmatched/{other}/discard", json={"reason": "a phantom"})
    assert gone.json() == {"study_instance_uid": other, "instances": 1}
    again = await desk.operator.post(f"/api/v1/unmatched/{one}/discard", json={"reason": "twice"})
    assert (again.status_code, "nothing that was sent nowhere" in again.json()["detail"]) == (404, True)

    async def listed(query: str) -> set[str]:
        items = (await desk.viewer.get(f"/api/v1/unmatched?{query}")).json()["items"]
        return {each["study_instance_uid"] for each in items}

    assert (len(await listed("")), await listed("state=DISCARDED")) == (23, {one, other})
    assert len(await listed("state=all")) == 25
    assert "23 studies of 24 hours were sent nowhere" in (await desk.viewer.get("/now")).text
    assert f"<code>{one}</code>" not in (await desk.viewer.get("/attention?since=1d")).text
    shown = (await desk.viewer.get("/attention?since=1d&studies=DISCARDED")).text
    assert ("discarded by user:operator" in shown, "&lt;i&gt;a test" in shown) == (True, True)
    entries = await desk.rows("select object, after from audit.entry where action = 'studies.discard' order by id")
    assert [(each["object"], each["after"]["reason"]) for each in entries] == [
        (one, "<i>a test</i>"), (other, "a phantom"),
    ]  # fmt: skip
    for statement in ONE_MORE.split(";"):
        await desk.rows(statement)
    assert one in await listed("")
    assert "24 studies of 24 hours were sent nowhere" in (await desk.viewer.get("/now")).text

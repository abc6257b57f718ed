"""Actions that a program sends again because it got no answer: carried out once."""

import asyncio
from typing import Any

import pytest

from services.admin import repeated, stations
from services.admin.access import tidying
from services.admin.access.role import Role
from services.admin.access.sessions import Lifetime
from services.runtime.errors import Unavailable
from tests.desk import Desk
from tests.integration.admin.test_patients import named, stored

STATION = {"title": "CT1", "host": "127.0.0.1", "port": 104}
KEY = {"Idempotency-Key": "9f1c2f6e"}


async def test_an_action_sent_again_is_carried_out_once_and_answered_alike(desk: Desk) -> None:
    program = await desk.program()
    first = await program.post("/api/v1/stations", json=STATION, headers=KEY)
    again = await program.post("/api/v1/stations", json=STATION, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.content, again.headers["ETag"]) == (first.content, first.headers["ETag"])
    assert again.headers["Content-Security-Policy"] != first.headers["Content-Security-Policy"]
    assert len(await desk.rows("select 1 from audit.entry where action = 'station.add'")) == 1
    other = await program.post("/api/v1/stations", json=STATION | {"title": "CT2"}, headers=KEY)
    assert (other.status_code, "another request had that key" in other.json()["detail"]) == (422, True)
    assert (await desk.admin.post("/api/v1/stations", json=STATION, headers=KEY)).status_code == 409, "another actor"
    await desk.rows("update config.action set begun_at = begun_at - interval '25 hours'")
    assert (await program.post("/api/v1/stations", json=STATION, headers=KEY)).status_code == 409, "it is there"
    await tidying.tidy(desk.database, Lifetime(60, 12))
    assert await desk.rows("select from config.action") == []


async def test_what_was_refused_is_tried_anew(desk: Desk) -> None:
    program = await desk.program()
    hold = {"why": "service"}
    assert (await program.put("/api/v1/stations/CT1/hold", json=hold, headers=KEY)).status_code == 404
    assert (await program.post("/api/v1/stations", json=STATION)).status_code == 201
    assert (await program.put("/api/v1/stations/CT1/hold", json=hold, headers=KEY)).status_code == 200
    viewer = await desk.program(Role.VIEWER)
    assert (await viewer.put("/api/v1/stations/CT1/hold", json=hold, headers=KEY)).status_code == 403
    assert (await (await desk.client()).put("/api/v1/stations/CT1/hold", json=hold, headers=KEY)).status_code == 401


async def test_of_the_same_at_once_one_is_carried_out(desk: Desk) -> None:
    program = await desk.program()
    answers = await asyncio.gather(*(program.post("/api/v1/stations", json=STATION, headers=KEY) for _ in range(4)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert 201 in {answer.status_code for answer in answers}
    assert len(await desk.rows("select 1 from audit.entry where action = 'station.add'")) == 1
    await desk.rows("update config.action set status = null")
    unknown = await program.post("/api/v1/stations", json=STATION, headers=KEY)
    assert (unknown.status_code, "has no answer yet" in unknown.json()["detail"]) == (409, True)


async def test_who_may_not_do_it_any_more_gets_no_kept_answer(desk: Desk) -> None:
    program = await desk.program(Role.OPERATOR)
    assert (await desk.admin.post("/api/v1/stations", json=STATION)).status_code == 201
    hold = {"why": "service"}
    first = await program.put("/api/v1/stations/CT1/hold", json=hold, headers=KEY)
    again = await program.put("/api/v1/stations/CT1/hold", json=hold, headers=KEY)
    assert (first.status_code, again.content) == (200, first.content)
    await desk.rows("update config.api_key set role = 'viewer'")
    refused = await program.put("/api/v1/stations/CT1/hold", json=hold, headers=KEY)
    assert (refused.status_code, "service" in refused.text) == (403, False)
    browser = await desk.client(cookies=dict(desk.operator.cookies))
    told = await desk.operator.put("/api/v1/stations/CT1/hold", json={"why": "x"}, headers=KEY)
    assert told.status_code == 200
    assert (await browser.put("/api/v1/stations/CT1/hold", json={"why": "x"}, headers=KEY)).status_code == 403


async def test_a_look_is_audited_each_time_and_nothing_of_it_is_kept(desk: Desk) -> None:
    wanted = named(1, "Zaunkoenig^Berta", "P1")
    await stored(desk, wanted)
    program = await desk.program(Role.OPERATOR)
    asked = {"uids": [wanted.study_instance_uid], "patient_id": "P2", "why": "a try"}
    for _ in range(2):
        seen = await program.post("/api/v1/studies/correct/preview", json=asked, headers=KEY)
        assert (seen.status_code, "P1" in seen.text) == (200, True)
    assert len(await desk.rows("select from audit.entry where action = 'studies.header'")) == 2
    assert await desk.rows("select from config.action") == []


@pytest.mark.parametrize(("fault", "status"), [(Unavailable("try again"), 503), (RuntimeError("a bug"), 500)])
async def test_what_failed_is_tried_anew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, fault: Exception, status: int
) -> None:
    async def failing(*_: Any) -> None:
        raise fault

    program = await desk.program()
    monkeypatch.setattr(stations, "add", failing)
    assert (await program.post("/api/v1/stations", json=STATION, headers=KEY)).status_code == status
    monkeypatch.undo()
    assert (await program.post("/api/v1/stations", json=STATION, headers=KEY)).status_code == 201


async def test_what_could_not_be_forgotten_while_the_database_was_away_is_forgotten_then(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise Unavailable("database does not answer")

    program = await desk.program()
    monkeypatch.setattr(stations, "add", away)
    monkeypatch.setattr(repeated, "forget", away)
    assert (await program.post("/api/v1/stations", json=STATION, headers=KEY)).status_code == 503
    monkeypatch.undo()
    assert (await program.post("/api/v1/stations", json=STATION, headers=KEY)).status_code == 201


async def test_who_and_what_gets_in_is_made_once_and_secrets_are_not_kept(desk: Desk) -> None:
    program = await desk.program()
    contact = {"name": "it", "webhook": "https://chat.hospital.example/hooks/7"}
    made = {}
    for path, body, field in (
        ("keys", {"name": "x"}, "key"), ("users", {"name": "x"}, "password"), ("contacts", contact, "secret"),
    ):  # fmt: skip
        headers = {"Idempotency-Key": path}
        first = await program.post(f"/api/v1/{path}", json=body, headers=headers)
        assert first.status_code == 201, first.text
        made[path] = first.json()
        again = await program.post(f"/api/v1/{path}", json=body, headers=headers)
        said = again.json()["detail"]
        assert (again.status_code, f"held the {field}" in said, "another one" in said) == (409, True, True)
        assert made[path][field] not in str(await desk.rows("select convert_from(body, 'UTF8') from config.action"))
        assert [each["name"] for each in (await program.get(f"/api/v1/{path}")).json()].count(body["name"]) == 1
    given = {"name": "y", "password": "correct horse battery"}
    answers = [await program.post("/api/v1/users", json=given, headers=KEY) for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 201], "who gave the password knows it"
    assert answers[0].content == answers[1].content
    other = await program.post("/api/v1/users", json=given | {"password": "another horse battery"}, headers=KEY)
    assert (other.status_code, "another request had that key" in other.json()["detail"]) == (422, True)


async def test_large_requests_have_no_key(desk: Desk) -> None:
    program = await desk.program()
    file = await program.post("/api/v1/rules/try", content=b"x", headers=KEY)
    assert (file.status_code, "leave the header out" in file.json()["detail"]) == (422, True)
    large = await program.post("/api/v1/stations", content=b"x" * 1_100_000, headers=KEY)
    assert (large.status_code, "at most" in large.json()["detail"]) == (422, True)
    long = await program.post("/api/v1/stations", json=STATION, headers={"Idempotency-Key": "x" * 201})
    assert long.status_code == 422

"""Actions that a program sends again because it got no answer: carried out once."""

import asyncio

from services.admin.access import tidying
from services.admin.access.role import Role
from services.admin.access.sessions import Lifetime
from tests.desk import Desk

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


async def test_secrets_are_not_kept_and_large_requests_have_no_key(desk: Desk) -> None:
    program = await desk.program()
    for path, body in (("keys", {"name": "x"}), ("users", {"name": "x"})):
        refused = await program.post(f"/api/v1/{path}", json=body, headers=KEY)
        assert (refused.status_code, "secret" in refused.json()["detail"]) == (422, True)
    large = await program.post("/api/v1/stations", content=b"x" * 1_100_000, headers=KEY)
    assert (large.status_code, "at most" in large.json()["detail"]) == (422, True)
    long = await program.post("/api/v1/stations", json=STATION, headers={"Idempotency-Key": "x" * 201})
    assert long.status_code == 422

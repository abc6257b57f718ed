"""When a station could not be sent to, as its circuit was opened and closed."""

import re

from tests.desk import Desk

STATION = {"title": "ARCHIVE", "host": "127.0.0.1", "port": 104, "store": True}
FAILS = """
insert into routing.destination as d (title, circuit, last_failure, open_since) values ('ARCHIVE', 'OPEN', %s, now())
on conflict (title) do update
set circuit = 'OPEN', last_failure = excluded.last_failure, open_since = coalesce(d.open_since, excluded.open_since)"""
ANSWERS = "update routing.destination set circuit = 'CLOSED', open_since = null where title = 'ARCHIVE'"
OUTAGES = "/api/v1/stations/ARCHIVE/outages"


async def test_each_outage_is_told_with_its_end_and_reason(desk: Desk) -> None:
    assert (await desk.admin.post("/api/v1/stations", json=STATION)).is_success
    assert "No outage is known" in (await desk.viewer.get("/stations/ARCHIVE")).text
    await desk.rows(FAILS, "connection refused")
    await desk.rows(FAILS, "no answer within 30 s")  # goes on failing: the same outage
    await desk.rows(ANSWERS)
    await desk.rows(FAILS, "answered A700 Out of Resources <disk of MUELLER>")
    newest, first = (await desk.viewer.get(OUTAGES)).json()["items"]
    assert (newest["ended_at"], first["reason"]) == (None, "connection refused")
    assert first["began_at"] < first["ended_at"] <= newest["began_at"]
    page = (await desk.viewer.get("/stations/ARCHIVE")).text
    assert "still failing" in page
    assert "&lt;disk of MUELLER&gt;" in page
    listed = (await desk.viewer.get(OUTAGES, params={"limit": 1})).json()
    after = (await desk.viewer.get(OUTAGES, params={"limit": 1, "cursor": listed["next"]})).json()
    assert [each["began_at"] for each in (*listed["items"], *after["items"])] == [newest["began_at"], first["began_at"]]
    assert after["next"] is None
    assert (await desk.viewer.get("/api/v1/stations/NOBODY/outages")).status_code == 404


async def test_an_echo_in_vain_is_what_is_known_until_the_station_takes_something(desk: Desk) -> None:
    assert (await desk.admin.post("/api/v1/stations", json=STATION)).is_success
    assert "failing" not in (await desk.viewer.get("/stations")).text
    assert not (await desk.operator.post("/api/v1/stations/ARCHIVE/echo")).json()["ok"]
    assert "failing" in (await desk.viewer.get("/stations")).text
    assert (
        "ARCHIVE cannot be sent to: ARCHIVE (127.0.0.1:104): refused the connection"
        in (await desk.viewer.get("/")).text
    )
    await desk.rows(
        "insert into routing.destination as d (title, last_success_at) values ('ARCHIVE', now()) "
        "on conflict (title) do update set last_success_at = now()"
    )
    assert "failing" not in (await desk.viewer.get("/stations")).text


async def test_now_says_since_when_it_fails_and_not_when_it_last_took_something(desk: Desk) -> None:
    assert (await desk.admin.post("/api/v1/stations", json=STATION)).is_success
    await desk.rows(FAILS, "connection refused")
    await desk.rows("update routing.destination set last_success_at = now() - interval '9 d'")
    await desk.rows("update routing.outage set began_at = now() - interval '3 h'")
    assert "connection refused</a> <small>for 3 h</small>" in (await desk.viewer.get("/now")).text
    await desk.rows(ANSWERS)
    await desk.rows("update routing.destination set answering_since = now() - interval '2 h'")
    await desk.rows(
        "insert into audit.entry (at, actor, action, object, after) select now() - make_interval(mins => minutes),"
        " 'user:olga', 'station.echo', 'ARCHIVE', jsonb_build_object('ok', ok, 'text', 'no answer')"
        " from (values (150, false), (50, true), (40, false), (5, false)) as e (minutes, ok)"
    )
    assert "no answer</a> <small>for 40 min</small>" in (await desk.viewer.get("/now")).text


async def test_a_held_station_is_said_to_be_held_though_nothing_waits(desk: Desk) -> None:
    assert (await desk.admin.post("/api/v1/stations", json=STATION)).is_success
    await desk.rows("insert into routing.destination (title, last_success_at) values ('ARCHIVE', now())")
    held = {"why": "repair", "until": ""}
    assert (await desk.operator.post("/stations/ARCHIVE/hold", data=held)).is_success
    for path in ("/now", "/stations"):
        page = (await desk.viewer.get(path)).text
        assert (">held<" in page, ">up<" in page) == (True, False), path
    assert re.search(r"ARCHIVE is held: nothing waits</a> <small>for \d s", (await desk.viewer.get("/now")).text)
    await desk.operator.post("/stations/ARCHIVE/resume")
    page = (await desk.viewer.get("/now")).text
    assert (">up<" in page, "is held" in page) == (True, False)


async def test_a_station_is_not_up_before_it_answered(desk: Desk) -> None:
    assert (await desk.admin.post("/api/v1/stations", json=STATION)).is_success
    for path in ("/", "/stations"):
        page = (await desk.viewer.get(path)).text
        assert ("not tried yet" in page, ">up<" in page) == (True, False), path
    await desk.rows(
        "insert into audit.entry (at, actor, action, object, after) "
        "values (now(), 'user:olga', 'station.echo', 'ARCHIVE', jsonb_build_object('ok', true))"
    )
    page = (await desk.viewer.get("/stations")).text
    assert ("not tried yet" in page, ">up<" in page) == (False, True)

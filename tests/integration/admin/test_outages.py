"""When a station could not be sent to, as its circuit was opened and closed."""

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

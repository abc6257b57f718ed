"""Stations from a file: what was exported is imported elsewhere, all of it or nothing."""

import json

from tests.desk import Desk

STATIONS = [
    {"title": "A", "host": "10.0.0.1", "port": 104, "store": True, "failover": "B"},
    {"title": "B", "host": "10.0.0.2", "port": 104, "store": True},
]


async def test_what_is_exported_is_imported_elsewhere(desk: Desk) -> None:
    """Stations that name one another too; another time nothing is left to do."""
    program = await desk.program()
    tried = await program.post("/api/v1/stations/import?dry_run=true", json=STATIONS)
    assert tried.json() == {"added": ["A", "B"], "changed": [], "same": []}
    assert (await desk.viewer.get("/api/v1/stations")).json() == []
    assert (await program.post("/api/v1/stations/import", json=STATIONS)).json() == tried.json()
    exported = (await desk.viewer.get("/api/v1/stations")).json()
    assert [(each["title"], each["failover"]) for each in exported] == [("A", "B"), ("B", None)]
    exported[1]["port"] = 11112
    file = {"file": ("stations.json", json.dumps(exported).encode())}
    told = (await desk.admin.post("/station-import", files=file, data={"dry_run": "true"})).text
    assert "Would be changed: B; same: A" in told
    assert "changed: B; same: A" in (await desk.admin.post("/station-import", files=file)).text
    (entry, *_) = (await desk.admin.get("/api/v1/audit?action=station")).json()["items"]
    assert (entry["action"], entry["before"]["port"], entry["after"]["port"]) == ("station.set", 104, 11112)
    assert (await desk.viewer.post("/station-import", files=file)).status_code == 403


async def test_nothing_is_imported_if_one_station_is_impossible(desk: Desk) -> None:
    for faulty, told in (
        ([*STATIONS, {"title": "C", "host": "10.0.0.3", "port": 104, "commit_on": "NOWHERE"}], "NOWHERE"),
        ([*STATIONS, {"title": "C", "host": "10.0.0.3", "port": 70_000}], "70000"),
        ([*STATIONS, STATIONS[0]], "A stands there twice"),
    ):
        refused = await desk.admin.post("/api/v1/stations/import", json=faulty)
        assert (refused.status_code in (409, 422), told in refused.json()["detail"]) == (True, True), refused.text
    for data, told in ((b"{}", "no list"), (b"\xff", "UTF-8"), (b"- [", "line")):
        assert told in (await desk.admin.post("/station-import", files={"file": ("x", data)})).text
    assert (await desk.viewer.get("/api/v1/stations")).json() == []

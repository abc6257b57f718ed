"""Stations from a file: what was exported is imported elsewhere, all of it or nothing."""

import html
import json
import re
from dataclasses import replace

import pytest

from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
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


LACKING = [
    ("reconcile", True, "queries only for a person (R53)", "Compare every night"),
    ("skip_present", True, "queries only for a person (R53)", "Ask what it has first"),
    ("pull_minutes", 5, "queries only for a person (R53)", "Ask for new studies"),
    ("retention_days", 30, "keeps everything until a user deletes it (R94)", "Keep for days"),
    ("tls", True, "has no DICOM security profile (R131)", "Called by TLS"),
]


@pytest.mark.parametrize(("field", "value", "why", "label"), LACKING)
async def test_what_profile_xeleris_does_not_have_is_set_by_nobody(
    desk: Desk, field: str, value: object, why: str, label: str
) -> None:
    """Neither in the browser nor by programs; a station that had it before is changed otherwise all the same."""
    program = await desk.program()
    station = {"title": "A", "host": "10.0.0.1", "port": 104, "store": True, "query_retrieve": True}
    had = await program.post("/api/v1/stations", json=station | {"title": "OLD", field: value})
    assert (await program.post("/api/v1/stations", json=station)).status_code == had.status_code == 201
    xeleris = profile_of("xeleris", DicomSettings())
    desk.app.state.desk = replace(desk.app.state.desk, profile=xeleris)
    text = "true" if value is True else str(value)
    form = {**station, "store": "true", "query_retrieve": "true", field: text}
    for answer in (
        await program.post("/api/v1/stations", json=station | {"title": "B", field: value}),
        await program.post("/api/v1/stations/import", json=[station | {field: value}]),
        await program.patch("/api/v1/stations/A", json={field: value}, headers={"If-Match": "*"}),
    ):
        assert (answer.status_code, why in answer.json()["detail"]) == (422, True), answer.text
    seen = (await desk.admin.get("/stations/A")).text
    for path, fields in (("/stations", form | {"title": "B"}), ("/stations/A", form | {"seen": tag(seen)})):
        answer = await desk.admin.post(path, data=fields)
        assert (answer.status_code, why in answer.text, label in answer.text) == (422, True, True), answer.text
    imported = await desk.admin.post("/station-import", files={"file": ("x", json.dumps([station | {field: value}]))})
    assert why in imported.text
    assert [each[field] for each in (await program.get("/api/v1/stations")).json()] == [
        had.json()[field] if each == "OLD" else (False if value is True else 0 if field == "pull_minutes" else None)
        for each in ("A", "OLD")
    ]
    old = (await desk.admin.get("/stations/OLD")).text
    moved = await desk.admin.post("/stations/OLD", data=form | {"seen": tag(old), "host": "10.0.0.9"})
    assert moved.status_code in (200, 204, 303), moved.text
    assert (await program.get("/api/v1/stations/OLD")).json()["host"] == "10.0.0.9"


def tag(page: str) -> str:
    """What a form bears along of the station as it was shown."""
    found = re.search(r'name="seen" value="([^"]*)"', page)
    assert found is not None
    return html.unescape(found[1])

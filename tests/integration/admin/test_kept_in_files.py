"""Stations and rules that are kept in files are shown, held and tried, and changed by nobody at the desk."""

from pathlib import Path

from services.admin.access.role import Role
from services.admin.rules import rule_drafts, rule_sets
from services.admin.settings import AdminSettings
from services.admin.station import build
from services.admin.stations import add
from tests.desk import opened_desk

RULES = "version: 1\nrules:\n  - {name: all, when: {all: []}, send: [{to: WS}]}\n"
FIELDS = {"title": "WS", "host": "10.0.0.7", "port": 104, "store": True}
STATIONS, SETS = "/api/v1/stations", "/api/v1/rules"


async def test_what_is_kept_in_files_is_changed_there(database_url: str, tmp_path: Path) -> None:
    settings = AdminSettings(stations_in_files=True, rules_in_files=True)
    async with opened_desk(database_url, tmp_path, [Role.ADMIN], settings) as desk:
        await add(desk.database, "test", build(FIELDS))
        await rule_sets.apply(desk.database, "test", RULES, "")
        await rule_drafts.save(desk.database, "test", "next", RULES, "", rule_drafts.whatever)
        program = await desk.program()
        refused = [
            await program.post(STATIONS, json=FIELDS | {"title": "NEW"}),
            await program.post(f"{STATIONS}/import", json=[FIELDS]),
            await program.patch(f"{STATIONS}/WS", json={"port": 105}),
            await program.delete(f"{STATIONS}/WS"),
            await desk.admin.get("/stations/new/form"),
            await desk.admin.post("/stations", data={"title": "NEW", "host": "h", "port": "104"}),
            await desk.admin.post("/station-import", files={"file": ("s.yaml", b"[]")}),
            await desk.admin.post("/stations/WS", data={"seen": ""}),
            await desk.admin.post("/stations/WS/remove", data={"seen": ""}),
            await program.post(f"{SETS}/publish", json={"source": RULES}),
            await program.post(f"{SETS}/sets/1/roll-back", json={"comment": "back"}),
            await desk.admin.post("/rules/drafts/next/publish", data={"seen": "", "text": RULES}),
            await desk.admin.post("/rules/versions/1/roll-back", data={"comment": "back"}),
        ]
        assert [(each.status_code, "kept in files" in each.text) for each in refused] == [(403, True)] * len(refused)
        assert [row["title"] for row in await desk.rows("select title from config.station")] == ["WS"]
        for path, action in (("/stations", "/stations/new/form"), ("/stations/WS", "/stations/WS/remove"),
                             ("/rules/drafts/next", "/rules/drafts/next/publish")):  # fmt: skip
            shown = (await desk.admin.get(path)).text
            assert "kept in files" in shown
            assert f'"{action}"' not in shown
        held = await program.put(f"{STATIONS}/WS/hold", json={"why": "upgrade"})
        assert held.status_code == 200

"""Rules that are tried on the desk: on a dropped file, on what was received, on test cases; the editor of a draft."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pydicom.data
import pytest

from services.admin import stations
from services.admin.rules.dry_runs import DryRuns
from services.admin.station import build
from tests.desk import Desk
from tests.factories import ct, nm_gated_tomo
from tests.integration.admin.test_rules_desk import RULES, publish
from tests.recorded import Recorder
from tests.waiting import until_async

CT = Path(str(pydicom.data.get_testdata_file("CT_small.dcm"))).read_bytes()
COMPRESSED = Path(str(pydicom.data.get_testdata_file("JPEG2000.dcm"))).read_bytes()


@pytest.fixture(autouse=True)
async def two_stations(desk: Desk) -> None:
    for title in ("ARCHIVE", "XELERIS2"):
        fields = {"title": title, "host": "127.0.0.1", "port": 104, "store": True}
        await stations.add(desk.database, "cli:tests", build(fields))


async def test_a_dropped_file_says_where_it_would_go_and_is_not_stored(desk: Desk, tmp_path: Path) -> None:
    before = _files(tmp_path)
    text = RULES.replace("PT", "CT").encode()
    tried = await desk.operator.post(f"/rules/try?text_bytes={len(text)}&calling_aet=CT1", content=text + CT[:-20_000])
    assert tried.status_code == 200, tried.text
    assert re.search("It would go to <b>XELERIS2</b> by nm, <b>ARCHIVE</b> by archive", tried.text)
    assert "seen: CT" in tried.text

    never_now = datetime.now(UTC) + timedelta(days=2)
    later = f"{never_now:%a}".lower() + " 10:00-11:00 UTC"
    send = "send: [{to: XELERIS2}]"
    assert send in text.decode()
    how = f"schedule: [{later}]\n    transform: [{{do: remove, tag: [PatientName, PatientID]}}]\n    {send}"
    changed = text.decode().replace(send, how, 1).encode()
    waits = await desk.operator.post(f"/rules/try?text_bytes={len(changed)}&calling_aet=CT1", content=changed + CT)
    assert f"<b>XELERIS2</b> by nm, when {later} is open (until then it waits: " in waits.text
    assert "changed: remove PatientName, PatientID" in waits.text

    await publish(desk, RULES)
    told = (await desk.operator.post("/api/v1/rules/try", content=COMPRESSED[:6000])).json()
    assert [(each["to"], each["by"]) for each in told["goes"]] == [("XELERIS2", "nm"), ("ARCHIVE", "archive")]
    looks = await desk.rows("select actor, after from audit.entry where action = 'rules.try'")
    assert [(each["actor"], len(each["after"]["uids"])) for each in looks] == [("user:operator", 1)] * 3
    assert _files(tmp_path) == before

    for wrong in (b"", b"no file", b"\0" * 128 + b"DICM", CT[:410]):
        refused = await desk.operator.post("/api/v1/rules/try", content=wrong)
        assert (refused.status_code, refused.json()["status"]) == (422, 422)
    assert (await desk.operator.post("/api/v1/rules/try", content=b"0" * (10 << 20))).status_code == 422
    assert (await desk.viewer.post("/api/v1/rules/try", content=CT)).status_code == 403


async def test_a_dry_run_is_waited_for_and_compared(desk: Desk, database_url: str, tmp_path: Path) -> None:
    Recorder(database_url, tmp_path / "objects").record(ct(1), ct(2), nm_gated_tomo(3))
    await publish(desk, RULES)
    source = RULES.replace("[NM, PT]", "[CT]").replace("to: XELERIS2", "to: XELERIS2, transform: [{do: new_uids}]")
    wanted = {"source": source, "since_minutes": 60}
    begun = await desk.operator.post("/api/v1/rules/dry-runs", json=wanted)
    assert begun.status_code == 202, begun.text
    place = f"/api/v1/rules/dry-runs/{begun.json()['id']}"

    async def done() -> dict[str, Any] | None:
        told: dict[str, Any] = (await desk.operator.get(place)).json()
        return told if told["state"] != "running" else None

    told = await until_async(done, what="the dry-run to be done")
    assert told
    assert told["share"] == 1.0
    (newly, archived), (lost,) = told["result"]["rules"], told["result"]["no_longer_sent"]
    assert (newly["schedule"], newly["changes"], archived["changes"]) == ([], ["new uids"], [])
    assert (newly["to"], newly["newly_sent"]["instances"], archived["unchanged"]["instances"]) == ("XELERIS2", 2, 3)
    assert (lost["rule"], lost["to"], lost["instances"], len(lost["examples"])) == ("nm", "XELERIS2", 1, 1)
    shown = (await desk.operator.get(f"/rules/dry-runs/{begun.json()['id']}")).text
    assert "No longer sent" in shown
    assert "every 1s" not in shown
    assert (await desk.operator.get("/api/v1/rules/dry-runs/none")).status_code == 404
    assert "this dry-run is gone" in (await desk.operator.get("/rules/dry-runs/none")).text

    faulty = await desk.operator.post("/rules/dry-runs", data={"text": "version: 2", "since": "1h"})
    (run,) = re.findall('/rules/dry-runs/([^"/]+)"', faulty.text)
    await until_async(lambda: _holds(desk, f"/rules/dry-runs/{run}", "write 1"), what="the faults to be told")


async def _holds(desk: Desk, path: str, text: str) -> bool:
    return text in (await desk.operator.get(path)).text


async def test_only_two_dry_runs_run_and_one_can_be_stopped(desk: Desk) -> None:
    runs, go = DryRuns(), asyncio.Event()

    async def work(heard: Any) -> dict[str, Any]:
        await go.wait()
        heard(None)
        return {"instances": 0}

    desk.app.state.dry_runs = runs
    first, _ = (runs.begin(desk.runtime.supervisor, "user:x", work) for _ in range(2))
    wanted = {"source": RULES, "since_minutes": 1}
    assert (await desk.operator.post("/api/v1/rules/dry-runs", json=wanted)).status_code == 503
    stopped = await desk.operator.delete(f"/api/v1/rules/dry-runs/{first.id}")
    assert stopped.json()["state"] == "canceled"
    go.set()


async def test_test_cases_block_what_breaks_them(desk: Desk) -> None:
    await publish(desk, RULES)
    fields = {"name": "bone", "header": "elements: {Modality: NM}", "expected": "ARCHIVE, XELERIS2"}
    assert (await desk.admin.post("/rules/tests", data=fields)).headers["HX-Redirect"] == "/rules/tests"
    added = await desk.admin.post("/rules/tests/file?name=ct&expected=ARCHIVE", content=CT)
    assert added.headers["HX-Redirect"] == "/rules/tests"
    ran = (await desk.operator.post("/api/v1/rules/tests/run", json={})).json()
    assert [(each["case"], each["passed"]) for each in ran] == [("bone", True), ("ct", True)]

    broken = RULES.replace("NM, PT", "CT")
    refused = await desk.admin.post("/api/v1/rules/publish", json={"source": broken, "wait": 0})
    assert (refused.status_code, [each["case"] for each in refused.json()["errors"]]) == (422, ["bone", "ct"])
    assert "2 test cases fail" in (await desk.operator.post("/rules/check", data={"text": broken})).text
    again = await desk.admin.post("/rules/tests", data=fields)
    assert (again.status_code, "is there already" in again.text) == (409, True)
    case = {"header": "elements: {Modality: PT}", "expected": []}
    assert (await desk.admin.put("/api/v1/rules/tests/bone", json=case)).status_code == 428
    seen = {"If-Match": (await desk.operator.get("/api/v1/rules/tests/bone")).headers["ETag"]}
    put = await desk.admin.put("/api/v1/rules/tests/bone", json=case, headers=seen)
    assert put.json() == {"name": "bone", "replaced": True}
    file = "/api/v1/rules/tests/bone/file?nowhere=true"
    assert (await desk.admin.put(file, content=CT, headers=seen)).status_code == 412
    assert (await desk.admin.post("/rules/tests/bone/remove", data={"seen": seen["If-Match"]})).status_code == 412
    assert (await desk.admin.delete("/api/v1/rules/tests/bone")).status_code == 428
    seen = {"If-Match": put.headers["ETag"]}
    assert (await desk.admin.put("/api/v1/rules/tests/other", json=case, headers=seen)).status_code == 412
    assert (await desk.admin.put("/api/v1/rules/tests/other", json=case)).status_code == 200
    assert (await desk.admin.delete("/api/v1/rules/tests/bone", headers=seen)).status_code == 204
    assert "bone" not in (await desk.viewer.get("/rules/tests")).text


async def test_the_editor_saves_and_publishes_what_was_seen(desk: Desk) -> None:
    await publish(desk, RULES)
    begun = await desk.admin.post("/rules/drafts", data={"name": "next"})
    path = begun.headers["HX-Redirect"]
    assert (await desk.admin.post("/rules/drafts", data={"name": "next"})).status_code == 409
    seen = _seen((await desk.admin.get(path)).text)
    checked = await desk.operator.post("/rules/check", data={"text": RULES.replace("op: in", "op: among")})
    assert 'data-line="5"' in checked.text

    text = RULES.replace("PT", "CT").replace("\n", "\r\n")
    saved = await desk.admin.post(path, data={"seen": seen, "text": text})
    late = await desk.admin.post(path, data={"seen": seen, "text": ""})
    assert (saved.status_code, late.status_code) == (200, 412)
    published = await desk.admin.post(f"{path}/publish", data={"seen": _seen(saved.text), "text": text, "comment": "c"})
    assert "Rule set 2 is live" in published.text
    assert (await desk.viewer.get("/api/v1/rules/live")).json()["source"] == RULES.replace("PT", "CT")
    assert (await desk.admin.get(path)).status_code == 404


async def test_names_and_values_for_conditions(desk: Desk, database_url: str, tmp_path: Path) -> None:
    Recorder(database_url, tmp_path / "objects").record(ct(1), ct(2), nm_gated_tomo(3), calling_aet="CT1")
    named = (await desk.operator.get("/api/v1/rules/names?q=modal")).json()
    assert named[0] == {"written": "Modality", "told": "(0008,0060) CS"}
    assert 'value="Modality"' in (await desk.operator.get("/rules/names?subject=0008,0060")).text
    seen = (await desk.operator.get("/api/v1/rules/values?name=Modality")).json()
    assert seen == [{"value": "CT", "instances": 2}, {"value": "NM", "instances": 1}]
    assert 'value="CT1"' in (await desk.operator.get("/rules/values?subject=calling_aet")).text
    explained = await desk.operator.post("/api/v1/rules/explanations", json={"uid": ct(1).study_instance_uid})
    assert explained.json()["instances"] == 1
    looks = await desk.rows("select action, object from audit.entry where action like 'rules.%%' order by at, id")
    assert [each["action"] for each in looks] == ["rules.values", "rules.values", "rules.explain"]


async def test_the_page_says_what_each_condition_saw(desk: Desk, database_url: str, tmp_path: Path) -> None:
    """By the rules live at receipt, those of a number, a draft, or the text that is edited."""
    Recorder(database_url, tmp_path / "objects").record(ct(1), calling_aet="CT1")
    uid = ct(1).sop_instance_uid
    assert "no rule set was live at receipt" in (await desk.viewer.get(f"/rules/explain?uid={uid}")).text
    await publish(desk, RULES)
    await desk.admin.put("/api/v1/rules/drafts/next", json={"source": RULES.replace("PT", "CT")})
    by_number = (await desk.operator.get(f"/rules/explain?uid={uid}&by=1")).text
    assert re.search(r"<b>nm</b> <span[^>]*>did not match.*Modality in.*?<small>found CT</small>", by_number, re.DOTALL)
    by_draft = (await desk.operator.get(f"/rules/explain?uid={uid}&by=next")).text
    assert re.search(r"<b>nm</b> <span[^>]*>matched", by_draft)
    text = RULES.replace("[NM, PT]", "[CT]").replace("name: nm", "name: <i>")
    edited = await desk.operator.post("/rules/explain", data={"uid": f" {uid} ", "text": text})
    assert re.search(r"<b>&lt;i&gt;</b> <span[^>]*>matched", edited.text)
    looks = await desk.rows("select actor from audit.entry where action = 'rules.explain' order by at, id")
    assert [each["actor"] for each in looks] == ["user:viewer", *["user:operator"] * 3]
    for wrong, code in (("uid=none", 422), ("uid=1.2.3", 404), (f"uid={uid}&by=77", 404), (f"uid={uid}&by=gone", 404)):
        assert (await desk.operator.get(f"/rules/explain?{wrong}")).status_code == code, wrong


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _seen(text: str) -> str:
    (tag,) = re.findall('name="seen" id="seen" value="&#34;([0-9a-f]+)&#34;"', text)
    return f'"{tag}"'

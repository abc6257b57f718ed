"""A station is tried with a sample: what does not commit it does not pass, whoever is asked to."""

import asyncio
from typing import Any

import pytest

from services.admin.commissioning import trial
from tests.desk import Desk
from tests.stations.committer import Committer
from tests.waiting import until_async

REPORTED = """
insert into commitment.report (received_at, object_key, calling_aet, peer_address, association, transaction_uid,
                               event_type, digest, committed, failed, verdict)
values (now(), %s, 'SERVER', '127.0.0.1', '', %s, 1, '', %s, %s, 'FOREIGN')"""


async def tried(desk: Desk, server: Committer, *, committed: bool, title: str = "ARCHIVE") -> dict[str, Any]:
    """The outcome, once the server was asked and has reported."""
    count = len(server.asked)
    trying = asyncio.create_task(desk.admin.post(f"/api/v1/stations/{title}/test", json={"store": True}))

    async def asked() -> bool:
        return len(server.asked) > count

    await until_async(asked, what="an N-ACTION")
    uid = server.asked[-1].transaction_uid
    await desk.rows(REPORTED, uid, uid, int(committed), int(not committed))
    told: dict[str, Any] = (await trying).json()
    return told | {"steps": {step["name"]: step for step in told["steps"]}}


async def defined(desk: Desk, title: str, port: int, **fields: Any) -> None:
    body = {"title": title, "host": "127.0.0.1", "port": port, "store": True} | fields
    answer = await desk.admin.post("/api/v1/stations", json=body)
    assert answer.status_code == 201, answer.text


async def test_who_does_not_commit_the_sample_does_not_pass(desk: Desk) -> None:
    with Committer(title="ARCHIVE") as archive:
        await defined(desk, "ARCHIVE", archive.port, commit_server=True)
        refused = await tried(desk, archive, committed=False)
        assert (refused["passed"], refused["steps"]["Report"]["verdict"]) == (False, "failed")
        assert "did not commit the sample" in refused["steps"]["Report"]["text"]
        kept = await tried(desk, archive, committed=True)
        assert (kept["passed"], kept["steps"]["Report"]["verdict"]) == (True, "passed")


async def test_another_server_that_commits_for_the_station_is_tried_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Committer(title="ARCHIVE") as archive, Committer(title="SERVER") as server:
        await defined(desk, "SERVER", server.port, commit_server=True)
        await defined(desk, "ARCHIVE", archive.port, commit_on="SERVER")
        told = await tried(desk, server, committed=True)
        assert told["passed"]
        assert "SERVER takes the request" in told["steps"]["N-ACTION"]["text"]
        assert not archive.asked
        monkeypatch.setattr(trial, "REPORT_SECONDS", 0.1)
        silent = (await desk.admin.post("/stations/ARCHIVE/test", data={"store": "true"})).text
        assert "something does not work" in silent
        assert "no report of SERVER came" in silent
        await desk.rows("update config.station set commit_on = null where title = 'ARCHIVE'")
        alone = (await desk.admin.post("/stations/ARCHIVE/test", data={"store": "true"})).text
        assert "what was tried works" in alone
        assert "nobody is asked to commit" in alone

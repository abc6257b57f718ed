"""Who gets in: log in and out, sessions that end, throttling, requests that another site made a browser send."""

import asyncio
import html
import re

import pytest
from argon2 import PasswordHasher

from services.admin.access import accounts, passwords, sessions, throttling, tidying
from services.admin.access.role import Role
from services.admin.access.sessions import Lifetime, LoginFailed
from services.admin.access.throttling import FREE_FAILURES
from services.admin.web import live
from services.admin.web.pages import events
from tests.desk import ADDRESS, PASSWORD, URL, Desk

OTHER_PLACES = [
    "//evil.test/", "https://evil.test/", "/\\evil.test", "/\t/evil.test", "javascript:alert(1)", "\\\\evil.test",
]  # fmt: skip


async def test_who_is_not_logged_in_is_sent_to_the_form_and_back(desk: Desk) -> None:
    nobody = await desk.client()
    sent = await nobody.get("/jobs?state=FAILED")
    assert (sent.status_code, sent.headers["Location"]) == (303, "/login?next=/jobs%3Fstate%3DFAILED")
    form = await nobody.get(sent.headers["Location"])
    assert 'value="/jobs?state=FAILED"' in form.text
    told = {"name": " Viewer ", "password": PASSWORD, "next": "/jobs?state=FAILED"}
    back = await nobody.post("/login", data=told, headers={"Origin": URL})
    assert (back.status_code, back.headers["Location"]) == (303, "/jobs?state=FAILED")
    cookie = back.headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert (await nobody.get("/jobs")).status_code == 200
    await desk.rows("delete from config.session")
    shown = {"HX-Request": "true", "HX-Current-URL": f"{URL}/stations/A%2FB?x=1", "Origin": URL}
    part = await nobody.post("/stations/CT1", data={"host": "127.0.0.1"}, headers=shown)
    back = "/login?next=/stations/A%252FB%3Fx%3D1&ended=true"
    assert (part.status_code, part.headers["HX-Redirect"]) == (401, back)
    form = await nobody.get(back)
    assert "Your session has ended" in form.text
    assert 'value="/stations/A%2FB?x=1"' in form.text


async def test_what_changes_is_told_for_a_while_and_then_to_who_may_still_hear_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(events, "LONGEST_SECONDS", 0.1)
    heard = await desk.viewer.get("/events")
    assert heard.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert heard.text.startswith("event: tick\ndata: \n\nevent: tick\n")
    await accounts.remove(desk.database, "cli:tests", "viewer")
    assert (await desk.viewer.get("/events")).headers["Location"] == "/login?next=/events&ended=true"


async def test_after_logging_in_nobody_is_led_to_another_site(desk: Desk) -> None:
    for place in OTHER_PLACES:
        client = await desk.client()
        assert f'value="{place}"' not in (await client.get("/login", params={"next": place})).text
        told = {"name": "viewer", "password": PASSWORD, "next": place}
        answer = await client.post("/login", data=told, headers={"Origin": URL})
        assert answer.headers["Location"] == "/", place


async def test_log_out_ends_the_session_for_whoever_has_its_cookie(desk: Desk) -> None:
    copied = await desk.client(cookies=dict(desk.viewer.cookies))
    assert (await copied.get("/jobs")).status_code == 200
    answer = await desk.viewer.post("/logout")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert (await copied.get("/jobs")).status_code == 303


@pytest.mark.parametrize("column", ["seen_at", "created_at"])
async def test_a_session_ends_when_it_is_idle_or_old(desk: Desk, column: str) -> None:
    hours = {"seen_at": 1, "created_at": 12}[column]
    age = f"update config.session set {column} = now() - interval"  # noqa: S608 - one of the two above
    await desk.rows(f"{age} '{hours} hours' + interval '30 seconds'")
    assert (await desk.viewer.get("/jobs")).status_code == 200
    await desk.rows(f"{age} '{hours} hours 1 second'")
    assert (await desk.viewer.get("/jobs")).status_code == 303
    await tidying.tidy(desk.database, Lifetime(60, 12))
    assert await desk.rows("select from config.session") == []


async def test_who_fails_often_has_to_wait_by_name_and_by_address(desk: Desk) -> None:
    async def tried(name: str, password: str, address: str) -> tuple[int, str]:
        client = await desk.client(address)
        answer = await client.post("/login", data={"name": name, "password": password})
        return answer.status_code, answer.text

    for number in range(FREE_FAILURES):
        status, text = await tried("viewer", "wrong password", f"10.0.0.{number}")
        assert (status, "do not fit" in text) == (403, True)
    assert "too many attempts" in (await tried("viewer", PASSWORD, "10.0.0.9"))[1]
    assert (await tried("operator", PASSWORD, "10.0.0.9"))[0] == 303
    await desk.rows("update config.failed_login set at = at - interval '2 minutes'")
    assert (await tried("viewer", PASSWORD, "10.0.0.9"))[0] == 303, "who knows the password gets in after a while"
    assert await desk.rows("select from config.failed_login where name = 'viewer'") == []
    for number in range(FREE_FAILURES):
        assert "do not fit" in (await tried(f"nobody{number}", "wrong password", ADDRESS))[1]
    assert "too many attempts" in (await tried("admin", PASSWORD, ADDRESS))[1]
    await desk.rows("update config.failed_login set at = at - interval '61 minutes'")
    await tidying.tidy(desk.database, Lifetime(60, 12))
    assert await desk.rows("select from config.failed_login") == []


async def test_of_many_wrong_logins_at_once_no_more_are_judged_than_may_fail(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged, fits, wait_seconds = [], passwords.fits, throttling.wait_seconds

    async def counted(password: str, kept: str | None) -> bool:
        judged.append(password)
        return await fits(password, kept)

    monkeypatch.setattr(passwords, "fits", counted)
    monkeypatch.setattr(throttling, "wait_seconds", lambda failures, _: wait_seconds(failures, 0))  # all at one moment
    wrong = {"name": "viewer", "password": "wrong password"}
    clients = [await desk.client(f"10.0.1.{number}") for number in range(50)]
    answers = await asyncio.gather(*(each.post("/login", data=wrong) for each in clients))
    assert {answer.status_code for answer in answers} == {403}
    assert len(judged) == FREE_FAILURES, "by name"
    answers = await asyncio.gather(
        *(clients[0].post("/login", data=wrong | {"name": f"nobody{number}"}) for number in range(50))
    )
    assert len(judged) == 2 * FREE_FAILURES - 1, "by address, from which one has failed already"
    monkeypatch.setattr(throttling, "wait_seconds", wait_seconds)
    await desk.rows("update config.failed_login set at = at - interval '2 minutes'")
    back = await desk.client("10.0.1.99")
    assert (await back.post("/login", data={"name": "viewer", "password": PASSWORD})).status_code == 303
    assert await desk.rows("select from config.failed_login where name = 'viewer'") == []


async def test_what_another_site_makes_a_browser_send_is_refused(desk: Desk) -> None:
    browser = await desk.client(cookies=dict(desk.operator.cookies))
    token = desk.operator.headers["X-CSRF-Token"]
    path = "/stations/CT1/resume"
    evil = {"Origin": "https://evil.test"}
    told = {"name": "viewer", "password": PASSWORD}
    assert (await browser.post("/login", data=told, headers={"Origin": "http://["})).status_code == 403
    assert (await browser.get("/patients", headers={"HX-Request": "true", "HX-Current-URL": "http://["})).is_success
    refused = [
        await browser.post(path),
        await browser.post(path, headers={"X-CSRF-Token": "guessed", "Origin": URL}),
        await browser.post(path, headers={"X-CSRF-Token": token} | evil),
        await browser.post(path, headers={"X-CSRF-Token": token, "Origin": "null"}),
        await browser.post(path, headers={"X-CSRF-Token": desk.admin.headers["X-CSRF-Token"], "Origin": URL}),
        await browser.post(path, data={"csrf_token": "guessed"}),
        await browser.post("/api/v1/jobs/11111111-1111-1111-1111-111111111111/cancel", headers={"Origin": URL}),
        await browser.post("/logout", headers=evil),
        await browser.post("/login", data={"name": "viewer", "password": PASSWORD}, headers=evil),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert (await browser.post(path, data={"csrf_token": token})).status_code != 403
    assert (await browser.post(path, headers={"X-CSRF-Token": token, "Origin": URL})).status_code != 403


async def test_another_password_and_removal_end_the_sessions_of_that_user_alone(desk: Desk) -> None:
    await accounts.set_password(desk.database, "cli:tests", "viewer", "another good password")
    assert (await desk.viewer.get("/jobs")).status_code == 303
    assert (await desk.operator.get("/jobs")).status_code == 200
    again = await desk.logged_in("viewer", "another good password")
    await accounts.remove(desk.database, "cli:tests", "viewer")
    assert (await again.get("/jobs")).status_code == 303


async def test_a_password_kept_with_other_parameters_is_kept_with_todays_once_it_is_given(desk: Desk) -> None:
    async def kept() -> str:
        (row,) = await desk.rows("select password_hash from config.account where name = 'viewer'")
        return str(row["password_hash"])

    former = PasswordHasher(time_cost=2, memory_cost=16, parallelism=2).hash(PASSWORD)
    await desk.rows("update config.account set password_hash = %s where name = 'viewer'", former)
    with pytest.raises(LoginFailed):
        await sessions.log_in(desk.database, "viewer", "wrong password", ADDRESS)
    assert await kept() == former
    await sessions.log_in(desk.database, "viewer", PASSWORD, ADDRESS)
    renewed = await kept()
    assert not passwords.outdated(renewed)
    await sessions.log_in(desk.database, "viewer", PASSWORD, ADDRESS)
    assert await kept() == renewed, "what is of today stays"


async def test_another_role_counts_from_the_next_click_on(desk: Desk) -> None:
    assert (await desk.operator.get("/audit")).status_code == 403
    await accounts.set_role(desk.database, "cli:tests", "operator", Role.ADMIN)
    assert (await desk.operator.get("/audit")).status_code == 200
    await accounts.set_role(desk.database, "cli:tests", "operator", Role.VIEWER)
    assert (await desk.operator.post("/stations/CT1/resume")).status_code == 403


async def test_a_role_is_changed_as_it_was_seen(desk: Desk) -> None:
    path, wanted = "/api/v1/users/viewer/role", {"role": "operator"}
    page = (await desk.admin.get("/users")).text
    shown = re.search(r'value="viewer"><input type="hidden" name="seen" value="([^"]+)"', page)
    assert shown is not None
    shown_tag = html.unescape(shown[1])
    assert (await desk.admin.put(path, json=wanted)).status_code == 428
    seen = {"If-Match": (await desk.admin.get("/api/v1/users/viewer")).headers["ETag"]}
    assert (await desk.viewer.get("/stations")).status_code == 200  # that he is seen is no edit
    assert (await desk.admin.put(path, json=wanted, headers=seen)).status_code == 204
    assert (await desk.admin.put(path, json={"role": "admin"}, headers=seen)).status_code == 412
    late = await desk.admin.post("/users/role", data={"name": "viewer", "role": "admin", "seen": shown_tag})
    assert (late.status_code, "changed meanwhile" in late.text) == (412, True)
    assert (await desk.admin.get("/api/v1/users/viewer")).json()["role"] == "operator"
    assert (await desk.admin.get("/api/v1/users/nobody")).status_code == 404


async def test_there_is_always_an_admin(desk: Desk) -> None:
    refused = [
        await desk.admin.post("/users/role", data={"name": "admin", "role": "viewer", "seen": "*"}),
        await desk.admin.post("/users/remove", data={"name": "admin"}),
        await desk.admin.delete("/api/v1/users/admin"),
        await desk.admin.put("/api/v1/users/admin/role", json={"role": "operator"}, headers={"If-Match": "*"}),
    ]
    assert [(answer.status_code, "the last admin" in answer.text) for answer in refused] == [(409, True)] * 4
    await accounts.set_role(desk.database, "cli:tests", "operator", Role.ADMIN)
    outcomes = await asyncio.gather(
        desk.admin.delete("/api/v1/users/operator"), desk.operator.delete("/api/v1/users/admin")
    )
    assert len(await desk.rows("select from config.account where role = 'admin'")) == 1, outcomes


async def test_the_first_account_is_made_once_however_many_processes_start(desk: Desk) -> None:
    assert await accounts.add_first(desk.database) is None
    await desk.rows("delete from config.account")
    made = await asyncio.gather(*(accounts.add_first(desk.database) for _ in range(5)))
    (password,) = [each for each in made if each is not None]
    token = await sessions.log_in(desk.database, "admin", password, ADDRESS)
    found = await sessions.find(desk.database, token, Lifetime(60, 12))
    assert found is not None
    assert found.role == Role.ADMIN


async def test_people_change_their_own_password_with_the_one_they_have(desk: Desk) -> None:
    """It is theirs to know: guesses wait as at the form; afterwards every browser logs in again."""
    other = "another horse battery"
    guess = {"current": "a guess of somebody", "wanted": other}
    assert (await desk.viewer.post("/account/password", data=guess)).status_code == 403
    short = {"current": PASSWORD, "wanted": "short"}
    assert (await desk.viewer.post("/account/password", data=short)).status_code == 422
    changed = await desk.viewer.post("/account/password", data={"current": PASSWORD, "wanted": other})
    assert changed.headers["HX-Redirect"] == "/login"
    assert (await desk.viewer.get("/account")).status_code == 303
    assert await sessions.verify(desk.database, "viewer", other, ADDRESS) == "viewer"
    with pytest.raises(sessions.LoginFailed):
        await sessions.verify(desk.database, "viewer", PASSWORD, ADDRESS)

"""Log in by an OpenID provider: a real one on 127.0.0.1, over HTTP."""

import asyncio
import html
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.admin.access import accounts
from services.admin.access.oidc import logins
from services.admin.access.oidc.provider import Provider
from services.admin.access.oidc.settings import OidcSettings
from services.admin.access.role import Role
from services.admin.access.throttling import FREE_FAILURES
from services.runtime.errors import Unavailable, UsageError
from tests.certificates import certify
from tests.desk import ADDRESS, PASSWORD, URL, Desk, csrf_token, opened_desk
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider, oidc_provider

SETTINGS: dict[str, Any] = {
    "name": "City Hospital", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "viewer_groups": "readers; nurses",
    "operator_groups": "cn=technicians,ou=radiology", "admin_groups": "pacs-admins",
}  # fmt: skip


@dataclass
class Hospital:
    """The desk and the provider that its users log in by."""

    desk: Desk
    provider: OidcProvider

    async def sent(self, path: str = "/login/oidc") -> tuple[httpx.AsyncClient, str]:
        """A browser that was sent to the provider, and where that sends it back to."""
        browser = await self.desk.client()
        away = await browser.get(path)
        assert away.status_code == 303, away.text
        assert away.headers["Location"].startswith(f"{self.provider.issuer}/authorize?")
        async with httpx.AsyncClient() as outside:
            back = (await outside.get(away.headers["Location"])).headers["Location"]
        assert back.startswith(f"{URL}/login/oidc/callback?")
        return browser, back

    async def tried(self, path: str = "/login/oidc") -> tuple[httpx.AsyncClient, httpx.Response]:
        """A browser that went there and came back."""
        browser, back = await self.sent(path)
        return browser, await browser.get(back)

    async def refusal(self) -> str:
        """Why somebody is not let in; he has no session, and it is audited."""
        browser, answer = await self.tried()
        assert answer.status_code == 403, answer.text
        assert "gateway_session" not in browser.cookies
        (entry,) = await self.desk.rows("select action, address from audit.entry order by id desc limit 1")
        assert entry == {"action": "session.refuse", "address": ADDRESS}
        return answer.text


@pytest.fixture
async def hospital(database_url: str, tmp_path: Path, quick_passwords: None) -> AsyncIterator[Hospital]:
    async with oidc_provider() as provider:
        settings = OidcSettings(issuer=provider.issuer, **SETTINGS)
        async with opened_desk(database_url, tmp_path, (), provider=Provider(settings)) as desk:
            yield Hospital(desk, provider)


async def test_who_comes_from_the_provider_has_the_highest_role_of_his_groups(hospital: Hospital) -> None:
    desk = hospital.desk
    assert "Log in with City Hospital" in (await (await desk.client()).get("/login")).text
    for name, groups, role in (
        ("Viewer@Hospital.example", ["nurses"], Role.VIEWER),
        ("operator", ["readers", "cn=technicians,ou=radiology"], Role.OPERATOR),
        ("admin", ["pacs-admins", "readers"], Role.ADMIN),
    ):
        hospital.provider.log_in_as(name, *groups)
        browser, answer = await hospital.tried("/login/oidc?next=/jobs%3Fstate%3DFAILED")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/jobs?state=FAILED")
        cookie = next(each for each in answer.headers.get_list("Set-Cookie") if each.startswith("gateway_session="))
        assert "httponly; path=/; samesite=lax" in cookie.lower()
        assert f"{name.lower()} <small>{role}</small>" in (await browser.get("/jobs")).text
    rows = await accounts.list_all(desk.database)
    assert {(row["name"], row["role"], row["origin"]) for row in rows} == {
        ("viewer@hospital.example", "viewer", "oidc"), ("operator", "operator", "oidc"), ("admin", "admin", "oidc"),
    }  # fmt: skip
    entries = await desk.rows("select actor, action, after from audit.entry order by id limit 2")
    assert [tuple(entry.values()) for entry in entries] == [
        ("oidc", "user.add", {"role": "viewer", "origin": "oidc"}),
        ("user:viewer@hospital.example", "session.begin", None),
    ]


async def test_groups_count_at_each_login_and_who_has_none_any_more_is_out(hospital: Hospital) -> None:
    hospital.provider.log_in_as("doe", "readers")
    first, _ = await hospital.tried()
    assert (await first.get("/audit")).status_code == 403
    hospital.provider.log_in_as("doe", "pacs-admins")
    second, _ = await hospital.tried()
    assert (await second.get("/audit")).status_code == 200
    hospital.provider.log_in_as("doe", "gardeners")
    assert "doe is in no group that may use this gateway" in await hospital.refusal()
    assert [(await browser.get("/jobs")).status_code for browser in (first, second)] == [303, 303]
    hospital.provider.log_in_as("stranger")
    assert "in no group" in await hospital.refusal()
    assert [each["name"] for each in await accounts.list_all(hospital.desk.database)] == ["doe"]


async def test_a_token_that_is_not_right_in_everything_lets_nobody_in(hospital: Hospital) -> None:
    hospital.provider.log_in_as("doe", "pacs-admins")
    now = int(time.time())
    wrong: list[dict[str, Any]] = [
        {"nonce": "of another login"}, {"nonce": None}, {"aud": "another-client"}, {"iss": "https://evil.test"},
        {"aud": "another-client", "azp": CLIENT_ID}, {"azp": "another-client"}, {"exp": now - 90}, {"iat": now + 600},
        {"nbf": now + 600},
    ]  # fmt: skip
    for each in wrong:
        hospital.provider.wrong = each
        assert "not to be believed" in await hospital.refusal(), each
    hospital.provider.wrong, hospital.provider.forged = {}, True
    assert "not to be believed: bad_signature" in await hospital.refusal()
    assert await accounts.list_all(hospital.desk.database) == []


async def test_clocks_may_differ_by_a_minute_and_keys_change(hospital: Hospital) -> None:
    hospital.provider.log_in_as("doe", "readers")
    hospital.provider.wrong = {"exp": int(time.time()) - 30, "iat": int(time.time()) + 30}
    assert (await hospital.tried())[1].status_code == 303
    hospital.provider.rotate()
    assert (await hospital.tried())[1].status_code == 303
    assert hospital.provider.asked == ["document", "keys", "keys"], "asked once, and again for a key that is new"


async def test_of_logins_that_nobody_finishes_there_is_a_limit(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "MOST_FROM_ADDRESS", 3)
    flooding = await hospital.desk.client("10.0.1.1")
    answers = await asyncio.gather(*(flooding.get("/login/oidc") for _ in range(9)))
    assert sorted(each.status_code for each in answers) == [303] * 3 + [403] * 6
    refused = next(each for each in answers if each.status_code == 403)
    assert "too many logins were begun and not finished" in refused.text
    (kept,) = await hospital.desk.rows("select count(*) as count from config.oidc_attempt")
    assert kept["count"] == 3
    other = await hospital.desk.client("10.0.1.2")
    assert (await other.get("/login/oidc")).status_code == 303, "from elsewhere people get in"
    monkeypatch.setattr(logins, "MOST_ATTEMPTS", 4)
    assert (await other.get("/login/oidc")).status_code == 403
    await hospital.desk.rows("update config.oidc_attempt set begun_at = begun_at - interval '11 minutes'")
    assert (await flooding.get("/login/oidc")).status_code == 303


async def test_a_login_is_finished_once_and_by_the_browser_that_began_it(hospital: Hospital) -> None:
    hospital.provider.log_in_as("doe", "readers")
    browser, back = await hospital.sent()
    thief = await hospital.desk.client()
    assert (await thief.get(back)).status_code == 403
    cookie = dict(browser.cookies)
    assert (await browser.get(back)).status_code == 303
    again = await hospital.desk.client(cookies=cookie)
    assert "finished already" in (await again.get(back)).text
    slow, late = await hospital.sent()
    await hospital.desk.rows("update config.oidc_attempt set begun_at = begun_at - interval '11 minutes'")
    assert (await slow.get(late)).status_code == 403
    hospital.provider.refusal = "access_denied"
    assert "City Hospital did not let you in" in await hospital.refusal()
    for _ in range(FREE_FAILURES):
        assert (await thief.get("/login/oidc/callback")).status_code == 403
    assert "too many attempts failed" in (await thief.get("/login/oidc/callback")).text
    (refusals,) = await hospital.desk.rows("select count(*) as count from audit.entry where action = 'session.refuse'")
    assert refusals["count"] == 1 + FREE_FAILURES, "nobody fills the audit"


async def test_after_the_provider_nobody_is_led_to_another_site(hospital: Hospital) -> None:
    hospital.provider.log_in_as("doe", "readers")
    for place in ("//evil.test/", "https://evil.test/", "/%5Cevil.test", "/%09/evil.test"):
        assert (await hospital.tried(f"/login/oidc?next={place}"))[1].headers["Location"] == "/", place


async def test_names_of_others_are_not_taken_and_a_person_stays_who_he_is(hospital: Hospital) -> None:
    """An account with a password, and one of another person at the provider, are somebody else's."""
    desk = hospital.desk
    await accounts.add(desk.database, "cli:tests", "chief", Role.ADMIN, PASSWORD)
    hospital.provider.log_in_as("chief", "readers")
    assert "somebody else" in await hospital.refusal()
    hospital.provider.log_in_as("doe", "readers", subject="1")
    await hospital.tried()
    hospital.provider.log_in_as("doe", "pacs-admins", subject="2")
    assert "somebody else" in await hospital.refusal()
    hospital.provider.log_in_as("married", "readers", subject="1")
    browser, _ = await hospital.tried()
    assert "doe <small>viewer</small>" in (await browser.get("/jobs")).text
    hospital.provider.log_in_as("DOMAIN\\doe", "readers")
    assert "is no name here" in await hospital.refusal()
    hospital.provider.claims = {"sub": "3", "groups": ["readers"]}
    assert "does not say your name" in await hospital.refusal()


async def test_what_the_provider_decides_is_not_decided_here(hospital: Hospital) -> None:
    desk = hospital.desk
    hospital.provider.log_in_as("boss", "pacs-admins")
    boss, _ = await hospital.tried()
    boss.headers.update({"X-CSRF-Token": await csrf_token(boss), "Origin": URL})
    users = (await boss.get("/users")).text
    assert "by City Hospital" in users
    assert "New password" not in users
    for path, told in (("role", {"role": "viewer"}), ("password", {"password": PASSWORD})):
        answer = await boss.put(f"/api/v1/users/boss/{path}", json=told)
        assert (answer.status_code, "OpenID provider" in answer.text) == (409, True)
    assert (await boss.post("/account/password", data={"current": PASSWORD, "wanted": PASSWORD})).status_code == 403
    assert "City Hospital, which keeps your password" in (await boss.get("/account")).text
    assert (await boss.post("/login", data={"name": "boss", "password": ""})).status_code in (403, 422)
    await accounts.add(desk.database, "cli:tests", "local", Role.ADMIN, PASSWORD)
    last = await boss.delete("/api/v1/users/local")
    assert (last.status_code, "the last admin" in last.text) == (409, True), "one who needs no provider stays"
    assert (await boss.delete("/api/v1/users/boss")).status_code == 204
    assert (await boss.get("/jobs")).status_code == 303


async def test_who_logs_out_is_logged_out_at_the_provider_too(hospital: Hospital) -> None:
    desk, provider = hospital.desk, hospital.provider

    async def logged_out() -> httpx.Response:
        provider.log_in_as("doe", "readers")
        browser, _ = await hospital.tried()
        browser.headers.update({"X-CSRF-Token": await csrf_token(browser), "Origin": URL})
        answer = await browser.post("/logout")
        assert (await browser.get("/jobs")).status_code == 303, "here he is out in any case"
        assert not {"gateway_session", "gateway_provider"} & {cookie.name for cookie in browser.cookies.jar}
        return answer

    page = await logged_out()
    assert (page.status_code, "doe <small>" in page.text) == (200, False)
    (onward,) = re.findall(r'http-equiv="refresh" content="0; url=([^"]+)"', page.text)
    async with httpx.AsyncClient() as outside:
        back = (await outside.get(html.unescape(onward))).headers["Location"]
    assert (provider.ended, back) == (["subject of doe"], f"{URL}/login")
    provider.ends_sessions = False
    desk.app.state.desk = replace(desk.app.state.desk, provider=Provider(desk.app.state.desk.provider.settings))
    assert (await logged_out()).headers["Location"] == "/login"


async def test_what_only_the_userinfo_endpoint_says_counts_too(hospital: Hospital) -> None:
    hospital.provider.claims = {"sub": "7"}
    hospital.provider.userinfo = {"preferred_username": "doe", "groups": ["readers"]}
    assert (await hospital.tried())[1].status_code == 303
    hospital.provider.userinfo |= {"sub": "8"}
    assert "speaks of somebody else" in await hospital.refusal()


async def test_a_provider_with_a_certificate_of_an_own_ca_is_believed_with_that_ca_alone(tmp_path: Path) -> None:
    certify(tmp_path)
    async with oidc_provider(tmp_path / "server.pem") as provider:
        provider.log_in_as("doe", "readers")
        known = Provider(OidcSettings(issuer=provider.issuer, ca_file=tmp_path / "ca.pem", **SETTINGS))
        unknown = Provider(OidcSettings(issuer=provider.issuer, **SETTINGS))
        assert (await known.send(f"{URL}/login/oidc/callback")).url.startswith(provider.issuer)
        with pytest.raises(Unavailable, match="City Hospital does not answer"):
            await unknown.send(f"{URL}/login/oidc/callback")


async def test_while_the_provider_is_away_passwords_let_in(
    database_url: str, tmp_path: Path, quick_passwords: None
) -> None:
    async with oidc_provider() as provider:
        issuer = provider.issuer
    settings = OidcSettings(issuer=issuer, **SETTINGS)
    async with opened_desk(database_url, tmp_path, (Role.VIEWER,), provider=Provider(settings)) as desk:
        answer = await (await desk.client()).get("/login/oidc")
        assert (answer.status_code, "City Hospital does not answer" in answer.text) == (503, True)
        assert (await desk.logged_in("viewer")).cookies
        assert (await desk.viewer.get("/jobs")).status_code == 200


async def test_passwords_can_be_switched_off_where_there_is_a_provider(database_url: str, tmp_path: Path) -> None:
    settings = OidcSettings(issuer="http://127.0.0.1:1", local_passwords=False, **SETTINGS)
    async with opened_desk(database_url, tmp_path, (), provider=Provider(settings)) as desk:
        nobody = await desk.client()
        form = (await nobody.get("/login")).text
        assert ('type="password"' in form, "Log in with City Hospital" in form) == (False, True)
        answer = await nobody.post("/login", data={"name": "admin", "password": PASSWORD})
        assert answer.status_code == 403


async def test_without_a_provider_there_is_no_way_to_it(desk: Desk) -> None:
    nobody = await desk.client()
    assert "/login/oidc" not in (await nobody.get("/login")).text
    for path in ("/login/oidc", "/login/oidc/callback"):
        assert (await nobody.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"issuer": "login.example.org"}, "ISSUER: it should be a URL"),
        ({"issuer": "http://login.example.org"}, "ISSUER: it should begin with https://"),
        ({"scopes": "profile"}, "SCOPES: it should have the scope openid"),
        ({"issuer": "https://login.example.org", "viewer_groups": "readers"}, "ISSUER needs the CLIENT_ID"),
        ({"issuer": "https://login.example.org", "client_id": "x"}, "nobody would have a role"),
        ({"local_passwords": False}, "nobody could log in"),
        ({"ca_file": "/nowhere"}, "CA_FILE: Path does not point to a file"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        OidcSettings.load(**given)

"""Keys of programs: shown once, kept hashed, good until they expire or are revoked, and for their role alone."""

import asyncio
import re

from services.admin.access.role import Role
from tests.desk import Desk


async def test_a_key_is_shown_once_and_kept_hashed(desk: Desk) -> None:
    made = (await desk.admin.post("/api/v1/keys", json={"name": "ris", "role": "operator", "days": 30})).json()
    assert made["key"].startswith(f"gw_{made['id']}_")
    secret = made["key"].removeprefix(f"gw_{made['id']}_")
    pages = [await desk.admin.get(path) for path in ("/users", "/api/v1/keys", "/audit", "/api/v1/audit", "/settings")]
    assert [secret in each.text for each in pages] == [False] * 5
    kept = await desk.rows("select k::text as key, e::text as entry from config.api_key k, audit.entry e")
    assert not [row for row in kept if secret in row["key"] or secret in row["entry"]]
    on_page = await desk.admin.post("/users/keys", data={"name": "pacs", "role": "viewer", "days": ""})
    assert "never shown again" in on_page.text
    assert "gw_" in on_page.text
    assert "gw_" not in (await desk.admin.get("/users")).text


async def test_a_key_is_good_for_its_role_until_it_expires_or_is_revoked(desk: Desk) -> None:
    program = await desk.program(Role.OPERATOR)
    assert (await program.get("/api/v1/jobs")).status_code == 200
    assert (await program.get("/api/v1/audit")).status_code == 403
    assert (await program.delete("/api/v1/stations/CT1/hold")).status_code == 409, "it needs no token of a page"
    assert (await program.get("/jobs")).status_code == 200
    (used,) = await desk.rows("select used_at, id from config.api_key")
    assert used["used_at"] is not None
    await desk.rows("update config.api_key set expires_at = now() - interval '1 second'")
    refused = await program.get("/api/v1/jobs")
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    await desk.rows("update config.api_key set expires_at = null")
    assert (await program.get("/api/v1/jobs")).status_code == 200
    assert (await desk.admin.delete(f"/api/v1/keys/{used['id']}")).status_code == 200
    assert (await program.get("/api/v1/jobs")).status_code == 401
    assert (await desk.admin.delete(f"/api/v1/keys/{used['id']}")).status_code == 404


async def test_what_is_no_key_gets_nobody_in_even_beside_a_session(desk: Desk) -> None:
    (key,) = [(await desk.program()).headers["Authorization"]]
    for wrong in (key[:-1], key[:-1] + "\u00fc", key.replace("Bearer", "Basic"), "Bearer", "Bearer gw_1_2", "x"):
        given = {"Authorization": wrong.encode("latin-1")}
        assert (await desk.admin.get("/api/v1/jobs", headers=given)).status_code == 401, wrong
    assert (await desk.admin.get("/api/v1/jobs", headers={"Authorization": key.replace("Bearer", "bearer")})).is_success


async def test_of_keys_that_are_not_revoked_each_has_its_own_name(desk: Desk) -> None:
    first = (await desk.admin.post("/api/v1/keys", json={"name": "ris"})).json()
    for again in (
        await desk.admin.post("/api/v1/keys", json={"name": "ris", "role": "admin"}),
        await desk.admin.post("/users/keys", data={"name": "ris", "role": "viewer", "days": ""}),
    ):
        assert (again.status_code, first["id"] in again.text, "revoke that one" in again.text) == (409, True, True)
    at_once = await asyncio.gather(*(desk.admin.post("/api/v1/keys", json={"name": "pacs"}) for _ in range(4)))
    assert sorted(each.status_code for each in at_once) == [201, 409, 409, 409]
    await desk.rows("update config.api_key set expires_at = now() where id = %s", first["id"])
    assert (await desk.admin.post("/api/v1/keys", json={"name": "ris"})).status_code == 409, "its entries name it too"
    for alike in (" ris ", "ris\u200b", "r\nis"):
        told = await desk.admin.post("/api/v1/keys", json={"name": alike})
        assert (told.status_code, "no control characters" in told.text) == (422, True), alike
    assert f"/users/keys/{first['id']}/revoke" in (await desk.admin.get("/users")).text
    assert (await desk.admin.post(f"/users/keys/{first['id']}/revoke")).status_code == 200
    assert (await desk.admin.post("/api/v1/keys", json={"name": "ris"})).status_code == 201
    entries = await desk.rows("select after from audit.entry where action = 'api-key.add'")
    assert [each["after"]["name"] for each in entries].count("ris") == 2, "what was refused made none"


async def test_whoever_presses_twice_makes_one_key_and_sees_its_secret(desk: Desk) -> None:
    """The button is off while the first answer is awaited, which is shown then."""
    forms = re.findall(r"<form[^>]*hx-post=\"(/users[^\"]*)\"[^>]*>", page := (await desk.admin.get("/users")).text)
    off = re.findall(r"<form[^>]*hx-post=\"(/users[^\"]*)\"[^>]*hx-disabled-elt=\"find [^>]*>", page)
    assert {"/users", "/users/keys", "/users/password"} <= set(off)
    assert set(forms) - set(off) == {"/users/role"}, "which has no button"

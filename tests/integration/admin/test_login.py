"""Who gets in: log in and out, sessions that end, throttling, requests that another site made a browser send."""

from tests.desk import PASSWORD, URL, Desk


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

"""Notices of what went wrong, as a mail server and a webhook get them."""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from services.admin.notices.finding import find
from services.admin.notices.notifying import notify
from services.admin.notices.sending import Sender, send
from services.admin.notices.settings import NoticeSettings
from services.commitment.ledger import expire_deadlines
from tests.desk import Desk
from tests.notice_servers import Webhook, mail_server, webhook
from tests.waiting import until_async

STUDY = "1.2.840.99.1"


@pytest.fixture
def there() -> Iterator[Webhook]:
    with webhook() as running:
        yield running


def sender(**settings: Any) -> Sender:
    return Sender(NoticeSettings(**{"gap_seconds": 0, "seconds": 2} | settings), "DESK", "https://desk.example")


async def looked(desk: Desk, by: Sender) -> None:
    """One look for what happened, and one at what is to be sent."""
    await find(desk.database)
    await send(desk.database, by)


async def contact(desk: Desk, **fields: Any) -> dict[str, Any]:
    made = await desk.admin.post("/api/v1/contacts", json={"name": "it", "everything_else": True} | fields)
    assert made.status_code == 201, made.text
    document: dict[str, Any] = made.json()
    return document


async def failed_job(desk: Desk, destination: str = "PACS1", rule: str = "everything", source: str = "CT1") -> str:
    """A job of which one of two instances failed."""
    job = str(uuid4())
    await desk.rows(
        "insert into routing.job (id, kind, state, destination, study_instance_uid, rule, finished_at, reason)"
        " values (%s, 'send', 'FAILED', %s, %s, %s, now(), 'DOE^JOHN')",
        job, destination, STUDY, rule,
    )  # fmt: skip
    for number, state in enumerate(("FAILED", "DELIVERED")):
        await desk.rows(
            "insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, source,"
            " study_instance_uid, object_key, data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, state)"
            " values (now(), %s, 1, %s, %s, %s, %s, 'k', 0, 1, '', '1.2', '1.2.840.10008.1.2', %s)",
            f"{STUDY}.{number}.{job.replace('-', '')[:4].translate(DIGITS)}", destination, job, source, STUDY, state,
        )  # fmt: skip
    return job


RULES = """version: 1
rules:
  - {name: night, when: {all: []}, send: [{to: PACS1}], contact: radiology}
  - {name: day, when: {all: []}, send: [{to: PACS1}]}
"""


async def test_the_contact_of_a_rule_is_told_besides_others_and_has_to_be_there(desk: Desk, there: Webhook) -> None:
    await desk.rows("insert into config.station (title, host, port, store) values ('PACS1', '127.0.0.1', 104, true)")
    refused = await desk.admin.post("/api/v1/rules/check", json={"source": RULES})
    (fault,) = refused.json()["errors"]
    assert (fault["rule"], fault["field"], fault["value"], fault["line"]) == ("night", "contact", "radiology", 3)
    assert "gateway notices add" in fault["cure"]

    await contact(desk, webhook=there.url)
    await contact(desk, name="station", webhook=there.url, everything_else=False, stations=["PACS1"])
    await contact(desk, name="radiology", webhook=there.url, everything_else=False)
    published = await desk.admin.post("/api/v1/rules/publish", json={"source": RULES, "wait": 0})
    assert published.status_code == 200, published.text
    for rule in ("night", "day"):
        await failed_job(desk, rule=rule)
    await failed_job(desk, destination="PACS2", rule="day")
    await looked(desk, sender())
    told = {(post.document["contact"], each["rule"]) for post in there.posted for each in post.document["notices"]}
    assert told == {("station", "night"), ("radiology", "night"), ("station", "day"), ("it", "day")}

    seen = (await desk.admin.get("/api/v1/contacts/radiology")).headers["ETag"]
    kept = await desk.admin.delete("/api/v1/contacts/radiology", headers={"If-Match": seen})
    assert (kept.status_code, "live rules (night)" in kept.text) == (409, True), kept.text
    assert "rule night" in (await desk.admin.get("/notices")).text
    for enabled, words in (
        (True, "radiology is told of failures"),
        (False, "radiology is disabled, so it is not told"),
    ):
        await desk.rows("update config.contact set enabled = %s where name = 'radiology'", enabled)
        (night, *_) = (await desk.viewer.get("/api/v1/rules")).json()["rules"]
        assert any(each.startswith(words) for each in night["how"]), night
    assert "Live rules that name it: night." in (await desk.admin.get("/notices/radiology")).text
    await desk.rows("delete from config.contact where name = 'radiology'")  # as a restored database may have it
    again = await desk.admin.post("/api/v1/rules/sets/1/roll-back", json={"comment": "", "wait": 0})
    assert (again.status_code, again.json()["errors"][0]["field"]) == (422, "contact")


DIGITS = str.maketrans("abcdef", "123456")


async def test_a_failed_job_is_posted_once_and_signed(desk: Desk) -> None:
    with webhook() as there:
        secret = (await contact(desk, webhook=there.url))["secret"]
        job = await failed_job(desk)
        for _ in range(3):
            await looked(desk, sender())
        (posted,) = there.posted
    (notice,) = posted.document["notices"]
    assert notice["kind"] == "job-failed"
    assert notice["link"] == f"https://desk.example/jobs/{job}"
    assert notice["text"] == f"Job {job} failed: 1 of 2 instances of study {STUDY} not sent to PACS1, rule everything."
    assert (sorted(notice["stations"]), notice["rule"]) == (["CT1", "PACS1"], "everything")
    assert b"DOE" not in posted.body
    signed = f"{posted.headers['X-Gateway-Timestamp']}.".encode() + posted.body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    assert posted.headers["X-Gateway-Signature"] == f"sha256={digest}"
    (kept,) = (await desk.admin.get("/api/v1/notices")).json()["items"]
    assert (kept["state"], kept["contact"], kept["channel"], kept["fault"]) == ("SENT", "it", "webhook", "")


async def dead_letter(desk: Desk) -> int:
    (row,) = await desk.rows(
        "insert into runtime.dead_letter (queue, reason, message_type, headers, body, fingerprint)"
        " values ('index.instance-stored', 'DOE^JOHN', 'instance.stored.v1', '{}', 'b', %s) returning id",
        uuid4().bytes,
    )
    number: int = row["id"]
    return number


async def overdue_commitment(desk: Desk) -> None:
    """Of three: one was answered in time that it failed, another one that all is committed."""
    for state, hours_left in (("FAILURE", 0), ("FAILURE", 1), ("SUCCESS", 0)):
        await desk.rows(
            "insert into commitment.commitment (id, study_instance_uid, destination, server, state, deadline,"
            " finished_at) values (gen_random_uuid(), %s, 'PACS1', 'ARCHIVE1', %s,"
            " now() + make_interval(hours => %s), now())",
            STUDY, state, hours_left,
        )  # fmt: skip


async def waiting_commitment(desk: Desk) -> None:
    """Its time is over, and nobody has noticed yet."""
    await desk.rows(
        "insert into commitment.commitment (id, study_instance_uid, destination, server, state, accepted_at, deadline)"
        " values (gen_random_uuid(), %s, 'PACS1', 'ARCHIVE1', 'WAITING FOR COMMITMENT', now() - interval '1 day',"
        " now() - interval '1 s')",
        STUDY,
    )


async def heard(desk: Desk, title: str, hours_ago: float) -> None:
    await desk.rows(
        "insert into storage.receipt (received_at, object_key, sop_instance_uid, revision, disposition, sha256, size,"
        " sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid, peer_address, calling_aet,"
        " called_aet, association, configuration, rule_set, status)"
        " values (now() - make_interval(secs => %s), %s, '1', 1, 'NEW', '', 1, '1', '1', '1', '1', '', %s, '', '', 1,"
        " 1, 0)",
        hours_ago * 3600, uuid4().hex, title,
    )  # fmt: skip


async def stations(desk: Desk) -> None:
    """CT1 is silent since two hours, CT2 was heard, CT3 may be silent, CT4 never sent, CT5 was defined just now."""
    for title, hours in (("CT1", 1), ("CT2", 1), ("CT3", None), ("CT4", 1), ("CT5", 1)):
        await desk.rows(
            "insert into config.station (title, host, port, silent_hours, created_at) values (%s, '127.0.0.1', 104, %s,"
            " now() - interval '2 h' * (%s <> 'CT5')::int)",
            title, hours, title,
        )  # fmt: skip
    for title, ago in (("CT1", 2), ("CT1", 3), ("CT2", 0.5), ("CT3", 50)):
        await heard(desk, title, ago)


async def test_each_kind_arrives_once_by_mail_and_webhook_however_many_look(desk: Desk, there: Webhook) -> None:
    async with mail_server() as post:
        by = sender(smtp_host="127.0.0.1", smtp_port=post.port, smtp_security="none", smtp_from="gw@example.org")
        await failed_job(desk)  # before there was anybody to tell
        await contact(desk, webhook=there.url, mails=["it@example.org", "ct@example.org"])
        await failed_job(desk)
        number = await dead_letter(desk)
        await overdue_commitment(desk)
        await stations(desk)
        await asyncio.gather(*(looked(desk, by) for _ in range(3)))
        await looked(desk, by)
    kinds = sorted(notice["kind"] for notice in there.notices)
    assert kinds == ["commitment-overdue", "dead-letter", "job-failed", "modality-silent", "modality-silent"]
    texts = " ".join(notice["text"] for notice in there.notices)
    assert f"Dead letter {number}: a message instance.stored.v1 in queue index.instance-stored" in texts
    assert "ARCHIVE1 did not report by" in texts
    assert {notice["stations"][0] for notice in there.notices if notice["kind"] == "modality-silent"} == {"CT1", "CT4"}
    bodies = "".join(message.get_content() for message in post.messages)
    assert all(notice["text"] in bodies for notice in there.notices)
    assert (bodies.count("UTC: "), "DOE" in bodies) == (5, False)
    assert all(recipients == ["it@example.org", "ct@example.org"] for recipients, _ in post.received)
    assert all(message["Auto-Submitted"] == "auto-generated" for message in post.messages)


async def test_now_says_who_is_silent_and_since_when_by_the_same_decision(desk: Desk) -> None:
    await stations(desk)
    await desk.rows(
        "insert into config.station (title, host, port, silent_hours, created_at) values"
        " ('CT6', '127.0.0.1', 104, 24, now() - interval '9 d'), ('CT7', '127.0.0.1', 104, null, now())"
    )
    await heard(desk, "CT6", 50)
    await heard(desk, "CT7", 0.2)
    await heard(desk, "CT3", 5)
    await desk.rows(
        "insert into storage.identity (sop_instance_uid, revision, sha256, received_at, object_key, size,"
        " data_set_offset, sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid)"
        " select '1', 1, repeat('0', 64), now(), 'o', 1, 1, '1', '1', '1', '1'"
    )
    await desk.rows("insert into config.hold (kind, name, why, held_by) values ('source', 'CT2', 'scans', 'cli:it')")
    page = (await desk.viewer.get("/now")).text
    table = page[page.index('id="in"') : page.index('id="out"')]
    assert dict(re.findall(r'>(CT\d)</a></td><td><span class="state \w+">(\w+)<', table)) == {
        "CT1": "silent", "CT2": "held", "CT3": "quiet", "CT4": "silent", "CT6": "silent", "CT7": "sends",
    }  # fmt: skip
    for title, came, since in (
        ("CT1", "came for its 1 h", "2 h"),
        ("CT4", "ever came", "2 h"),
        ("CT6", "came for", "2 d"),
    ):
        need = rf'href="/stations/{title}">{title} is silent: nothing {came}.*</a> <small>for {since}</small>'
        assert re.search(need, page), title
    told = (await desk.viewer.get("/api/v1/status")).json()["silent"]
    assert [each["title"] for each in told] == ["CT6", "CT4", "CT1"]  # the longest first
    await heard(desk, "CT1", 0)
    assert "CT1 is silent" not in (await desk.viewer.get("/now")).text


async def test_a_station_that_is_silent_again_is_told_again(desk: Desk) -> None:
    with webhook() as there:
        await contact(desk, webhook=there.url)
        await desk.rows(
            "insert into config.station (title, host, port, silent_hours) values ('CT1', '127.0.0.1', 104, 1)"
        )
        for ago in (7, 5, 0.5):
            await heard(desk, "CT1", ago)
            for _ in range(2):
                await looked(desk, sender())
    assert [notice["text"].partition(" nothing")[0] for notice in there.notices] == ["CT1 is silent:"] * 2


async def test_a_digest_comes_as_one_and_quiet_hours_let_only_urgent_kinds_pass(desk: Desk, there: Webhook) -> None:
    """By mail as by webhook; the commitment is one whose time runs out now, by the clock of its service."""
    (clock,) = await desk.rows("select now() at time zone 'UTC' as now")
    begin, end = (clock["now"] + timedelta(hours=hours) for hours in (-2, 2))
    quiet = [f"daily {begin:%H:%M}-{end:%H:%M} UTC"]
    told = {"webhook": there.url, "mails": ["it@example.org"], "digest_minutes": 10, "quiet": quiet}
    async with mail_server() as post:
        by = sender(smtp_host="127.0.0.1", smtp_port=post.port, smtp_security="none", smtp_from="gw@example.org")
        await contact(desk, **told, urgent=["modality-silent"])
        await failed_job(desk)
        await failed_job(desk)
        await waiting_commitment(desk)
        async with desk.database.transaction() as conn:
            assert len(await expire_deadlines(conn)) == 1
        await stations(desk)
        await looked(desk, by)
        assert (there.posted, post.messages) == ([], [])
        await desk.rows("update config.notice set made_at = made_at - interval '10 min'")
        await looked(desk, by)
        assert [each["kind"] for each in there.notices] == ["modality-silent"] * 2
        await desk.rows("update config.contact set quiet = '{}'")
        await looked(desk, by)
        await looked(desk, by)
    urgent, digest = (posted.document["notices"] for posted in there.posted)
    assert sorted(each["kind"] for each in digest) == ["commitment-overdue", "job-failed", "job-failed"]
    assert [len(post.messages), *(recipients for recipients, _ in post.received)] == [2, *[["it@example.org"]] * 2]
    for notices, message in zip((urgent, digest), post.messages, strict=True):
        assert all(notice["text"] in message.get_content() for notice in notices)
        assert message.get_content().count("UTC: ") == len(notices)


async def test_a_server_that_is_away_is_tried_again_and_what_nobody_took_for_a_day_is_given_up(desk: Desk) -> None:
    with webhook() as there:
        there.status = 503
        await contact(desk, webhook=there.url)
        await failed_job(desk)
        await looked(desk, sender())
        await looked(desk, sender())
        assert len(there.posted) == 1, "its next attempt is later"
        assert REGISTRY.get_sample_value("gateway_admin_notices_pending") == 1
        told = await desk.admin.get("/notices")
        assert f"http://127.0.0.1:{there.port} answers 503 Service Unavailable" in told.text
        assert "secret-7" not in told.text
        assert "cannot be told by webhook" in (await desk.viewer.get("/")).text
        assert "Notices that do not arrive" in (await desk.viewer.get("/attention")).text
    await desk.rows("update config.notice_line set next_attempt_at = now()")
    await looked(desk, sender())
    (line,) = await desk.rows("select failures, next_attempt_at > now() as later, fault from config.notice_line")
    assert (line["failures"], line["later"]) == (2, True)
    assert "cannot be reached" in line["fault"]
    with webhook(there.port) as back:
        await desk.rows("update config.notice_line set next_attempt_at = now()")
        await looked(desk, sender())
        assert len(back.notices) == 1
    assert "cannot be told" not in (await desk.viewer.get("/")).text
    await failed_job(desk)
    await looked(desk, sender())
    await desk.rows("update config.notice set tried_at = tried_at - interval '1 day' where state = 'WAITING'")
    await desk.rows("update config.notice_line set next_attempt_at = now()")
    await looked(desk, sender())
    (given_up,) = (await desk.admin.get("/api/v1/notices?state=GIVEN%20UP")).json()["items"]
    assert "cannot be reached" in given_up["fault"]
    assert "1 notice of 24 hours was given up" in (await desk.viewer.get("/")).text


async def test_a_test_says_in_plain_words_what_goes_wrong(desk: Desk, there: Webhook) -> None:
    async with mail_server(password="right") as post:
        await contact(desk, webhook=there.url, mails=["it@example.org"])

        async def tried(**settings: Any) -> dict[str, str]:
            whole: dict[str, Any] = {
                "smtp_host": "127.0.0.1",
                "smtp_port": post.port,
                "smtp_security": "none",
                "smtp_from": "g@x.org",
            }
            notices = NoticeSettings(**whole | {"seconds": 2, "smtp_user": "gw"} | settings)
            desk.app.state.desk = replace(desk.app.state.desk, notices=notices)
            answer = (await desk.admin.post("/api/v1/contacts/it/test")).json()
            return {each["channel"]: each["text"] for each in answer}

        assert await tried(smtp_password="right") == {
            "mail": "the mail server took it for it@example.org", "webhook": "the webhook took it"
        }  # fmt: skip
        assert "This is a test" in post.messages[0].get_content()
        there.status, there.location = 302, "https://elsewhere.example/secret"
        wrong = await tried(smtp_password="wrong")
        assert "refuses the user or password (535)" in wrong["mail"]
        assert "sends us to https://elsewhere.example: redirects are not followed" in wrong["webhook"]
        there.status = 404
        without = await tried(smtp_password="right", smtp_security="starttls")
        assert "GATEWAY_NOTICES_SMTP_SECURITY" in without["mail"]
        assert "answers 404 Not Found" in without["webhook"]
        post.refused = frozenset({"it@example.org"})
        assert "refuses every recipient: it@example.org (550)" in (await tried(smtp_password="right"))["mail"]
    assert "nobody listens there" in (await tried())["mail"]
    assert "no host of that name is known" in (await tried(smtp_host="mail.invalid"))["mail"]
    assert "no mail server is configured" in (await tried(smtp_host=""))["mail"]


async def test_a_contact_is_kept_by_the_api_as_it_was_seen_and_its_secret_is_shown_once(desk: Desk) -> None:
    await desk.rows("insert into config.station (title, host, port) values ('CT1', '127.0.0.1', 104)")
    refused = await desk.admin.post("/api/v1/contacts", json={"name": "ct", "mails": ["a@b.org"], "stations": ["CT9"]})
    assert (refused.status_code, "no such station" in refused.text) == (409, True)
    fields = {"name": "ct", "mails": ["nobody"], "kinds": ["nothing"]}
    detail = (await desk.admin.post("/api/v1/contacts", json=fields)).json()["detail"]
    assert ("contact ct: mails " in detail, "contact ct: kinds " in detail, "test" in detail) == (True, True, False)
    wrong = await desk.admin.post("/api/v1/contacts", json={"name": "ct", "webhook": "gopher://x", "stations": ["CT1"]})
    assert (wrong.status_code, "https://" in wrong.text) == (422, True)
    made = await desk.admin.post(
        "/api/v1/contacts", json={"name": "ct", "webhook": "https://x.example/hooks/secret-7", "stations": ["CT1"]}
    )
    assert (made.status_code, len(made.json()["secret"])) == (201, 43)
    tag = {"If-Match": made.headers["ETag"]}
    changed = await desk.admin.patch("/api/v1/contacts/ct", json={"digest_minutes": 5}, headers=tag)
    assert (changed.json()["digest_minutes"], changed.json()["secret"]) == (5, None)
    assert (await desk.admin.patch("/api/v1/contacts/ct", json={}, headers=tag)).status_code == 412
    assert "secret" not in (await desk.admin.get("/api/v1/contacts/ct")).json()
    other = (await desk.admin.post("/api/v1/contacts/ct/secret")).json()["secret"]
    assert other != made.json()["secret"]
    gone = await desk.admin.delete("/api/v1/contacts/ct", headers={"If-Match": changed.headers["ETag"]})
    assert gone.status_code == 204
    entries = (await desk.admin.get("/api/v1/audit?action=contact")).json()["items"]
    assert [each["action"] for each in entries] == ["contact.remove", "contact.secret", "contact.set", "contact.add"]
    assert "secret-7" not in str(entries)


async def test_contacts_and_what_was_sent_are_on_a_page_of_their_own(desk: Desk) -> None:
    form = {"name": "it", "webhook": "http://127.0.0.1:1/x", "kinds": ["job-failed"], "everything_else": "true",
            "enabled": "true", "quiet": "mon,tue 22:00-06:00 Europe/Zurich\ndaily 12:00-13:00 UTC"}  # fmt: skip
    shown = await desk.admin.post("/notices", data=form)
    assert "it is never shown again" in shown.text
    assert "mon,tue 22:00-06:00 Europe/Zurich\ndaily" in shown.text
    (document,) = (await desk.admin.get("/api/v1/contacts")).json()
    assert (document["kinds"], len(document["quiet"]), document["digest_minutes"]) == (["job-failed"], 2, 0)
    tag = (await desk.admin.get("/api/v1/contacts/it")).headers["ETag"]
    saved = await desk.admin.post("/notices/it", data=form | {"quiet": "", "seen": tag})
    assert saved.headers["HX-Redirect"] == "/notices"
    late = await desk.admin.post("/notices/it", data=form | {"seen": tag}, headers={"HX-Request": "true"})
    assert late.status_code == 412
    for wrong, named in (
        ({"mails": "nobody"}, "Mail addresses &#39;nobody&#39;: write"), ({"stations": "GONE"}, "Stations GONE: no"),
    ):  # fmt: skip
        refused = await desk.admin.post("/notices", data=form | {"name": "b"} | wrong, headers={"HX-Request": "true"})
        assert (f"contact b: {named}" in refused.text, "--" in refused.text) == (True, False), refused.text
    job = await failed_job(desk, destination="<script>alert(1)</script>")
    await looked(desk, sender())
    page = (await desk.admin.get("/notices?state=WAITING&kind=job-failed")).text
    assert f'href="/jobs/{job}"' in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert (">job failed</a>" in page, ">job-failed<" in page) == (True, False)
    assert '<option value="job-failed" selected>job failed</option>' in page
    assert "No notice fits" in (await desk.admin.get("/notices?state=SENT")).text
    assert (await desk.admin.get("/notices?state=LOST")).status_code == 422
    tag = (await desk.admin.get("/api/v1/contacts/it")).headers["ETag"]
    assert (await desk.admin.post("/notices/it/remove", data={"seen": tag})).status_code == 200
    await looked(desk, sender())
    (left,) = (await desk.admin.get("/api/v1/notices")).json()["items"]
    assert (left["state"], left["fault"]) == ("GIVEN UP", "the contact is not told by that channel any more")


async def test_the_admin_service_looks_by_itself(desk: Desk) -> None:
    with webhook() as there:
        await contact(desk, webhook=there.url)
        await failed_job(desk)
        notify(desk.runtime, NoticeSettings(look_seconds=0.05))
        await until_async(lambda: there.notices, what="the notice")
    assert there.notices[0]["link"].startswith("http://127.0.0.1:8080/jobs/")
    assert REGISTRY.get_sample_value("gateway_admin_notices_total", SENT_ONCE)


SENT_ONCE = {"type": "job-failed", "channel": "webhook", "outcome": "sent"}

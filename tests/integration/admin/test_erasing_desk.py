"""Erasing a patient in the browser and by the API: who may has to type the ID, and is told what is open."""

import asyncio
import json
from unicodedata import normalize
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from services.admin.erasing import asking
from services.admin.erasing.carrying_out import Erasing
from services.admin.erasing.places import Answers
from services.admin.erasing.sought import Sought
from services.admin.erasing.whose import Patient
from services.admin.web.pages.erasures import UNSAID
from services.forwarder.plans import QUERIES
from services.runtime.errors import UsageError
from tests.desk import Desk
from tests.integration.admin.test_patients import named, stored, texts
from tests.waiting import until_async

WHY = "asked for under article 17"
KEY = {"Idempotency-Key": "once"}


async def test_an_admin_types_the_id_and_a_program_asks_once(desk: Desk) -> None:
    """No service runs here, so what was received stays to be routed and the erasure stays ASKED."""
    hers = named(1, "Zaunkoenig^Berta", "ZK4711", IssuerOfPatientID="HOSP")
    await stored(desk, hers, named(2, "Amsel^Otto", "AM1234"), named(3, "Zaunkoenig^Fritz", "ZK4711"))
    page = f"/patients/studies/{hers.study_instance_uid}"
    assert "Erase patient" in texts(await desk.admin.get(page))
    assert "Erase patient" not in texts(await desk.operator.get(page))
    form = texts(await desk.admin.get(f"{page}/erase"))
    assert "studies: 1, series: 1, instances: 1, revisions: 1" in form
    assert "instances that are not routed yet (wait some seconds): 1" in form
    wrong = await desk.admin.post(f"{page}/erase", data={"typed": "ZK4712", "why": WHY, "force": "true"})
    assert (wrong.status_code, "is not the ID of this patient" in wrong.text) == (422, True)
    still_open = await desk.admin.post(f"{page}/erase", data={"typed": "ZK4711", "why": WHY})
    assert (still_open.status_code, "not routed yet (wait some seconds): 1" in still_open.text) == (409, True)
    assert await desk.rows("select 1 from config.erasure") == []

    program = await desk.program()
    wanted = {"patient_id": "ZK4711", "why": WHY, "force": True}
    for said in ("a\\u0000", "a\\ud800"):
        sent = json.dumps(wanted).replace(WHY, said).encode()
        unkept = await program.post("/api/v1/erasures", content=sent, headers={"Content-Type": "application/json"})
        assert (unkept.status_code, "body.why: the character U+" in unkept.json()["detail"]) == (422, True)
    unkept = await program.get("/api/v1/erasures", params={"patient_id": "a\0"})
    assert (unkept.status_code, "query.patient_id: the character U+0000" in unkept.json()["detail"]) == (422, True)
    unkept = await desk.admin.post(f"{page}/erase", data={"typed": "ZK4711", "why": "a\0"})
    assert (unkept.status_code, "body.why: the character U+0000" in unkept.text) == (422, True)
    assert (await desk.admin.get("/patients/studies/1.2%00/erase")).status_code == 422
    several = await program.post("/api/v1/erasures", json=wanted)
    assert (several.status_code, "'', 'HOSP'" in several.json()["detail"]) == (422, True)
    nobody = await program.post("/api/v1/erasures", json=wanted | {"issuer": "ELSEWHERE"})
    assert nobody.status_code == 404
    first = await program.post("/api/v1/erasures", json=wanted | {"issuer": "HOSP"}, headers=KEY)
    again = await program.post("/api/v1/erasures", json=wanted | {"issuer": "HOSP"}, headers=KEY)
    assert (first.status_code, again.content) == (200, first.content)
    assert "ZK4711" not in first.text
    other = await desk.admin.post(f"{page}/erase", data={"typed": "ZK4711", "why": WHY, "force": "true"})
    assert (other.status_code, "is being erased" in other.text) == (409, True)

    number = UUID(first.json()["id"])
    listed = (await program.get("/api/v1/erasures", params={"patient_id": "ZK4711", "issuer": "HOSP"})).json()["items"]
    assert [(each["id"], each["state"]) for each in listed] == [(str(number), "ASKED")]
    assert (await program.get("/api/v1/erasures", params={"patient_id": "ZK4711"})).json()["items"] == []
    assert (await program.get(f"/api/v1/erasures/{number}/proof")).status_code == 409
    assert WHY in texts(await desk.admin.get("/patients/erasures"))
    entries = await desk.rows("select actor, object, after from audit.entry where action = 'request.erase'")
    assert [(entry["object"], entry["after"]) for entry in entries] == [(str(number), {"why": WHY, "force": True})]
    assert UNSAID not in str(entries)

    await desk.rows("update storage.identity set state = 'DELETED', state_at = now() - interval '1 second'")
    await desk.rows("truncate index.instance, index.series, index.study")
    await desk.rows(_ERASED, Jsonb({"uids": [hers.study_instance_uid]}))
    gone = await desk.admin.get(page)
    assert (gone.status_code, "was erased by user:admin at" in gone.text) == (404, True)
    journey = (await program.get(f"/api/v1/studies/{hers.study_instance_uid}/journey")).json()
    assert [each["text"] for each in journey["events"] if each["kind"] == "removed"] == ["Erased by user:admin"]


async def test_what_was_never_stored_is_erased_by_its_header_and_what_never_ends_has_failed(desk: Desk) -> None:
    """A Patient ID too short to be looked for in texts; the other services have nothing of it, and say so. Of another
    patient something is stored, and nobody answers for a day."""
    subject = {"facts": {"values": {"00100020": ["12"]}}}
    other = {"facts": {"values": {"00100020": ["13"], "00080050": ["12"]}}}
    for name, header in (("hers", subject), ("his", other)):
        await desk.rows(_TEST, name, Jsonb(header))
    await stored(desk, named(1, "Amsel^Otto", "AM1234"))
    for patient in ("12", "AM1234"):
        await asking.erase(desk.database, "user:admin", asking.Wish(patient, WHY, force=True))
    forgotten: list[str] = []
    erasing = Erasing(desk.runtime, forgotten.extend)
    await erasing.turn()
    assert await _states(desk) == {"ASKED"}, "what was received before may not be recorded yet"
    await desk.rows("update storage.watermark set recorded_through = now()")
    await erasing.turn()
    await erasing.turn()
    assert await _states(desk) == {"RUNNING"}
    for service in ("storage", "index", "routing", "commitment"):
        await desk.rows(f"insert into {service}.request_done (request, result) select id, '{{}}' from config.request")  # noqa: S608
    await desk.rows("update config.erasure set asked_at = asked_at - interval '25 hours' where patient_id = 'AM1234'")
    await erasing.turn()
    rows = await desk.rows("select state, patient_id, sought, remaining, proof from config.erasure order by state")
    proved, failed = rows
    assert (proved["state"], failed["state"]) == ("ERASED", "FAILED")
    assert failed["remaining"]["storage.fact"] == 1
    assert [(row["patient_id"], row["sought"]) for row in rows] == [(None, None)] * 2
    assert [row["name"] for row in await desk.rows("select name from config.rule_test")] == ["his"]
    places = {each["place"]: each["erased"] for each in json.loads(proved["proof"])["places"]}
    assert {name: count for name, count in places.items() if count} == {"config.rule_test": 1}
    told = await desk.rows("select action from audit.entry where action ~ 'erase|remove' order by action")
    assert [row["action"] for row in told] == [
        "request.erase", "request.erase", "request.erase.failed", "rules.test.remove", "studies.erase",
    ]  # fmt: skip


async def test_what_names_a_patient_is_found_in_every_spelling_and_short_ids_where_they_are_all_of_it(
    desk: Desk,
) -> None:
    """Of three patients of whom nothing is stored: an ID like a UID, one that Unicode spells in two ways, one short."""
    spelled, other = normalize("NFD", "ZOË_77ß"), "Zoë_78ß"
    whys = ["77.8899", f"({spelled.upper()})", "A"]
    kept = [f"1.77.8899.{other} A"]
    for why in whys + kept:
        await desk.rows(_ENTRY, Jsonb({"why": why}))
        await desk.rows(_REQUEST, Jsonb({"uids": [], "why": why}))
        await desk.rows(_HOLD, why, why)
    await desk.rows(_ANSWER, "short", b'{"detail": "sent for A, twice"}')
    for number, body in enumerate([spelled, json.dumps({"a": "zoË_77SS"}), other]):
        await desk.rows(_ANSWER, str(number), body.encode())
        await desk.rows(_LETTER, f"{number} {'A' if number else ''}", body.encode())
    await desk.rows(_LETTER, "no version", json.dumps({"facts": {"values": {"00100020": ["A"]}}}).encode())
    for patient in ("77.8899", "Zoë_77ß", "A"):
        with pytest.raises(UsageError, match="it names the patient"):
            await asking.erase(desk.database, "user:admin", asking.Wish(patient, f"({patient}) asked"))
        await asking.erase(desk.database, "user:admin", asking.Wish(patient, WHY))
    await desk.rows("update storage.watermark set recorded_through = now() + interval '1 second'")
    erasing = Erasing(desk.runtime, lambda keys: None)
    await erasing.turn()
    for service in ("storage", "index", "routing", "commitment"):
        await desk.rows(f"insert into {service}.request_done (request, result) select id, '{{}}' from config.request")  # noqa: S608
    await erasing.turn()
    assert await _states(desk) == {"ERASED"}
    for table in ("config.request", "audit.entry"):
        column = "after" if table == "audit.entry" else "body"
        found = await desk.rows(f"select {column} ->> 'why' as why from {table} where {column} ? 'why'")  # noqa: S608
        told = sorted(each["why"] for each in found if each["why"] != WHY)
        assert told == sorted([*kept, *["[erased]"] * len(whys)]), table
    holds = await desk.rows("select why, ended_at is null as open from config.hold order by id")
    assert [(each["why"], each["open"]) for each in holds] == [("[erased]", True)] * 3 + [(kept[0], True)]
    kept_answers = await desk.rows("select status from config.action")
    assert [row["status"] for row in kept_answers] == [410] * 4, "any may hold the short ID among other words"
    assert [row["body"] for row in await desk.rows("select body from runtime.dead_letter")] == [other.encode()]


async def test_answers_about_others_stay_where_all_that_names_the_patient_can_be_looked_for(desk: Desk) -> None:
    for number, body in enumerate([b"for ZK4711", b"for ZK4712"]):
        await desk.rows(_ANSWER, str(number), body)
    async with desk.database.transaction() as conn:
        assert await Answers().erase(conn, Sought(Patient("ZK4711", ""), ("zk4711",))) == 1
    assert [row["body"] for row in await desk.rows("select body from config.action where status = 200")] == [
        b"for ZK4712"
    ]


async def test_an_erasure_outlasts_who_may_not_have_seen_yet_that_it_is_gone(desk: Desk) -> None:
    """Whoever makes deliveries wait is waited for before it is looked whether any does."""
    subject = {"facts": {"values": {"00100020": ["12"]}}}
    await desk.rows(_TEST, "hers", Jsonb(subject))
    await asking.erase(desk.database, "user:admin", asking.Wish("12", WHY, force=True))
    erasing = Erasing(desk.runtime, lambda _: None)
    await desk.rows("update storage.watermark set recorded_through = now()")
    await erasing.turn()
    for service in ("storage", "index", "routing", "commitment"):
        await desk.rows(f"insert into {service}.request_done (request, result) select id, '{{}}' from config.request")  # noqa: S608
    async with desk.database.transaction() as conn:
        await conn.execute(QUERIES.lock_ledger)
        turn = asyncio.create_task(erasing.turn())
        waiting = (
            "select from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock' and not granted "
            "and database = (select oid from pg_database where datname = current_database())"
        )
        await until_async(lambda: desk.rows(waiting), what="the erasure to wait for the ledger")
        assert await _states(desk) == {"RUNNING"}
    await turn
    assert await _states(desk) == {"ERASED"}


async def _states(desk: Desk) -> set[str]:
    return {row["state"] for row in await desk.rows("select state from config.erasure")}


_ERASED = "insert into audit.entry (actor, action, object, after) values ('user:admin', 'studies.erase', 'its id', %s)"
_ENTRY = "insert into audit.entry (actor, action, object, after) values ('user:admin', 'station.hold', 'ARCHIVE', %s)"
_REQUEST = (
    "insert into config.request (id, kind, body, requested_by) values (gen_random_uuid(), 'send', %s, 'user:admin')"
)
_HOLD = "insert into config.hold (kind, name, why, held_by) values ('rule', %s, %s, 'user:admin')"
_ANSWER = "insert into config.action values ('api', %s, '', now(), 200, '{}', %s)"
_LETTER = """insert into runtime.dead_letter (queue, reason, headers, body, fingerprint)
values ('storage', %s, '{}', %s, uuid_send(gen_random_uuid()))"""
_TEST = "insert into config.rule_test (name, subject, expected, saved_by) values (%s, %s, '{}', 'user:admin')"

"""Erasing a patient in the browser and by the API: who may has to type the ID, and is told what is open."""

from uuid import UUID

from services.admin.web.pages.erasures import UNSAID
from tests.desk import Desk
from tests.integration.admin.test_patients import named, stored, texts

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
    assert "1 instances in 1 revisions" in form
    assert "1 instances are not routed yet" in form
    wrong = await desk.admin.post(f"{page}/erase", data={"typed": "ZK4712", "why": WHY, "force": "true"})
    assert (wrong.status_code, "is not the ID of this patient" in wrong.text) == (422, True)
    still_open = await desk.admin.post(f"{page}/erase", data={"typed": "ZK4711", "why": WHY})
    assert (still_open.status_code, "not routed yet" in still_open.text) == (409, True)
    assert await desk.rows("select 1 from config.erasure") == []

    program = await desk.program()
    wanted = {"patient_id": "ZK4711", "why": WHY, "force": True}
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

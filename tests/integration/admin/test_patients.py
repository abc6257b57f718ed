"""Patients in the browser and by the API: searched, looked at, taken away, and hidden from viewers."""

import asyncio
import io
import os
import re
import signal
import zipfile
from typing import Any

import httpx
import pydicom
import pytest

from services.admin.patients import search
from services.admin.rules import rule_sets
from services.index.store import ReceiptKey, index_receipts
from tests.confined import children
from tests.desk import Desk
from tests.factories import Instance, ct, nm_gated_tomo, nm_static
from tests.recorded import Recorder

NAME = "Müller^Änne"
RULES = """
version: 1
rules:
  - {name: heads, when: {all: [{tag: StudyDescription, op: contains, value: head}]}, send: [{to: WS}]}
"""
STATION = "insert into config.station (title, host, port, store) values ('WS', '127.0.0.1', 1, true)"
HOSTILE = "<script>alert(1)</script>"


async def stored(desk: Desk, *instances: Instance) -> None:
    """Recorded and indexed, as by the services."""
    recorder = Recorder(desk.runtime.settings.database_url, desk.runtime.settings.home / "objects")
    async with desk.database.transaction() as conn:
        await index_receipts(conn, [ReceiptKey(r.received_at, r.object_key) for r in recorder.record(*instances)])


def named(seed: int, name: str, patient_id: str, **elements: Any) -> Instance:
    return nm_static(
        seed, study=seed, SpecificCharacterSet="ISO_IR 192", PatientName=name, PatientID=patient_id, **elements
    )


async def looks(desk: Desk) -> list[tuple[str, str, int]]:
    rows = await desk.rows("select actor, action, after from audit.entry where action like 'studies.%%' order by id")
    return [(row["actor"], row["action"], row["after"]["found"]) for row in rows]


def texts(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_a_look_from_another_address_is_another_look(desk: Desk) -> None:
    wanted = named(1, NAME, "P1")
    await stored(desk, wanted)
    for address in ("10.0.0.7", "10.0.0.8"):
        browser = await desk.logged_in("viewer", address=address)
        for path in ("?again=true", "/series", "/series"):
            texts(await browser.get(f"/patients/studies/{wanted.study_instance_uid}{path}"))
    rows = await desk.rows("select address from audit.entry where action = 'studies.view' order by id")
    assert [row["address"] for row in rows] == ["10.0.0.7", "10.0.0.8"]


async def test_a_study_is_found_by_every_key_and_each_search_is_audited(desk: Desk) -> None:
    wanted = named(
        1, NAME, "P1", StudyID="S-17", AccessionNumber="ACC9", StudyDescription="Bone Scan", StudyDate="20260413",
        PatientBirthDate="19650203", PatientSex="F", ReferringPhysicianName="Adler^Claudia", IssuerOfPatientID="HOSP",
    )  # fmt: skip
    other = ct(
        2, SpecificCharacterSet="ISO_IR 192", PatientName="Smith^John=山田^太郎", PatientID="P2", StudyDate="20200101",
        StudyDescription="Thorax",
    )  # fmt: skip
    await stored(desk, wanted, other)
    keys = {
        "patient_name": "muller*", "patient_id": "P1", "issuer": "HOSP", "birth_date": "19650203", "sex": "F",
        "study_id": "S-1?", "accession": "ACC9", "description": "*bone s*", "referring_physician": "adler*",
        "modality": "NM", "study": wanted.study_instance_uid, "date_from": "20260401",
    }  # fmt: skip
    for name, value in keys.items():
        found = (await desk.viewer.get("/api/v1/studies", params={name: value})).json()["items"]
        assert [each["study_instance_uid"] for each in found] == [wanted.study_instance_uid], name
    assert await looks(desk) == [("user:viewer", "studies.search", 1)] * len(keys)
    refused = await desk.viewer.get("/api/v1/studies", params={"birth_date": "1965"})
    assert refused.status_code == 422
    assert "birth_date: write a day" in refused.json()["detail"]
    page = texts(await desk.viewer.get("/patients", params={"patient_name": "Müller, Ä", "date_to": "2026-12-31"}))
    assert "Müller, Änne" in page
    assert "Smith" not in page
    page = texts(await desk.viewer.get(f"/patients/studies/{other.study_instance_uid}"))
    assert "Smith, John" in page
    assert "山田, 太郎" in page


async def test_a_text_is_found_anywhere_however_old_the_study_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "NEWEST", 1)
    made = [
        named(seed, NAME, f"P{seed}", StudyDescription=f"{text}, 50%_a", ReferringPhysicianName=f"Dr {text}")
        for seed, text in ((1, "Bone Scan"), (2, "Thyroid"), (3, "Lung"))
    ]
    for instance in made:
        await stored(desk, instance)
    for key in ("description", "referring_physician"):
        for text, seed in (("*ONE s*", 1), ("*yr?id*", 2), ("*ng*", 3), ("*lungs*", 0)):
            found = (await desk.viewer.get("/api/v1/studies", params={key: text})).json()["items"]
            assert [each["patient_id"] for each in found] == [f"P{seed}"] * bool(seed), (key, text)
    found = (await desk.viewer.get("/api/v1/studies?description=*0%25_a*&limit=2")).json()
    assert (len(found["items"]), found["next"] is None) == (2, False)
    rest = await desk.viewer.get("/api/v1/studies", params={"description": "*0%_a*", "cursor": found["next"]})
    assert [each["patient_id"] for each in rest.json()["items"]] == ["P1"]


async def test_pages_lead_from_the_patient_to_the_header_and_never_render_what_dicom_says(desk: Desk) -> None:
    await desk.rows(STATION)
    await rule_sets.apply(desk.database, "cli:tests", RULES, "")
    instance = named(3, HOSTILE, HOSTILE, StudyDescription=HOSTILE, SeriesDescription=HOSTILE, InstanceNumber=7)
    await stored(desk, instance)
    study, series = instance.study_instance_uid, instance.series_instance_uid
    pages = [
        texts(await desk.operator.get(path))
        for path in (
            "/patients", f"/patients/studies/{study}", f"/patients/studies/{study}/series",
            f"/patients/studies/{study}/series/{series}", f"/patients/studies/{study}/instances",
            f"/patients/studies/{study}/rules", f"/patients/instances/{instance.sop_instance_uid}",
            f"/patients/correct?uid={study}",
        )
    ]  # fmt: skip
    assert not any(HOSTILE in page for page in pages)
    assert "&lt;script&gt;" in pages[0]
    assert "Received from SCANNER1" in pages[1]
    assert "No rule matched" in pages[1]
    assert instance.sop_instance_uid in pages[3]
    assert "heads" in pages[5]
    assert "found" in pages[5]
    assert "PatientName" in pages[6]
    filtered = texts(await desk.operator.get(f"/patients/instances/{instance.sop_instance_uid}?q=radiopharm"))
    assert "Radiopharmaceutical" in filtered
    assert "PatientName" not in filtered


async def test_findings_are_counted_in_the_journey_and_told_by_each_instance(desk: Desk) -> None:
    instance = named(5, "MUELLER^ERIKA", "P5")
    await stored(desk, instance)
    findings = ["S type-1-missing 00080060 C.7.3.1", "S type-2-missing 00080020 C.7.2.1"]
    await desk.rows("update storage.receipt set findings = to_jsonb(%s::text[])", findings)
    path = f"/patients/studies/{instance.study_instance_uid}"
    journey = texts(await desk.viewer.get(path))
    assert ("2 findings" in journey, "00080060" in journey) == (True, False)
    assert "Modality (0008,0060) is missing" in texts(await desk.viewer.get(f"{path}/instances"))


async def test_the_header_names_private_elements_and_tells_what_codes_mean(desk: Desk) -> None:
    instance = nm_gated_tomo(4)
    await stored(desk, instance)
    rows = (await desk.viewer.get(f"/api/v1/instances/{instance.sop_instance_uid}/header")).json()["rows"]
    by_name = {row["name"]: row for row in rows}
    assert by_name["SOPClassUID"]["value"] == "1.2.840.10008.5.1.4.1.1.20 (Nuclear Medicine Image Storage)"
    assert by_name["PixelData"]["value"] == f"{by_name['PixelData']['bytes']} bytes"
    private = [row for row in rows if row["creator"]]
    assert private
    assert all(row["name"] for row in private)
    assert any(row["name"].startswith("Item") and row["value"].endswith(", SRT)") for row in rows)
    assert await looks(desk) == [("user:viewer", "studies.header", 1)]


async def test_files_are_the_stored_data_sets_and_a_zip_has_each_of_them(desk: Desk) -> None:
    made = [named(seed, NAME, "P1") for seed in (5, 6)]
    await stored(desk, *made)
    one = await desk.viewer.get(f"/patients/instances/{made[0].sop_instance_uid}/download")
    assert one.content.endswith(made[0].data_set)
    assert pydicom.dcmread(io.BytesIO(one.content)).PatientName == NAME
    whole = await desk.viewer.get(f"/api/v1/studies/{made[1].study_instance_uid}/download")
    with zipfile.ZipFile(io.BytesIO(whole.content)) as zipped:
        (name,) = zipped.namelist()
        assert name.endswith(f"{made[1].sop_instance_uid}.dcm")
        assert zipped.read(name).endswith(made[1].data_set)
    assert await looks(desk) == [("user:viewer", "studies.download", 1)] * 2
    missing = await desk.viewer.get("/api/v1/studies/1.2.3/download")
    assert missing.status_code == 404


async def test_what_is_chosen_is_exported_as_one_zip(desk: Desk) -> None:
    made = [ct(number, study=study) for number, study in ((1, 1), (2, 1), (3, 2))]
    await stored(desk, *made)
    chosen = [made[0].sop_instance_uid, made[2].study_instance_uid]
    begun = await desk.operator.post("/patients/export/begin", data={"uid": chosen})
    file = await desk.operator.get(begun.headers["HX-Redirect"])
    assert (file.headers["Content-Type"], "chosen.zip" in file.headers["Content-Disposition"]) == (
        "application/zip", True,
    )  # fmt: skip
    with zipfile.ZipFile(io.BytesIO(file.content)) as found:
        assert {name.rpartition("/")[2] for name in found.namelist()} == {
            f"{made[n].sop_instance_uid}.dcm" for n in (0, 2)
        }
    assert (await looks(desk))[-1] == ("user:operator", "studies.download", 2)

    query = {"uid": chosen, "dicomdir": "true"}
    media = await desk.viewer.get("/api/v1/studies/export", params=query)
    with zipfile.ZipFile(io.BytesIO(media.content)) as found:
        directory = pydicom.dcmread(io.BytesIO(found.read("DICOMDIR")))
        records = [each for each in directory.DirectoryRecordSequence if "ReferencedFileID" in each]
        names = {"/".join(each.ReferencedFileID) for each in records}
        assert names == set(found.namelist()) - {"DICOMDIR"}
        assert {pydicom.dcmread(io.BytesIO(found.read(name))).SOPInstanceUID for name in names} == {
            made[n].sop_instance_uid for n in (0, 2)
        }
    none = await desk.operator.post("/patients/export/begin", data={})
    many = await desk.operator.post("/patients/export/begin", data={"uid": [f"1.{n}" for n in range(101)]})
    missing = await desk.viewer.get("/api/v1/studies/export?uid=1.2.3")
    assert (none.status_code, many.status_code, missing.status_code) == (422, 422, 404)
    assert "at most 100" in many.text


async def test_what_is_chosen_is_sent_corrected_and_deleted_by_operators(desk: Desk) -> None:
    instance = named(8, NAME, "P1")
    await stored(desk, instance)
    await desk.rows(STATION)
    chosen = {"uid": instance.study_instance_uid}
    refused = await desk.viewer.post("/patients/delete", data=chosen)
    assert refused.status_code == 403
    nothing = await desk.operator.post("/patients/send", data={"to": "WS"}, headers={"HX-Request": "true"})
    assert "nothing is chosen" in nothing.text
    sending = desk.operator.post("/patients/send", data=chosen | {"to": "WS"})
    sent, _ = await asyncio.gather(sending, desk.answering({"deliveries": 1}))
    assert "Sent to WS: 1 delivery" in texts(sent)
    correction = chosen | {"patient_id": "P2", "why": "wrong patient"}
    for uid in (instance.study_instance_uid, instance.sop_instance_uid):
        form = texts(await desk.operator.get(f"/patients/correct?uid={uid}"))
        assert f'<a href="/patients/studies/{instance.study_instance_uid}"><b>Müller, Änne</b></a>' in form
        assert "<td>P1</td>" in form
    preview = texts(await desk.operator.post("/patients/correct/preview", data=correction))
    assert "P1" in preview
    assert "P2" in preview
    begun = await desk.operator.post("/patients/correct/begin", data={"study": instance.study_instance_uid})
    assert begun.headers["HX-Redirect"].endswith(instance.study_instance_uid)
    (once,) = re.findall(r'name="once" value="([^"]+)"', form)
    correcting = [desk.operator.post("/patients/correct", data=correction | {"once": once}) for _ in range(2)]
    *corrected, _ = await asyncio.gather(*correcting, desk.answering({"instances": 1}))
    for answer in corrected:
        assert answer.headers["HX-Redirect"] == f"/patients/studies/{instance.study_instance_uid}"
    made = await desk.rows("select r.requested_by from config.request r where r.kind = 'correct'")
    told = await desk.rows("select before, after from audit.entry where action = 'request.correct'")
    assert (len(made), len(told)) == (1, 1), "pressed twice it is one correction"
    assert told[0]["before"] == {"values": {"PatientID": ["P1"]}}, "what it said before is in the audit too"


async def test_what_waits_to_be_sent_is_given_up_only_with_a_reason(desk: Desk) -> None:
    instance = named(8, NAME, "P1")
    await stored(desk, instance)
    page = texts(await desk.operator.get(f"/patients/studies/{instance.study_instance_uid}"))
    assert re.search(r'name="force".*Give up what is still open', page)
    chosen = {"uid": instance.study_instance_uid, "force": "true", "why": " "}
    unsaid = await desk.operator.post("/patients/delete", data=chosen, headers={"HX-Request": "true"})
    assert "“Give up what is still open” needs “Why”" in unsaid.text
    body = {"uids": [instance.study_instance_uid], "force": True}
    assert (await desk.operator.post("/api/v1/studies/delete", json=body)).status_code == 422
    deleting = desk.operator.post("/api/v1/studies/delete", json=body | {"why": "WS is gone"})
    deleted, _ = await asyncio.gather(deleting, desk.answering({"instances": 1}))
    assert deleted.status_code == 200, deleted.text
    asked = await desk.rows("select body - 'uids' as body from config.request where kind = 'delete'")
    assert asked == [{"body": {"even_uncommitted": False, "force": True, "why": "WS is gone"}}]


async def test_pictures_are_made_of_every_frame_and_what_has_none_says_so(desk: Desk) -> None:
    tomo, hollow = nm_gated_tomo(9), ct(10, Rows=60000, Columns=60000)
    await stored(desk, tomo, hollow)
    path = f"/api/v1/instances/{tomo.sop_instance_uid}/frames"
    first, other = [await desk.viewer.get(f"{path}/{frame}") for frame in (1, 9)]
    assert first.headers["Content-Type"] == "image/png"
    assert first.content.startswith(b"\x89PNG")
    assert first.content != other.content
    beyond = await desk.viewer.get(f"{path}/33")
    assert (beyond.status_code, "it has 32 frames" in beyond.json()["detail"]) == (409, True)
    large = await desk.viewer.get(f"/patients/instances/{hollow.sop_instance_uid}/picture")
    assert large.headers["Content-Type"] == "image/svg+xml"
    assert "too large" in large.text.replace('</tspan><tspan x="80" dy="17">', " ")
    assert await looks(desk) == [("user:viewer", "studies.picture", 1)]


async def test_a_decoder_that_dies_costs_one_picture(desk: Desk) -> None:
    tomo = nm_gated_tomo(11)
    await stored(desk, tomo)
    path = f"/api/v1/instances/{tomo.sop_instance_uid}/frames"
    assert (await desk.viewer.get(f"{path}/1")).status_code == 200
    (process,) = children("services.admin.pictures.process")
    os.kill(process, signal.SIGKILL)
    assert (await desk.viewer.get(f"{path}/2")).status_code == 409
    assert (await desk.viewer.get(f"{path}/2")).status_code == 200


async def test_no_identity_is_shown_as_another_one(desk: Desk) -> None:
    """Characters that turn the order of what follows, or have no width, are named."""
    await stored(desk, named(1, "Arnold\u200b^Ada", "\u202e1174", StudyDescription="CT\u2066 head"))
    found = texts(await desk.operator.get("/patients?patient_id=*1174"))
    assert all(each in found for each in (">[U+202E]1174<", "Arnold[U+200B], Ada", "CT[U+2066] head"))
    assert 'value="*1174"' in found
    (study,) = (await desk.operator.get("/api/v1/studies")).json()["items"]
    assert study["patient_id"] == "\u202e1174", "programs are told what is stored"
    shown = texts(await desk.operator.get(f"/patients/studies/{study['study_instance_uid']}"))
    assert "<dd>[U+202E]1174" in shown
    assert "%E2%80%AE1174" in shown, "links lead to what is stored"


async def test_jobs_and_what_went_nowhere_say_which_study_it_is_and_not_whose(desk: Desk) -> None:
    instance = named(1, NAME, "P1", StudyDate="20260413", StudyDescription="Bone <b>Scan")
    await stored(desk, instance)
    study = instance.study_instance_uid
    for uid in (study, "1.2.3"):
        await desk.rows(
            "insert into routing.job (id, kind, state, destination, study_instance_uid) "
            "values (gen_random_uuid(), 'send', 'FAILED', 'WS', %s)", uid
        )  # fmt: skip
    await desk.rows(
        "insert into routing.evaluation "
        "select received_at, object_key, sop_instance_uid, 1, study_instance_uid, 0, '[]' from storage.receipt"
    )
    jobs = texts(await desk.viewer.get("/jobs"))
    (job,) = await desk.rows("select id from routing.job where study_instance_uid = %s", study)
    link = f'<a href="/patients/studies/{study}" title="{study}">2026-04-13 NM Bone &lt;b&gt;Scan</a>'
    for page in (jobs, texts(await desk.viewer.get(f"/jobs/{job['id']}")), texts(await desk.viewer.get("/attention"))):
        assert link in page
        assert not any(each in page for each in ("Müller", "P1"))
    assert 'title="1.2.3">study</a>' in jobs, "what is not in the index has no words"

"""Names are hidden from viewers, if that is set: whatever route they ask, and though everything is full of them."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from psycopg.types.json import Jsonb

from services.admin.access.role import Role
from services.admin.rules import rule_drafts, rule_sets, rule_subjects, rule_tests
from services.admin.settings import AdminSettings
from services.dicom.rules import Defaults
from services.runtime.clock import now
from tests.desk import Desk, opened_desk
from tests.factories import Instance, nm_static
from tests.integration.admin.test_answers import recorded
from tests.integration.admin.test_patients import stored
from tests.integration.admin.test_roles import table
from tests.integration.cli.test_asking import JOB
from tests.integration.cli.test_commitments import INBOUND, OURS

SEEN: Final = frozenset(
    {
        "CANARY-NAME", "CANARY-ID", "CANARY-ISSUER", "19010203", "1901-02-03", "CANARY-ACC", "CANARY-SID",
        "CANARY-DOCTOR", "CANARY-COMMENT", "CANARY-OTHER", "CANARY-TEXT", "CANARY-TRIAL", "CANARY-RULE", "CANARY-STEP",
        "CANARY-DRAFT", "CANARY-CASE", "CANARY-PEER", "CANARY-BODY", "CANARY-AUDIT",
    }
)  # fmt: skip
"""What names a patient, as it lies in the database and in objects: an admin sees each of these somewhere."""
PEER: Final = "status A700 Refused: Out of resources: CANARY-PEER"
RULES: Final = """
version: 1
rules:
  - name: research  # one patient's
    when: {any: [{tag: PatientID, op: in, value: ["CANARY-RULE", CANARY-RULE-2]}, {tag: Modality, op: exists}]}
    send: [{to: WS}]
    transform:
      - {do: set, tag: [PatientComments, StudyDescription], value: CANARY-STEP}
"""
ENDLESS: Final = "/events"
PEERS_WORDS: Final = """
select format('update %I.%I set %I = ''{words}''', table_schema, table_name, column_name) as statement
from information_schema.columns join information_schema.tables using (table_schema, table_name)
where table_schema in ('routing', 'commitment', 'query', 'config') and table_type = 'BASE TABLE'
  and column_name in ('reason', 'last_failure', 'fault', 'remark') and data_type = 'text'
  and table_name not in (select inhrelid::regclass::name from pg_inherits) and table_name <> 'hold'
"""


@pytest.fixture
async def hiding(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened_desk(database_url, tmp_path, settings=AdminSettings(hide_names_from_viewers=True)) as desk:
        yield desk


def named() -> Instance:
    return nm_static(
        1, study=1, PatientName="CANARY-NAME^X", PatientID="CANARY-ID", IssuerOfPatientID="CANARY-ISSUER",
        PatientBirthDate="19010203", AccessionNumber="CANARY-ACC", StudyID="CANARY-SID", StudyDescription="Bone scan",
        ReferringPhysicianName="CANARY-DOCTOR", PatientComments="CANARY-COMMENT", OtherPatientIDs="CANARY-OTHER",
        ImageComments="CANARY-TEXT", ClinicalTrialSubjectID="CANARY-TRIAL",
    )  # fmt: skip


async def full_of_names(desk: Desk, instance: Instance) -> None:
    """Everything that a page or an API field can show says who the patient is."""
    await recorded(desk)
    await desk.rows("insert into config.station (title, host, port, store) values ('WS', '127.0.0.1', 1, true)")
    await desk.rows("insert into config.pull (title, fault) values ('ARCHIVE1', '')")
    await desk.rows("update config.station set pull_minutes = 10, query_retrieve = true where title = 'ARCHIVE1'")
    await stored(desk, instance)
    await rule_sets.apply(desk.database, "cli:tests", RULES, "")
    await rule_sets.apply(desk.database, "cli:tests", RULES.replace("NARY-RULE-2", "NARY-RULE-3"), "")
    await rule_drafts.save(desk.database, "cli:tests", "next", RULES.replace("NARY-RULE", "NARY-DRAFT"), "")
    await rule_drafts.save(desk.database, "cli:tests", "faulty", "rules: [{tag: PatientID, value: CANARY-DRAFT", "")
    subject = rule_subjects.of_header("elements: {PatientName: CANARY-CASE}", {}, Defaults("DESK", now()))
    await rule_tests.add(desk.database, "cli:tests", "case", subject, ["WS"], "")
    await desk.rows("update runtime.dead_letter set body = %s", b'{"name": "CANARY-BODY"}')
    told = Jsonb({"patient_name": "CANARY-AUDIT"})
    await desk.rows(
        "insert into audit.entry (actor, action, object, before, after) values ('a', 'b', 'c', %s, %s)", told, told
    )
    await desk.rows("insert into routing.destination (title) values ('WS') on conflict do nothing")
    for row in await desk.rows(PEERS_WORDS.format(words=PEER)):
        await desk.rows(row["statement"])
    await desk.rows("update routing.destination set circuit = 'OPEN'")
    await desk.rows("update routing.evaluation set matched = %s", Jsonb([]))


def paths(template: str, instance: Instance) -> Iterator[str]:
    """The addresses of a route: of all that it can show."""
    study, uid, series = instance.study_instance_uid, instance.sop_instance_uid, instance.series_instance_uid
    studies = [study] if template.endswith("/download") else [study, "1.2.3"]
    values = {
        "uid": [uid] if "/instances/{" in template else studies, "series": [series], "job": [JOB],
        "commitment": [OURS, INBOUND], "number": ["1", "2"], "title": ["ARCHIVE1"], "run": ["none"],
        "name": ["case"] if "tests" in template else ["next", "faulty"], "path": ["nothing"],
    }  # fmt: skip
    queries = {
        "/rules/versions/compare": "?old=1&new=2", "/api/v1/rules/sets/{number}/changes": "?since=1",
        "/patients": "?modality=NM", "/attention": "?state=all&since=365d", "/commitments": "?side=received",
        "/patients/correct": f"?uid={study}", "/api/v1/rules/values": "?name=PatientName",
        "/api/v1/rules/names": "?q=Patient", "/rules/values": "?subject=PatientName",
    }  # fmt: skip
    found = [template]
    for name, choices in values.items():
        found = [path.replace(f"{{{name}}}", choice) for path in found for choice in choices]
    for path in dict.fromkeys(found):
        yield path + queries.get(template, "")
        if template in queries:
            yield path


async def answers(client: httpx.AsyncClient, instance: Instance) -> dict[str, httpx.Response]:
    """Of every GET route that ends, as a page, as a part of one, and from the API."""
    got = {}
    for method, template in table():
        if method == "GET" and template != ENDLESS:
            for path in paths(template, instance):
                got[path] = await client.get(path)
                assert got[path].status_code != 500, path
    got["/now, a part"] = await client.get("/now", headers={"HX-Request": "true"})
    return got


def canaries(answer: httpx.Response) -> set[str]:
    kind = answer.headers.get("Content-Type", "")
    text = "" if kind.startswith(("image/png", "application/zip")) else answer.text
    return {word for word in SEEN if word in text} | set(re.findall(r"CANARY[A-Z-]*", text))


async def test_no_route_names_a_patient_to_a_viewer(hiding: Desk) -> None:
    instance = named()
    await full_of_names(hiding, instance)
    shown = {path: canaries(answer) for path, answer in (await answers(hiding.admin, instance)).items()}
    told = {word for words in shown.values() for word in words}
    assert told >= SEEN, SEEN - told
    seen = await answers(hiding.viewer, instance)
    assert {path: found for path, answer in seen.items() if (found := canaries(answer))} == {}
    hidden = {path for path, words in shown.items() if words and seen[path].status_code == 200}
    for part in ("/patients", f"/jobs/{JOB}", "/rules/versions/1", "/api/v1/rules", "/api/v1/status", "/now, a part"):
        assert part in hidden, "an admin is told names there, and a viewer the rest"
        assert "hidden" in seen[part].text or "status A700" in seen[part].text, part
    assert not any(seen[path].status_code == 200 for path in seen if path.endswith("/download"))


async def test_nobody_searches_by_what_he_does_not_see(hiding: Desk) -> None:
    instance = named()
    await stored(hiding, instance)
    for key in ("patient_name", "patient_id", "issuer", "birth_date", "referring_physician", "accession", "study_id"):
        for path in ("/api/v1/studies", "/patients"):
            asked = {key: "19010203" if key == "birth_date" else "CANARY*"}
            assert (await hiding.viewer.get(path, params=asked)).status_code == 403, key
            assert (await hiding.operator.get(path, params=asked)).status_code == 200, key
    program = await hiding.program(Role.VIEWER)
    (study,) = (await program.get("/api/v1/studies?description=bone*")).json()["items"]
    assert (study["patient_name"], study["description"]) == ("hidden", "Bone scan")

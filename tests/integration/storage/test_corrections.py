"""Correct and resend: new revisions beside the originals, whatever happens in between."""

import hashlib
import io
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pydicom
import pytest
from psycopg.types.json import Jsonb

from services.index.store import ReceiptKey, index_receipts
from services.storage.corrections import Corrector
from services.storage.requests import Requests
from tests.factories import Instance, ct, mr
from tests.integration.storage.conftest import Storage

PATIENT = [
    {"do": "set", "tag": ["PatientID"], "value": ["P2"]},
    {"do": "set", "tag": ["PatientName"], "value": ["B^C"]},
]


@pytest.fixture
def requests(storage: Storage, tmp_path: Path) -> Requests:
    return Requests(storage.database, storage.settings, Corrector(storage.objects, tmp_path, 1 << 30), commitment=True)


async def asked(storage: Storage, steps: list[dict[str, Any]], *uids: str, to: str | None = None) -> UUID:
    """A person's request, as admin writes it."""
    number = uuid4()
    body = {"uids": list(uids), "steps": steps, "why": "mixed up", "to": to}
    await storage.rows(
        "insert into config.request (id, kind, body, requested_by) values (%(id)s, 'correct', %(body)s, 'operator')",
        id=number, body=Jsonb(body),
    )  # fmt: skip
    return number


async def answer(storage: Storage, request: UUID) -> dict[str, Any]:
    (row,) = await storage.rows("select result from storage.request_done where request = %(id)s", id=request)
    found: dict[str, Any] = row["result"]
    return found


async def received(storage: Storage, *instances: Instance, source: str = "SCANNER1") -> None:
    await storage.handle(*(storage.receive(instance, source) for instance in instances))


async def newest(storage: Storage, instance: Instance) -> tuple[dict[str, Any], pydicom.Dataset]:
    """The identity of the newest revision, and what its object holds."""
    rows = await storage.rows(
        "select i.*, r.flags, r.disposition, r.calling_aet, r.rule_set, r.association from storage.identity i "
        "join storage.receipt r on r.object_key = i.object_key where i.sop_instance_uid = %(uid)s "
        "order by i.revision desc limit 1",
        uid=instance.sop_instance_uid,
    )
    with storage.objects.open(rows[0]["object_key"]) as source:
        part_10 = source.read()
    data = part_10[rows[0]["data_set_offset"] :]
    assert hashlib.sha256(data).hexdigest() == rows[0]["sha256"]
    return rows[0], pydicom.dcmread(io.BytesIO(part_10))


async def test_a_study_is_corrected_beside_its_original_and_routed_by_the_live_rules(
    storage: Storage, requests: Requests
) -> None:
    """Also what the source's policy would hold: a person asked for it."""
    await storage.rows(
        "insert into config.station (title, host, port, revision_policy) values ('SCANNER1', 'ct', 104, 'hold')"
    )
    await storage.rows("insert into config.rule_set (number, source, document, created_by) values (4, '', '{}', 'x')")
    await storage.rows("update config.generation set rule_set = 4")
    first, second = ct(1, study=7), mr(2, study=7)
    await received(storage, first, second)
    before = {each.sop_instance_uid: await newest(storage, each) for each in (first, second)}
    request = await asked(storage, PATIENT, first.study_instance_uid)
    await requests.carry_out(request)
    assert await answer(storage, request) == {"instances": 2}
    for instance in (first, second):
        row, found = await newest(storage, instance)
        assert (row["revision"], row["disposition"], row["flags"]) == (2, "REVISION", ["revision", "corrected"])
        assert (row["calling_aet"], row["rule_set"], row["association"]) == ("SCANNER1", 4, request.hex)
        assert (found.PatientID, str(found.PatientName)) == ("P2", "B^C")
        assert found.PixelData == before[instance.sop_instance_uid][1].PixelData
        assert found.InstanceCoercionDateTime
        original, _ = before[instance.sop_instance_uid]
        with storage.objects.open(original["object_key"]) as source:
            source.seek(original["data_set_offset"])
            assert source.read() == instance.data_set, "the original stays"
    assert await storage.events() == ["NEW", "NEW", "REVISION", "REVISION"]
    again = await asked(storage, PATIENT, first.study_instance_uid)
    await requests.carry_out(again)
    assert "says so already" in (await answer(storage, again))["error"]


async def test_what_is_corrected_back_is_another_content_than_the_first(storage: Storage, requests: Requests) -> None:
    instance = ct(1)
    await received(storage, instance)
    _, original = await newest(storage, instance)
    for value in ("P2", original.PatientID):
        steps = [{"do": "set", "tag": ["PatientID"], "value": [value]}]
        await requests.carry_out(await asked(storage, steps, instance.sop_instance_uid))
    row, found = await newest(storage, instance)
    assert (row["revision"], found.PatientID) == (3, original.PatientID)


async def test_nothing_is_written_when_one_instance_cannot_be_corrected(storage: Storage, requests: Requests) -> None:
    """The name does not fit into the character set of one of them."""
    western, plain = ct(1, study=7), ct(2, study=7, SpecificCharacterSet="ISO_IR 6")
    await received(storage, western, plain)
    objects = storage.present()
    steps = [{"do": "set", "tag": ["PatientName"], "value": ["Müller^Jörg"]}]
    request = await asked(storage, steps, western.study_instance_uid)
    await requests.carry_out(request)
    error = (await answer(storage, request))["error"]
    assert plain.sop_instance_uid in error
    assert "character set" in error
    assert "Müller" not in error
    assert storage.present() == objects
    charset = [{"do": "charset", "value": ["ISO_IR 192"]}, *steps]
    request = await asked(storage, charset, western.study_instance_uid)
    await requests.carry_out(request)
    assert await answer(storage, request) == {"instances": 2}
    assert str((await newest(storage, plain))[1].PatientName) == "Müller^Jörg"


async def test_a_process_that_ends_between_the_objects_and_their_rows_loses_nothing(
    storage: Storage, requests: Requests
) -> None:
    """The sweep records what was written as what it is; the request is answered when it is carried out again."""
    instances = [ct(number, study=7) for number in range(3)]
    await received(storage, *instances)
    request = await asked(storage, PATIENT, instances[0].study_instance_uid)
    await requests._write(request)
    requests._written.clear()
    await storage.sweep.run_once()
    await requests.carry_out(request)
    assert await answer(storage, request) == {"instances": 3}
    dispositions = await storage.dispositions()
    assert [row[0] for row in dispositions] == ["NEW"] * 3 + ["REVISION"] * 3
    assert (await newest(storage, instances[0]))[0]["flags"] == ["revision", "corrected"]


async def test_the_index_has_the_corrected_patient(storage: Storage, requests: Requests) -> None:
    """One instance of the study named another patient before, and the wrong one is nobody any more."""
    first, second = ct(1, study=7), ct(2, study=7, PatientID="OTHER")
    await received(storage, first, second)
    await index(storage)
    (study,) = await storage.rows("select patient_id, patient_conflict from index.study_view")
    assert study["patient_conflict"]
    await requests.carry_out(await asked(storage, PATIENT, first.sop_instance_uid))
    await index(storage)
    (study,) = await storage.rows("select patient_id, patient_conflict from index.study_view")
    assert (study["patient_id"], study["patient_conflict"]) == ("P2", True), "the other one still differs"
    await requests.carry_out(await asked(storage, PATIENT, second.sop_instance_uid))
    await index(storage)
    (study,) = await storage.rows("select patient_id, patient_name, patient_conflict from index.study_view")
    assert study == {"patient_id": "P2", "patient_name": "B^C", "patient_conflict": False}
    assert await storage.rows("select patient_id from index.patient") == [{"patient_id": "P2"}]


async def index(storage: Storage) -> None:
    """What index does with the receipts that there are."""
    rows = await storage.rows(
        "select received_at, object_key from storage.receipt r where not exists (select from index.instance i "
        "where i.object_key = r.object_key) order by received_at, object_key"
    )
    async with storage.database.transaction() as connection:
        await index_receipts(connection, [ReceiptKey(row["received_at"], row["object_key"]) for row in rows])

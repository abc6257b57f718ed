"""What the API has a schema for leaves out nothing of what is known."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
from fastapi.encoders import jsonable_encoder

from services.admin import commitments, corrections, overview
from services.admin.corrections import Correction
from services.admin.rules import rule_explanations
from tests.desk import Desk
from tests.integration.admin.test_answers import recorded
from tests.integration.admin.test_patients import named, stored
from tests.integration.cli.test_commitments import INBOUND, OURS

WHEN = "{all: [{tag: Modality, op: equals, value: CT}]}"
RULES = f"version: 1\nrules: [{{name: ct, when: {WHEN}, send: [{{to: ARCHIVE1}}]}}]\n"


async def test_of_the_status(desk: Desk) -> None:
    await recorded(desk)
    known = await overview.status(desk.database)
    assert known["destinations"]
    assert lacking(known, await desk.viewer.get("/api/v1/status")) == set()


async def test_of_a_commitment_of_either_kind(desk: Desk) -> None:
    await recorded(desk)
    for commitment in (OURS, INBOUND):
        known = await commitments.show(desk.database, UUID(commitment), 1000)
        answer = await desk.viewer.get(f"/api/v1/commitments/{commitment}")
        assert {place.rpartition(".")[2] for place in lacking(known, answer)} <= {"from"}  # the API says source


async def test_of_an_explanation(desk: Desk) -> None:
    wanted = named(1, "Zaunkoenig^Berta", "P1")
    await stored(desk, wanted)
    await desk.rows("insert into config.station (title, host, port, store) values ('ARCHIVE1', '127.0.0.1', 105, true)")
    uid = wanted.sop_instance_uid
    asked = rule_explanations.Asked(RULES)
    known = await rule_explanations.explain(desk.database, lambda: desk.runtime.objects, uid, asked)
    assert known["explanations"][0]["rules"][0]["when"]["nodes"]
    answer = await desk.operator.post("/api/v1/rules/explanations", json={"uid": uid, "source": RULES})
    assert lacking(known, answer) == set()


async def test_of_what_a_correction_would_change(desk: Desk) -> None:
    wanted = named(1, "Zaunkoenig^Berta", "P1")
    await stored(desk, wanted)
    uid, largest = wanted.sop_instance_uid, desk.runtime.settings.max_object_bytes
    known = await corrections.preview(desk.database, desk.runtime.objects, uid, Correction("P2"), largest)
    assert known["elements"]
    asked = {"uids": [uid], "patient_id": "P2", "why": "a try"}
    assert lacking(known, await desk.operator.post("/api/v1/studies/correct/preview", json=asked)) == set()


def lacking(known: dict[str, Any], answer: httpx.Response) -> set[str]:
    """The places of what is known that the answer has not."""
    assert answer.status_code == 200, answer.text
    return set(places(jsonable_encoder(known))) - set(places(json.loads(answer.text)))


def places(told: Any, path: str = "") -> Iterator[str]:
    """Where there is something in it."""
    inside = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    yield path
    for name, each in inside:
        yield from places(each, f"{path}.{name}")

"""What is kept of a patient, found by the views of the services that keep it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.admin.erasing.sought import ELEMENTS
from services.admin.erasing.whose import Content, Patient, contents_of, patient_in
from services.runtime.db import Connection, load_queries
from services.runtime.errors import UsageError

QUERIES: Final = load_queries(__package__, "erasing.sql")


@dataclass(frozen=True)
class Stored:
    """What is stored of a patient."""

    patient: Patient
    contents: Sequence[Content]


async def stored_of(conn: Connection, patient_id: str, issuer: str | None, until: datetime | None = None) -> Stored:
    """What is the patient's of all that was received until then (None: now); also deleted, while it has facts.

    ``issuer`` None: of whoever has issued the ID, if that is one. Raises ``UsageError`` if there are several.
    """
    values = {"patient_id": patient_id, "until": until, "elements": list(ELEMENTS)}
    known = [_content(row) for row in await (await conn.execute(QUERIES.known_contents, values)).fetchall()]
    studies = await (await conn.execute(QUERIES.studies_of_patient, values)).fetchall()
    found = {each.patient for each in known if each.patient} | {Patient(patient_id, row["issuer"]) for row in studies}
    patient = _the_one([each for each in found if each.patient_id == patient_id], patient_id, issuer)
    theirs = {row["study_instance_uid"] for row in studies if row["issuer"] == patient.issuer}
    return Stored(patient, contents_of(patient, known, theirs))


def _the_one(found: Sequence[Patient], patient_id: str, issuer: str | None) -> Patient:
    if issuer is not None or not found:
        return Patient(patient_id, issuer or "")
    if len(found) > 1:
        issuers = ", ".join(repr(each.issuer) for each in sorted(found))
        raise UsageError(
            f"issuer: the Patient ID is that of {len(found)} patients, by its issuers {issuers}: name one (--issuer, "
            "'' for none)"
        )
    return found[0]


def _content(row: dict[str, Any]) -> Content:
    values = row.pop("values") or {}
    return Content(**row, patient=patient_in(values), values=values)

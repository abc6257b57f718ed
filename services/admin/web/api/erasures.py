"""Patients that are or were erased, and the proofs of that."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from services.admin.erasing import asking, erasures
from services.admin.erasing.asking import Wish
from services.admin.erasing.whose import Patient
from services.admin.web import cursors
from services.admin.web.asking import Admin
from services.admin.web.cursors import Cursor, Limit, Listed
from services.admin.web.desk import OfDesk
from services.admin.web.sent import Sent

router: Final = APIRouter(prefix="/erasures", tags=["erasures"])
ErasureState = Literal["ASKED", "RUNNING", "ERASED", "FAILED"]
Id = Annotated[str, Field(min_length=1, max_length=asking.LONGEST_ID, examples=["4711"])]
Issuer = Annotated[str | None, Field(max_length=asking.LONGEST_ID)]


class Erasing(Sent):
    """Who, and why: the proof keeps that, so it must not name the patient. ``issuer`` null: whoever has issued the ID,
    if that is one; ``force``: deliveries and commitments that are open are given up."""

    patient_id: Id
    issuer: Issuer = None
    why: Annotated[str, Field(min_length=1, max_length=asking.LONGEST_WHY, examples=["asked for under GDPR 17"])]
    force: bool = False

    def wish(self) -> Wish:
        """For the use case."""
        return Wish(self.patient_id, self.why, self.issuer, self.force)


class Extent(BaseModel):
    """How much it is: ``revisions`` are contents, of which an instance may have several; ``places``: rows beside what
    is stored; ``open``: what is still to be done with it."""

    studies: int
    series: int
    instances: int
    revisions: int
    bytes: int
    places: dict[str, int]
    open: dict[str, int]


class Asked(Extent):
    """It goes on by itself."""

    id: UUID
    state: ErasureState
    asked_at: datetime


class Erasure(BaseModel):
    """``patient_hmac`` stands for the patient; ``remaining``: what the last look still found, by place."""

    id: UUID
    state: ErasureState
    patient_hmac: str
    why: str
    forced: bool
    asked_by: str
    asked_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    removed: dict[str, int]
    remaining: dict[str, Any]
    proof_sha256: str | None


@router.post("")
async def erase_patient(desk: OfDesk, principal: Admin, wanted: Erasing) -> Asked:
    """Erase all that is kept of a patient. What comes in afterwards is a new patient's."""
    return Asked(**await asking.erase(desk.database, principal.actor, wanted.wish()))


@router.post("/preview")
async def preview_erasure(desk: OfDesk, principal: Admin, wanted: Erasing) -> Extent:
    """What that would erase. Changes nothing."""
    return Extent(**await asking.preview(desk.database, wanted.wish()))


@router.get("")
async def list_erasures(
    desk: OfDesk, principal: Admin, patient_id: Annotated[str | None, Query(max_length=asking.LONGEST_ID)] = None,
    issuer: Annotated[str, Query(max_length=asking.LONGEST_ID)] = "", limit: Limit = 100, cursor: Cursor = None,
) -> Listed[Erasure]:  # fmt: skip
    """The newest first; who knows a Patient ID finds those of that patient."""
    patient = None if patient_id is None else Patient(patient_id, issuer)
    rows = await erasures.list_erasures(desk.database, patient, limit + 1, cursors.read(cursor, str))
    return cursors.page_of([Erasure(**row) for row in rows], limit, lambda each: (each.asked_at, str(each.id)))


@router.get("/{number}")
async def show_erasure(desk: OfDesk, principal: Admin, number: UUID) -> Erasure:
    """How far it is."""
    return Erasure(**await erasures.show(desk.database, number))


@router.get("/{number}/proof", response_class=Response, responses={200: {"content": {"application/json": {}}}})
async def download_proof(desk: OfDesk, principal: Admin, number: UUID) -> Response:
    """The proof as it was written: the audit has its SHA-256."""
    headers = {"Content-Disposition": f'attachment; filename="erasure-{number}.json"'}
    text = await erasures.proof(desk.database, number)
    return Response(text.encode(), media_type="application/json", headers=headers)

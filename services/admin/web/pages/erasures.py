"""Erasing a patient, and the proofs of that."""

from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from services.admin.erasing import asking, erasures
from services.admin.erasing.asking import Wish
from services.admin.erasing.gate import still_open
from services.admin.errors import Refused
from services.admin.looks import looked_again
from services.admin.patients import search
from services.admin.web import cursors
from services.admin.web.api.erasures import download_proof
from services.admin.web.asking import Admin
from services.admin.web.desk import OfDesk
from services.admin.web.finding import Find
from services.admin.web.rendering import page
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix="/patients")
LISTED: Final = 50
UNSAID: Final = "not said yet"


@router.get("/studies/{uid}/erase")
async def show_form(request: Request, desk: OfDesk, principal: Admin, uid: str) -> Response:
    """What would be erased, and the form."""
    study = await search.show(desk.database, uid)
    if not study["patient_id"]:
        raise Refused("the study has no Patient ID: delete it, or correct it first")
    await looked_again(desk.database, desk.lately, principal.actor, "studies.view", [study["study_instance_uid"]])
    extent = await asking.preview(desk.database, Wish(study["patient_id"], UNSAID, study["issuer"]))
    return page(
        request, "erase.html", study=study, extent=extent, open_work=still_open(extent["open"]),
        longest_why=asking.LONGEST_WHY,
    )  # fmt: skip


@router.post("/studies/{uid}/erase")
async def erase(
    request: Request, desk: OfDesk, principal: Admin, uid: str,
    typed: Annotated[str, Form(max_length=asking.LONGEST_ID)] = "", why: Annotated[str, Form(max_length=2000)] = "",
    force: Annotated[bool, Form()] = False,
) -> Response:  # fmt: skip
    """Erase the patient of that study, whose ID was typed in."""
    study = await search.show(desk.database, uid)
    if not study["patient_id"] or typed.strip() != study["patient_id"]:
        raise UsageError("Patient ID: what was typed is not the ID of this patient; nothing was erased")
    await asking.erase(desk.database, principal.actor, Wish(study["patient_id"], why, study["issuer"], force))
    return Response(headers={"HX-Redirect": "/patients/erasures"})


@router.get("/erasures")
async def list_erasures(
    request: Request, desk: OfDesk, principal: Admin, find: Find = "",
    cursor: Annotated[str, Query(max_length=256)] = "",
) -> Response:  # fmt: skip
    """All of them, or those that a text fits, the newest first."""
    after = cursors.read(cursor or None, str)
    rows = await erasures.list_erasures(desk.database, None, LISTED + 1, after, find.split())
    found = cursors.page_of(rows, LISTED, lambda row: (row["asked_at"], str(row["id"])))
    return page(
        request, "erasures.html", rows=found.items, find=find, here=_link(find, cursor),
        next=found.next and _link(find, found.next),
    )  # fmt: skip


@router.get("/erasures/{number}/proof")
async def proof(desk: OfDesk, principal: Admin, number: UUID) -> Response:
    """The proof as a file."""
    return await download_proof(desk, principal, number)


def _link(find: str, cursor: str) -> str:
    query = {name: value for name, value in (("find", find), ("cursor", cursor)) if value}
    return f"/patients/erasures?{urlencode(query)}" if query else "/patients/erasures"

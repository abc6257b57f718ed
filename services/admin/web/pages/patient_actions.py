"""What is done to chosen studies, series and instances."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import Response

from services.admin import corrections, requests, stations
from services.admin.corrections import Correction
from services.admin.counted import counted
from services.admin.errors import NotFound
from services.admin.looks import looked_again
from services.admin.not_in_profile import refuse_query_by_itself
from services.admin.patients import search
from services.admin.requests import Requested, given_up
from services.admin.web.asking import Operator, Viewer
from services.admin.web.desk import OfDesk
from services.admin.web.files import MOST_CHOSEN, chosen_zip, require_files
from services.admin.web.rendering import elsewhere, message, page
from services.admin.web.told import sentence
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix="/patients")
MOST_CORRECTED: Final = 50
"""Named in the address of the form; studies and series may have any number of instances."""
Field = Annotated[str, Form(max_length=324)]


async def _marked(
    uid: Annotated[list[str] | None, Form(max_length=requests.MOST_UIDS)] = None, study: Field = ""
) -> list[str]:
    """What was marked, or else the study on whose page it is done. Raises ``UsageError`` if that is nothing."""
    if not uid and not study:
        raise UsageError("nothing is chosen: mark studies, series or instances first")
    return requests.wanted_of(uid or [study])


Marked = Annotated[list[str], Depends(_marked)]


@router.post("/send")
async def send(
    request: Request, desk: OfDesk, principal: Operator, marked: Marked, to: Field = "",
    skip_present: Annotated[bool, Form()] = False,
) -> Response:  # fmt: skip
    """Send them to a station."""
    if skip_present:
        refuse_query_by_itself(desk.profile.name, "skip-present")
    done = await requests.send(desk.database, principal.actor, marked, to, skip_present=skip_present or None)
    return _told(request, done, f"Sent to {to}")


@router.post("/route")
async def route(request: Request, desk: OfDesk, principal: Operator, marked: Marked) -> Response:
    """Have the live rules look at them."""
    return _told(request, await requests.route(desk.database, principal.actor, marked), "Routed")


@router.post("/delete")
async def delete(
    request: Request, desk: OfDesk, principal: Operator, marked: Marked,
    even_uncommitted: Annotated[bool, Form()] = False, force: Annotated[bool, Form()] = False, why: Field = "",
    study: Field = "",
) -> Response:  # fmt: skip
    """Delete them; away from the page of a study that goes as a whole."""
    how: dict[str, Any] = {"even_uncommitted": even_uncommitted, "force": force, "why": why}
    done = await requests.delete(desk.database, principal.actor, marked, **how)
    if marked == [study] and done.result is not None:
        return elsewhere(request, "/patients", _sentence(done, "Deleted"))
    return _told(request, done, "Deleted")


@router.post("/export/begin")
async def begin_export(
    request: Request, desk: OfDesk, principal: Viewer, marked: Marked, dicomdir: Annotated[bool, Form()] = False
) -> Response:
    """To the file, with what was chosen."""
    if len(marked) > MOST_CHOSEN:
        raise UsageError(f"{len(marked)} chosen: export at most {MOST_CHOSEN} at a time, studies or series as a whole")
    await require_files(desk, principal, marked)
    query = [("uid", each) for each in marked] + ([("dicomdir", "true")] if dicomdir else [])
    return Response(headers={"HX-Redirect": f"/patients/export?{urlencode(query)}"})


@router.get("/export")
async def export(
    desk: OfDesk, principal: Viewer, uid: Annotated[list[str], Query(min_length=1, max_length=MOST_CHOSEN)],
    dicomdir: bool = False,
) -> Response:  # fmt: skip
    """What was chosen as a ZIP."""
    return await chosen_zip(desk, principal, uid, dicomdir=dicomdir)


@router.post("/correct/begin")
async def begin_correction(request: Request, desk: OfDesk, principal: Operator, marked: Marked) -> Response:
    """To the form, with what was chosen."""
    if len(marked) > MOST_CORRECTED:
        raise UsageError(
            f"{len(marked)} chosen: correct at most {MOST_CORRECTED} at a time, studies or series as a whole"
        )
    return Response(headers={"HX-Redirect": f"/patients/correct?{urlencode([('uid', each) for each in marked])}"})


@router.get("/correct")
async def show_correction(
    request: Request, desk: OfDesk, principal: Operator, uid: Annotated[list[str], Query(max_length=MOST_CORRECTED)]
) -> Response:
    """The form, with whom and what it corrects as it is now."""
    uids = requests.wanted_of(uid)
    studies = await search.studies_of(desk.database, uids)
    if not studies:
        raise NotFound(f"nothing stored has the UID {uids[0]}: it was deleted, or is recorded within seconds")
    looked = [each["study_instance_uid"] for each in studies]
    await looked_again(desk.database, desk.lately, principal.actor, "studies.view", looked)
    targets = [station.title for station in await stations.list_all(desk.database) if station.store and station.enabled]
    return page(
        request, "correct.html", uids=uids, longest_why=corrections.LONGEST_WHY, targets=targets, studies=studies,
        once=uuid4(),
    )  # fmt: skip


@router.post("/correct/preview")
async def preview_correction(
    request: Request, desk: OfDesk, principal: Operator, marked: Marked, patient_id: Field = "",
    patient_name: Field = "", accession: Field = "", charset: Field = "",
) -> Response:  # fmt: skip
    """What would change in the first instance."""
    wanted = _correction(patient_id, patient_name, accession, charset)
    largest = desk.runtime.settings.max_object_bytes
    found = await corrections.preview(desk.database, desk.runtime.objects, marked[0], wanted, largest)
    await looked_again(desk.database, desk.lately, principal.actor, "studies.header", [found["instance"]])
    return page(request, "correct_part.html", found=found)


@router.post("/correct")
async def correct(
    request: Request, desk: OfDesk, principal: Operator, marked: Marked,
    why: Annotated[str, Form(max_length=2000)] = "", patient_id: Field = "", patient_name: Field = "",
    accession: Field = "", charset: Field = "", to: Field = "", once: Annotated[UUID | None, Form()] = None,
) -> Response:  # fmt: skip
    """Store corrected revisions and send them; ``once``: of the form, which may be sent twice."""
    wanted = _correction(patient_id, patient_name, accession, charset)
    if not why.strip():
        raise UsageError("Why: say why it is corrected; it is kept in the audit")
    done = await corrections.correct(desk.database, principal.actor, marked, wanted, why, to.strip() or None, once)
    studies = await search.studies_of(desk.database, marked)
    back = f"/patients/studies/{studies[0]['study_instance_uid']}" if len(studies) == 1 else "/jobs"
    return elsewhere(request, back, _sentence(done, "Corrected"))


def _correction(patient_id: str, patient_name: str, accession: str, charset: str) -> Correction:
    """What was left empty stays as it is."""
    given = [text.strip() or None for text in (patient_id, patient_name, accession, charset)]
    if not any(given[:3]):
        raise UsageError("nothing is corrected: give a patient ID, a name or an accession number")
    return Correction(*given)


def _told(request: Request, requested: Requested, done: str) -> Response:
    return message(request, _sentence(requested, done))


def _sentence(requested: Requested, done: str) -> str:
    counts = [counted(count, name) for name, count in (requested.result or {}).items() if isinstance(count, int)]
    gone = given_up(requested.result or {})
    return sentence(requested, f"{done}: {', '.join(counts)}{gone}" if counts else f"{done}.")

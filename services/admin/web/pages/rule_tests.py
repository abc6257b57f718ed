"""Test cases of the rules: the list with how each goes, one more, one less."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import Response

from schemas.rules import from_stored
from services.admin import stations
from services.admin.errors import NotFound, Refused
from services.admin.patients.hiding import HIDDEN
from services.admin.rules import rule_sets, rule_subjects, rule_tests
from services.admin.rules.rules_allowed import by_class
from services.admin.web import uploads
from services.admin.web.asking import Admin, Viewer
from services.admin.web.desk import Desk, OfDesk
from services.admin.web.finding import Find, fitting
from services.admin.web.names import hides
from services.admin.web.preconditions import as_seen_or_new, tag_of
from services.admin.web.rendering import page
from services.dicom.rules import Defaults
from services.runtime.clock import now
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix="/rules/tests")
EXAMPLE: Final = "elements: {Modality: NM, StudyDescription: Bone}\nfacts: {calling_aet: GAMMA1}\n"
Name = Annotated[str, Path(max_length=64, pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")]


@router.get("")
async def list_tests(request: Request, desk: OfDesk, principal: Viewer, find: Find = "") -> Response:
    """All of them, or those that a text fits, run on the live rules."""
    kept = fitting(await rule_tests.list_all(desk.database), find, _told)
    rows = [row | {"tag": tag_of(row)} for row in kept]
    told = {"why": [HIDDEN]} if hides(desk, principal) else {}  # it quotes conditions, which may name patients
    outcomes = {each["case"]: each | told for each in await _outcomes(desk)} if rows else {}
    titles = [station.title for station in await stations.list_all(desk.database) if station.store]
    return page(request, "rule_tests.html", rows=rows, outcomes=outcomes, titles=titles, example=EXAMPLE, find=find)


@router.post("")
async def add(
    request: Request, desk: OfDesk, principal: Admin, name: Annotated[str, Form(max_length=64)],
    header: Annotated[str, Form(max_length=100_000)], expected: Annotated[str, Form(max_length=2000)] = "",
    comment: Annotated[str, Form(max_length=1000)] = "",
) -> Response:  # fmt: skip
    """One from a header that was written down."""
    defaults = Defaults(desk.runtime.settings.aet, now())
    subject = rule_subjects.of_header(header.replace("\r\n", "\n"), {}, defaults)
    await rule_tests.add(
        desk.database, principal.actor, name.strip(), subject, _titles(expected), comment, _new
    )  # fmt: skip
    return Response(headers={"HX-Redirect": "/rules/tests"})


@router.post("/file")
async def add_file(
    request: Request, desk: OfDesk, principal: Admin, name: Annotated[str, Query(max_length=64)],
    expected: Annotated[str, Query(max_length=2000)] = "", calling_aet: Annotated[str, Query(max_length=16)] = "",
    comment: Annotated[str, Query(max_length=1000)] = "",
) -> Response:  # fmt: skip
    """One from a DICOM file, the body, of which the header facts are kept and nothing else."""
    upload = uploads.uploaded(desk, await uploads.body(request), {"calling_aet": calling_aet})
    wanted = _titles(expected)
    await rule_tests.add(desk.database, principal.actor, name.strip(), upload.subject, wanted, comment, _new)
    return Response(headers={"HX-Redirect": "/rules/tests"})


@router.post("/{name}/remove")
async def remove(
    request: Request, desk: OfDesk, principal: Admin, name: Name, seen: Annotated[str, Form()]
) -> Response:
    """Forget it."""
    await rule_tests.remove(desk.database, principal.actor, name, as_seen_or_new(seen, "test case"))
    return Response(headers={"HX-Redirect": "/rules/tests"})


def _new(there: dict[str, Any] | None) -> None:
    """The form adds, and changes nothing."""
    if there is not None:
        raise Refused(f"test case {there['name']} is there already: remove it first, or choose another name")


async def _outcomes(desk: Desk) -> list[dict[str, Any]]:
    try:
        live = await rule_sets.show(desk.database, None)
    except NotFound:
        return []
    return await rule_tests.run(desk.database, from_stored(live["document"]), by_class(desk.profile))


def _told(row: Mapping[str, Any]) -> tuple[str, ...]:
    return row["name"], *(row["expected"] or ["nowhere"]), row["comment"], row["saved_by"]


def _titles(text: str) -> list[str]:
    """Those that a person wrote, with commas between; "nowhere" is none (pure)."""
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise UsageError("goes to: say where it has to go: titles with commas between, or nowhere")
    return [] if [each.casefold() for each in found] == ["nowhere"] else found

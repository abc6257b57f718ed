"""Patients: what is stored, from patient to study, series and instance."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.admin import explanations, stations
from services.admin.errors import NotFound, Refused
from services.admin.looks import Look, looked, looked_again
from services.admin.patients import history, journey, search
from services.admin.patients.header import header
from services.admin.patients.search import Search
from services.admin.rules import rule_explanations
from services.admin.rules.rule_hiding import explanation_without_names
from services.admin.web import cursors
from services.admin.web.asking import Viewer
from services.admin.web.desk import Desk, OfDesk
from services.admin.web.files import instance_file, whole_zip
from services.admin.web.names import hides, refuse_names, seen_by
from services.admin.web.patient_keys import FIRST, MORE, keys_of
from services.admin.web.pictures import MOST_FRAMES, Size, picture, placeholder
from services.admin.web.rendering import elsewhere, page
from services.runtime.errors import Unavailable

router: Final = APIRouter(prefix="/patients")
LISTED: Final = 50
MOST_INSTANCES: Final = 2000
"""Of a study, on its page: of more the first received are told."""
MOST_SHOWN: Final = 500
"""Instances of a series in one part of a page."""
MOST_EXPLAINED: Final = 200
MOST_PICTURES: Final = 24
MOST_LOOKED_AT: Final = 100
"""Instances of a study among which those with pictures are sought."""
MOST_PLAYED: Final = 1000
"""Frames: each is a picture that the browser keeps."""
Text = Annotated[str, Query(max_length=256)]
Again = Annotated[bool, Query(description="The page brings itself up to date: what was seen before is no new look.")]


@router.get("")
async def list_studies(
    request: Request, desk: OfDesk, principal: Viewer, cursor: Text = "", again: Again = False
) -> Response:
    """Those that the filter in the address fits, the one that changed last first."""
    asked = {name: request.query_params.get(name, "").strip()[:256] for name in (*FIRST, *MORE)}
    chosen = {name: value for name, value in asked.items() if value}
    keys = keys_of(chosen)
    refuse_names(desk, principal, keys)
    rows = await search.search(desk.database, Search(keys, **cursors.read(cursor or None, str)), LISTED + 1)
    found = cursors.page_of(rows, LISTED, lambda row: (row["updated_at"], row["study_instance_uid"]))
    await _seen(desk, principal.actor, "studies.search", [row["study_instance_uid"] for row in found.items], again)
    return page(
        request,
        "patients.html",
        rows=[seen_by(desk, principal, row) for row in found.items],
        wanted=asked,
        hidden=hides(desk, principal),
        opened=any(asked[name] for name in MORE),
        chosen=urlencode(chosen),
        here=f"/patients?{urlencode(chosen | ({'cursor': cursor} if cursor else {}) | {'again': 'true'})}",
        next=found.next and f"/patients?{urlencode(chosen | {'cursor': found.next})}",
        targets=await _targets(desk),
    )


@router.get("/studies/{uid}")
async def show_study(request: Request, desk: OfDesk, principal: Viewer, uid: str, again: Again = False) -> Response:
    """A study with its series and its journey; away from it where it was deleted while somebody looked at it."""
    try:
        study = await search.show(desk.database, uid)
    except NotFound as why:
        if not again:
            raise
        return elsewhere(request, "/patients", f"The study you looked at is not here any longer: {why}")
    found = seen_by(desk, principal, await history.known(desk.database, study["study_instance_uid"], MOST_INSTANCES))
    rows = await search.instances(desk.database, study["study_instance_uid"], None, MOST_LOOKED_AT, by_number=True)
    await _seen(desk, principal.actor, "studies.view", [study["study_instance_uid"]], again)
    return page(
        request,
        "study.html",
        study=seen_by(desk, principal, study),
        hidden=hides(desk, principal),
        pictures=[row for row in rows if row["row_count"] and row["latest"]][:MOST_PICTURES],
        events=journey.events(found),
        cut_at=found.get("cut_at"),
        targets=await _targets(desk),
    )


@router.get("/studies/{uid}/series")
async def list_series(request: Request, desk: OfDesk, principal: Viewer, uid: str) -> Response:
    """The series of a study, as a part of the list."""
    study = await search.show(desk.database, uid)
    await looked_again(desk.database, desk.lately, principal.actor, "studies.view", [study["study_instance_uid"]])
    return page(request, "series_part.html", study=seen_by(desk, principal, study))


@router.get("/studies/{uid}/series/{series}")
async def list_instances(request: Request, desk: OfDesk, principal: Viewer, uid: str, series: str) -> Response:
    """The instances of a series, as a part of the list."""
    study = await search.show(desk.database, uid)
    rows = await search.instances(
        desk.database, study["study_instance_uid"], series, MOST_SHOWN + 1, by_number=True
    )  # fmt: skip
    await looked_again(desk.database, desk.lately, principal.actor, "studies.view", [study["study_instance_uid"]])
    return page(request, "instances_part.html", rows=rows[:MOST_SHOWN], more=len(rows) > MOST_SHOWN, most=MOST_SHOWN)


@router.get("/studies/{uid}/instances")
async def list_whereabouts(request: Request, desk: OfDesk, principal: Viewer, uid: str) -> Response:
    """Of each instance: hash, receipts, findings and where it went, as a part of the study's page."""
    found = seen_by(desk, principal, await explanations.where(desk.database, uid, MOST_INSTANCES))
    await looked_again(desk.database, desk.lately, principal.actor, "studies.view", [found["study"]])
    went: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for delivery in found["deliveries"]:
        went.setdefault((delivery["instance"], delivery["revision"]), []).append(delivery)
    rows = [row | {"deliveries": went.get((row["uid"], row["revision"]), [])} for row in found["instances"]]
    return page(request, "whereabouts_part.html", rows=rows, cut_at=found.get("cut_at"))


@router.get("/studies/{uid}/rules")
async def explain_rules(request: Request, desk: OfDesk, principal: Viewer, uid: str) -> Response:
    """Why each rule took it or not, as a part of the study's page. Values that were seen are left out for who may not
    see names."""
    found = await rule_explanations.explain(
        desk.database, lambda: desk.runtime.objects, uid, rule_explanations.Asked(), MOST_EXPLAINED
    )
    await looked_again(desk.database, desk.lately, principal.actor, "studies.view", [found["uid"]])
    told = found["explanations"]
    shown = explanation_without_names(told) if hides(desk, principal) else told
    return page(request, "why_part.html", told=shown, cut_at=found.get("cut_at"))


@router.get("/instances/{uid}")
async def show_instance(
    request: Request, desk: OfDesk, principal: Viewer, uid: str, revision: int | None = None, q: Text = ""
) -> Response:
    """An instance: its picture and its header."""
    instance = await search.instance(desk.database, uid, revision)
    study = await search.show(desk.database, instance["study_instance_uid"])
    hidden = hides(desk, principal)
    read = await header(desk.runtime.objects, instance, hide_names=hidden)
    await looked_again(desk.database, desk.lately, principal.actor, "studies.header", [instance["sop_instance_uid"]])
    text = q.strip().casefold()
    rows = [row for row in read.rows if text in f"{row.tag} {row.name} {row.creator} {row.value}".casefold()]
    return page(
        request,
        "instance.html",
        instance=instance,
        study=seen_by(desk, principal, study),
        rows=rows,
        all=len(read.rows),
        more=read.more,
        q=q,
        hidden=hidden,
        most_played=MOST_PLAYED,
    )


@router.get("/instances/{uid}/picture")
async def show_picture(
    request: Request, desk: OfDesk, principal: Viewer, uid: str, revision: int | None = None,
    frame: Annotated[int, Query(ge=1, le=MOST_FRAMES)] = 1, size: Size = 128,
) -> Response:  # fmt: skip
    """A frame as a picture; where there is none, a picture that says why."""
    try:
        return await picture(desk, principal, uid, frame, size, revision)
    except (Refused, Unavailable) as why:
        return placeholder(str(why))


@router.get("/studies/{uid}/download")
async def download_study(
    desk: OfDesk, principal: Viewer, uid: str, series: Annotated[str | None, Query()] = None
) -> Response:
    """A study, or one series of it, as a ZIP."""
    return await whole_zip(desk, principal, [uid], series)


@router.get("/instances/{uid}/download")
async def download_instance(desk: OfDesk, principal: Viewer, uid: str) -> Response:
    """The file of an instance."""
    return await instance_file(desk, principal, uid)


async def _seen(desk: Desk, actor: str, how: Look, uids: list[str], again: bool) -> None:
    if again:
        await looked_again(desk.database, desk.lately, actor, how, uids)
        return
    desk.lately.fresh(actor, how, uids)
    await looked(desk.database, actor, how, uids)


async def _targets(desk: Desk) -> list[str]:
    return [station.title for station in await stations.list_all(desk.database) if station.store and station.enabled]

"""What remote stations have: ask them, and have them send it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from services.admin import querying, retrieving, stations
from services.admin.looks import looked
from services.admin.querying import Question
from services.admin.retrieving import Wish
from services.admin.titles import list_all as own_titles
from services.admin.web.asking import Operator
from services.admin.web.desk import Desk, OfDesk
from services.admin.web.rendering import message, page
from services.admin.web.slashes import TITLE
from services.dicom.dictionary import tag_of

router: Final = APIRouter(prefix="/remote")
FILTER: Final[Mapping[str, str]] = {
    "PatientName": "Patient name", "PatientID": "Patient ID", "StudyID": "Study ID",
    "StudyDescription": "Description", "AccessionNumber": "Accession number", "StudyDate": "Study date",
    "ModalitiesInStudy": "Modality",
}  # fmt: skip
"""The fields of R54."""
MOST: Final = 500
Level = Literal["STUDY", "SERIES", "IMAGE"]
Uid = Annotated[str, Form(max_length=64)]


@dataclass(frozen=True)
class Shown:
    """How the matches of a level are listed: by columns, and by what names one."""

    columns: Mapping[str, str]
    uid: str
    below: Level | None


LEVELS: Final[Mapping[Level, Shown]] = {
    "STUDY": Shown(
        {"PatientName": "Patient", "PatientID": "ID", "StudyDate": "Date", "AccessionNumber": "Accession",
         "StudyID": "Study", "StudyDescription": "Description", "ModalitiesInStudy": "Modalities"},
        "StudyInstanceUID", "SERIES",
    ),
    "SERIES": Shown(
        {"SeriesNumber": "Series", "Modality": "Modality", "SeriesDate": "Date", "SeriesDescription": "Description",
         "NumberOfSeriesRelatedInstances": "Instances"},
        "SeriesInstanceUID", "IMAGE",
    ),
    "IMAGE": Shown(
        {"InstanceNumber": "Instance", "ImageIndex": "Index", "NumberOfFrames": "Frames", "Rows": "Rows",
         "Columns": "Columns"},
        "SOPInstanceUID", None,
    ),
}  # fmt: skip


@router.get("")
async def choose(
    request: Request, desk: OfDesk, principal: Operator, title: Annotated[str, Query(max_length=16)] = ""
) -> Response:
    """Which station to ask, and for what."""
    known = await stations.list_all(desk.database)
    sources = [station for station in known if station.query_retrieve and station.enabled]
    chosen = next((station for station in sources if station.title == title), sources[0] if sources else None)
    return page(request, "remote.html", sources=sources, chosen=chosen, fields=FILTER, xeleris=desk.profile.xeleris)


@router.post(f"/{TITLE}/query")
async def query(
    request: Request, desk: OfDesk, principal: Operator, title: str, level: Level = "STUDY",
    study: Annotated[str, Query(max_length=64)] = "", series: Annotated[str, Query(max_length=64)] = "",
) -> Response:  # fmt: skip
    """The matches of a level, below the first one of a study or series.

    Criteria come in the body: they name people, and addresses are kept by browsers.
    """
    form = await request.form()
    given = {name: str(form.get(name, "")).strip() for name in FILTER} if level == "STUDY" else {}
    given |= {"StudyInstanceUID": study.strip(), "SeriesInstanceUID": series.strip()}
    by_tag = {tag: text for name, text in given.items() if text and (tag := tag_of(name)) is not None}
    asked = Question(level, by_tag, most=MOST)
    found = await querying.ask(desk.database, desk.profile, desk.runtime.settings.aet, title, asked)
    shown = LEVELS[level]
    uids = [str(match[shown.uid]) for match in found.matches]
    await looked(desk.database, principal.actor, "station.query", uids)
    return page(
        request, "remote_matches.html", found=found, level=level, shown=shown, title=found.station, study=study,
        series=series, targets=await _targets(desk),
    )  # fmt: skip


@router.post(f"/{TITLE}/retrieve")
async def retrieve(
    request: Request, desk: OfDesk, principal: Operator, title: str, to: Annotated[str, Form(max_length=16)],
    level: Annotated[Level, Form()] = "STUDY", uid: Annotated[Sequence[str], Form()] = (), study: Uid = "",
    series: Uid = "",
) -> Response:  # fmt: skip
    """Have it send what was chosen; the job tells how far it is."""
    if not uid:
        return message(request, "Choose what to retrieve first: nothing is marked.", bad=True)
    wish = Wish(list(uid), level, study, series)
    made = await retrieving.retrieve(desk.database, principal.actor, desk.runtime.settings.aet, title, to, wish)
    job = (made.result or {}).get("job")
    if job is None:
        return message(request, "It is kept and will be done: the service that does it does not answer now.")
    return Response(headers={"HX-Redirect": f"/jobs/{quote(str(job))}"})


async def _targets(desk: Desk) -> list[str]:
    """Where a station may be told to send to: to us first."""
    ours: list[Any] = [desk.runtime.settings.aet, *(own.title for own in await own_titles(desk.database))]
    return [*ours, *(each.title for each in await stations.list_all(desk.database) if each.enabled)]

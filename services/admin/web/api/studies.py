"""Studies, their series and instances. Every look at them is audited."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from schemas.api.jobs import Asked
from services.admin import corrections, requests
from services.admin.looks import looked
from services.admin.not_in_profile import refuse_query_by_itself
from services.admin.patients import history, journey, journey_event, search
from services.admin.patients.search import Search
from services.admin.requests import Requested
from services.admin.web import cursors
from services.admin.web.asking import Operator, Viewer
from services.admin.web.cursors import Cursor, Limit, Listed
from services.admin.web.desk import OfDesk
from services.admin.web.files import MOST_CHOSEN, chosen_zip, whole_zip
from services.admin.web.names import refuse_names, seen_by
from services.admin.web.sent import Sent
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix="/studies", tags=["studies"])
MOST_INSTANCES: Final = 20_000
DicomDate = Annotated[str | None, Query(pattern="^[0-9]{8}$", examples=["20261129"])]
Text = Annotated[str | None, Query(max_length=256)]
Uids = Annotated[list[str], Field(min_length=1, max_length=requests.MOST_UIDS, examples=[["1.2.840.10008.1"]])]


class ListedStudy(BaseModel):
    """A study as the index knows it. ``instances``: stored there, ``superseded``: of these, sent again elsewhere."""

    study_instance_uid: str
    patient_id: str
    issuer: str
    patient_name: str
    birth_date: str
    sex: str
    study_date: str
    study_time: str
    accession_number: str
    study_id: str
    description: str
    referring_physician: str
    modalities: list[str]
    series: int
    instances: int
    superseded: int
    patient_conflict: bool
    archived: bool
    updated_at: datetime


class Series(BaseModel):
    """A series of a study; ``with_findings``: instances about which something was remarkable."""

    series_instance_uid: str
    modality: str
    series_number: str
    description: str
    instances: int
    superseded: int
    with_findings: int


class Study(ListedStudy):
    """A study with its series."""

    series_list: list[Series]


class Instance(BaseModel):
    """One revision of an instance; ``latest``: the one that queries answer with, ``damaged``: its object is."""

    sop_instance_uid: str
    revision: int
    series_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    instance_number: str
    image_type: str
    row_count: int | None
    column_count: int | None
    frame_count: int | None
    latest: bool
    received_at: datetime
    size: int
    sha256: str
    damaged: bool
    archived: bool


class Event(BaseModel):
    """What happened to ``count`` instances alike; ``instances`` are the first of them. ``times``: how often."""

    kind: journey_event.Kind
    text: str
    tone: journey_event.Tone
    detail: str
    link: str
    at: datetime | None
    until: datetime | None
    count: int
    times: int
    instances: list[str]


class Journey(BaseModel):
    """``cut_at``: of more instances only so many are told."""

    study: str
    events: list[Event]
    cut_at: int | None = None


class Chosen(Sent):
    """Studies, series or instances."""

    uids: Uids


class Sending(Chosen):
    """``skip_present``: only what the station has not got; null: as the station says."""

    to: Annotated[str, Field(max_length=16, examples=["ARCHIVE"])]
    skip_present: bool | None = None


class Deleting(Chosen):
    """``even_uncommitted``: also what is to be committed and is not yet; ``force``: also what is to be delivered and is
    not yet, which is given up: ``why`` has to say why."""

    even_uncommitted: bool = False
    force: bool = False
    why: Annotated[str, Field(max_length=requests.LONGEST_WHY, examples=["the workstation is gone"])] = ""


class Correcting(Chosen):
    """What is to be said instead, null leaves what is there; ``to``: null: as the live rules say."""

    patient_id: Annotated[str | None, Field(max_length=64)] = None
    patient_name: Annotated[str | None, Field(max_length=324)] = None
    accession: Annotated[str | None, Field(max_length=16)] = None
    charset: Annotated[str | None, Field(max_length=64)] = None
    why: Annotated[str, Field(min_length=1, max_length=corrections.LONGEST_WHY)]
    to: Annotated[str | None, Field(max_length=16)] = None

    def correction(self) -> corrections.Correction:
        """For the use case."""
        return corrections.Correction(self.patient_id, self.patient_name, self.accession, self.charset)


class BeforeAfter(BaseModel):
    """As it is stored, and as it would be."""

    before: str
    after: str


class ChangedElement(BaseModel):
    """By its path, items counted from 1; null where the element is not there."""

    element: str
    name: str
    vr: str
    before: str | None
    after: str | None


class CorrectionPreview(BaseModel):
    """What would become of one instance. ``uids``: those that would be new, by the old ones."""

    instance: str
    revision: int
    transformation: str
    steps: list[dict[str, Any]]
    transfer_syntax: BeforeAfter
    sha256: BeforeAfter
    uids: dict[str, str]
    elements: list[ChangedElement]


@router.get("")
async def list_studies(
    desk: OfDesk, principal: Viewer, patient_name: Text = None, patient_id: Text = None, issuer: Text = None,
    birth_date: Annotated[str | None, Query(max_length=32, examples=["19650203", "19600101-19691231"])] = None,
    sex: Text = None, study_id: Text = None, accession: Text = None, description: Text = None,
    referring_physician: Text = None, modality: Text = None, study: Text = None,
    date_from: DicomDate = None, date_to: DicomDate = None, limit: Limit = 100, cursor: Cursor = None,
) -> Listed[ListedStudy]:  # fmt: skip
    """The one that changed last first. Texts match as in C-FIND: * and ? are wildcards, names in any case."""
    asked = {
        "patient_name": patient_name, "patient_id": patient_id, "issuer": issuer, "birth_date": birth_date, "sex": sex,
        "study_id": study_id, "accession": accession, "description": description, "study": study,
        "referring_physician": referring_physician, "modality": modality, "study_date": search.days(date_from, date_to),
    }  # fmt: skip
    keys = {name: value for name, value in asked.items() if value}
    refuse_names(desk, principal, keys)
    rows = await search.search(desk.database, Search(keys, **cursors.read(cursor, str)), limit + 1)
    shown = [ListedStudy(**seen_by(desk, principal, row)) for row in rows]
    found = cursors.page_of(shown, limit, lambda each: (each.updated_at, each.study_instance_uid))
    await looked(desk.database, principal.actor, "studies.search", [each.study_instance_uid for each in found.items])
    return found


@router.get("/export", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
async def export_chosen(
    desk: OfDesk, principal: Viewer,
    uid: Annotated[list[str], Query(min_length=1, max_length=MOST_CHOSEN, description="Studies, series, instances.")],
    dicomdir: Annotated[bool, Query(description="As a file-set with a DICOMDIR; of 2000 instances at most.")] = False,
) -> Response:  # fmt: skip
    """Studies, series and instances as one ZIP of Part 10 files; their data sets are bit for bit as received."""
    return await chosen_zip(desk, principal, uid, dicomdir=dicomdir)


@router.get("/{uid}")
async def show_study(desk: OfDesk, principal: Viewer, uid: str) -> Study:
    """One study with its series."""
    found = await search.show(desk.database, uid)
    await looked(desk.database, principal.actor, "studies.view", [found["study_instance_uid"]])
    return Study(**seen_by(desk, principal, found))


@router.get("/{uid}/instances")
async def list_instances(
    desk: OfDesk, principal: Viewer, uid: str, series: Text = None, limit: Limit = 1000, cursor: Cursor = None
) -> Listed[Instance]:
    """The instances of a study, or of one of its series, by UID and revision."""
    found = await search.show(desk.database, uid)
    after = cursors.read(cursor, _revision)["after_key"]
    rows = await search.instances(
        desk.database, found["study_instance_uid"], series, limit + 1, after, by_number=False
    )  # fmt: skip
    listed = cursors.page_of(
        [Instance(**row) for row in rows],
        limit,
        lambda each: (each.received_at, f"{each.sop_instance_uid} {each.revision}"),
    )
    await looked(desk.database, principal.actor, "studies.view", [found["study_instance_uid"]])
    return listed


@router.get("/{uid}/journey")
async def show_journey(desk: OfDesk, principal: Viewer, uid: str) -> Journey:
    """What happened to a study, series or instance, from its receipt on."""
    found = seen_by(desk, principal, await history.known(desk.database, uid, MOST_INSTANCES))
    await looked(desk.database, principal.actor, "studies.view", [found["study"]])
    told = [Event(**event.document()) for event in journey.events(found)]
    return Journey(study=found["study"], events=told, cut_at=found.get("cut_at"))


@router.get("/{uid}/download", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
async def download_study(desk: OfDesk, principal: Viewer, uid: str, series: Text = None) -> Response:
    """A study, or one series of it, as a ZIP of Part 10 files; their data sets are bit for bit as received."""
    return await whole_zip(desk, principal, [uid], series)


@router.post("/send")
async def send(desk: OfDesk, principal: Operator, wanted: Sending) -> Asked:
    """Send studies, series or instances to a station, whether they were sent before or not."""
    if wanted.skip_present:
        refuse_query_by_itself(desk.profile.name, "skip-present")
    how = {"skip_present": wanted.skip_present}
    return _asked(await requests.send(desk.database, principal.actor, wanted.uids, wanted.to, **how))


@router.post("/route")
async def route(desk: OfDesk, principal: Operator, wanted: Chosen) -> Asked:
    """Evaluate them by the rules that are live now; what was sent is not sent again."""
    return _asked(await requests.route(desk.database, principal.actor, wanted.uids))


@router.post("/delete")
async def delete(desk: OfDesk, principal: Operator, wanted: Deleting) -> Asked:
    """Delete them, all revisions. Nothing is deleted if one instance has to stay, or one delivery has not ended."""
    how = wanted.model_dump(exclude={"uids"})
    return _asked(await requests.delete(desk.database, principal.actor, wanted.uids, **how))


@router.post("/correct")
async def correct(desk: OfDesk, principal: Operator, wanted: Correcting) -> Asked:
    """Store corrected revisions of them and send these; the originals stay."""
    done = corrections.correct(
        desk.database, principal.actor, wanted.uids, wanted.correction(), wanted.why, wanted.to
    )  # fmt: skip
    return _asked(await done)


@router.post("/correct/preview")
async def preview_correction(
    desk: OfDesk, principal: Operator, wanted: Annotated[Correcting, Body()]
) -> CorrectionPreview:
    """What a correction would change in the first instance of what is named first. Changes nothing."""
    largest = desk.runtime.settings.max_object_bytes
    found = await corrections.preview(
        desk.database, desk.runtime.objects, wanted.uids[0], wanted.correction(), largest
    )  # fmt: skip
    await looked(desk.database, principal.actor, "studies.header", [found["instance"]])
    return CorrectionPreview(**found)


def _asked(requested: Requested) -> Asked:
    return Asked(id=requested.id, done=requested.result is not None, result=requested.result)


def _revision(key: str) -> tuple[str, int]:
    uid, _, revision = key.partition(" ")
    if not revision.isdigit():
        raise UsageError("cursor: it is none of ours; begin again without one")
    return uid, int(revision)

"""Studies. Every look at them is audited."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel

from services.admin import studies
from services.admin.looks import looked
from services.admin.studies import Filter
from services.admin.web import cursors
from services.admin.web.asking import Viewer
from services.admin.web.cursors import Cursor, Limit, Listed
from services.admin.web.desk import OfDesk

router: Final = APIRouter(prefix="/studies", tags=["studies"])
DicomDate = Annotated[str | None, Query(pattern="^[0-9]{8}$", examples=["20261129"])]
Text = Annotated[str | None, Query(max_length=64)]


class ListedStudy(BaseModel):
    """A study as the index knows it. ``instances``: stored there, ``superseded``: of these, sent again elsewhere."""

    study_instance_uid: str
    patient_id: str
    patient_name: str
    study_date: str
    accession_number: str
    description: str
    modalities: list[str]
    series: int
    instances: int
    superseded: int
    patient_conflict: bool
    archived: bool
    updated_at: datetime


class Study(ListedStudy):
    """A study with its series."""

    series_list: list[dict[str, Any]]


@router.get("")
async def list_studies(
    desk: OfDesk,
    principal: Viewer,
    patient_id: Text = None,
    accession: Text = None,
    modality: Annotated[str | None, Query(max_length=16)] = None,
    date_from: DicomDate = None,
    date_to: DicomDate = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Listed[ListedStudy]:
    """The one that changed last first."""
    wanted = Filter(None, patient_id, accession, modality, date_from, date_to, **cursors.read(cursor, str))
    rows = [ListedStudy(**row) for row in await studies.list_studies(desk.database, wanted, limit + 1)]
    found = cursors.page_of(rows, limit, lambda study: (study.updated_at, study.study_instance_uid))
    await looked(desk.database, principal.actor, "studies.search", [each.study_instance_uid for each in found.items])
    return found


@router.get("/{uid}")
async def show_study(desk: OfDesk, principal: Viewer, uid: str) -> Study:
    """One study with its series."""
    found = await studies.show(desk.database, uid)
    await looked(desk.database, principal.actor, "studies.view", [found["study_instance_uid"]])
    return Study(**found | {"series": len(found["series"]), "series_list": found["series"]})

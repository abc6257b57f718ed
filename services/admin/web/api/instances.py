"""Instances: header and file. Every look at them is audited."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from starlette.responses import Response

from services.admin.looks import looked
from services.admin.patients import search
from services.admin.patients.header import header
from services.admin.web.asking import Viewer
from services.admin.web.desk import OfDesk
from services.admin.web.files import instance_file
from services.admin.web.names import hides
from services.admin.web.pictures import MOST_FRAMES, Size, picture

router: Final = APIRouter(prefix="/instances", tags=["studies"])
Revision = Annotated[int | None, Query(ge=1, le=1_000_000, description="Left out: the newest.")]


class Row(BaseModel):
    """An element, or an item of a sequence, which has no tag. ``depth``: the sequences it stands in. ``creator``: of a
    private element. ``bytes``: length of the value, null where it is left open. ``cut``: there is more of the value."""

    depth: int
    tag: str
    name: str
    vr: str
    value: str
    creator: str
    bytes: int | None
    cut: bool


class Header(BaseModel):
    """``more``: there are more elements than are told."""

    sop_instance_uid: str
    revision: int
    rows: list[Row]
    more: bool


@router.get("/{uid}/header")
async def show_header(desk: OfDesk, principal: Viewer, uid: str, revision: Revision = None) -> Header:
    """Every element with its name and value; long values are cut, bulk data is told by its size."""
    found = await search.instance(desk.database, uid, revision)
    await looked(desk.database, principal.actor, "studies.header", [found["sop_instance_uid"]])
    read = await header(desk.runtime.objects, found, hide_names=hides(desk, principal))
    rows = [Row(**vars(row)) for row in read.rows]
    return Header(sop_instance_uid=found["sop_instance_uid"], revision=found["revision"], rows=rows, more=read.more)


@router.get("/{uid}/frames/{number}", response_class=Response, responses={200: {"content": {"image/png": {}}}})
async def show_frame(
    desk: OfDesk, principal: Viewer, uid: str, number: Annotated[int, Path(ge=1, le=MOST_FRAMES)], size: Size = 512,
    revision: Revision = None,
) -> Response:  # fmt: skip
    """A frame, the first is 1, as a PNG in the window that the image names. 409 where there is no picture."""
    return await picture(desk, principal, uid, number, size, revision)


@router.get("/{uid}/download", response_class=Response, responses={200: {"content": {"application/dicom": {}}}})
async def download_instance(desk: OfDesk, principal: Viewer, uid: str) -> Response:
    """Its newest revision as a Part 10 file; the data set is bit for bit as received."""
    return await instance_file(desk, principal, uid)

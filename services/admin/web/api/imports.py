"""Files of people, brought in as a station's."""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from services.admin.importing import spool, uploaded
from services.admin.importing.beginning import DEFAULT_TITLE
from services.admin.importing.ending import until_stopped
from services.admin.importing.place import place
from services.admin.importing.uploaded import Port
from services.admin.web.asking import Operator
from services.admin.web.desk import Desk, OfDesk
from services.runtime.objects import Watermark

router: Final = APIRouter(prefix="/imports", tags=["imports"])
MOST_AT_ONCE: Final = 4
"""In this process; further ones wait."""
FILE: Final = {"requestBody": {"required": True, "content": {
    kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("application/dicom", "application/zip")
}}}  # fmt: skip
_free: Final = asyncio.Semaphore(MOST_AT_ONCE)


class Answered(BaseModel):
    """How many instances were answered a C-STORE status."""

    status: str
    name: str
    files: int


class Skipped(BaseModel):
    """Files that are no DICOM instances."""

    reason: str
    files: int


class NotTaken(BaseModel):
    """``file``: its name in the ZIP, empty for the file itself; ``status``: null if it was not sent."""

    file: str
    status: str | None
    reason: str


class Imported(BaseModel):
    """What became of a file. ``studies``: Study Instance UIDs of what was taken, 100 at most; ``not_taken``: how many
    instances; ``faults`` names the first 1000 of them."""

    calling_aet: str
    sent: int
    bytes: int
    seconds: float
    statuses: list[Answered]
    skipped: list[Skipped]
    studies: list[str]
    not_taken: int
    faults: list[NotTaken]


@router.post("", openapi_extra=FILE)
async def bring_in(
    request: Request, desk: OfDesk, principal: Operator,
    calling_aet: Annotated[
        str, Query(max_length=16, description="Station whose instances they are.", examples=["IMPORT"])
    ] = DEFAULT_TITLE,
) -> Imported:  # fmt: skip
    """Send a DICOM file, or every instance in a ZIP, to the gateway as a station would: the same checks, rules and
    receipts. To do it again is harmless: what is there already is answered Success."""
    settings, supervisor = desk.runtime.settings, desk.runtime.supervisor
    parts = until_stopped(request.stream(), supervisor)
    watermark = Watermark(settings.minimum_free_bytes, settings.minimum_free_fraction)
    with desk.imports.one():
        async with (
            _free,
            spool.kept(parts, settings.home, desk.settings.max_import_bytes, watermark) as (file, size),
        ):
            done = await uploaded.bring_in(
                desk.database, supervisor, principal.actor, calling_aet, _port(desk), file, size,
                settings.max_object_bytes, spool.unpacking(settings.home),
            )  # fmt: skip
    return Imported(**done)


def _port(desk: Desk) -> Port:
    settings = desk.runtime.settings
    host, port = place(desk.settings.import_at, settings.dicom_host, settings.dicom_port)
    return Port(host, port, settings.aet, desk.profile.xeleris)

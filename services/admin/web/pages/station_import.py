"""Stations from a file."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, UploadFile
from starlette.responses import Response

from services.admin import not_in_profile, station_import
from services.admin.web.desk import OfDesk
from services.admin.web.kept_in_files import ChangesStations
from services.admin.web.rendering import message
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix="/station-import")
MOST_BYTES: Final = 4 << 20


@router.post("")
async def import_stations(
    request: Request, desk: OfDesk, principal: ChangesStations, file: UploadFile,
    dry_run: Annotated[bool, Form()] = False,
) -> Response:  # fmt: skip
    """Define or change those of a file, all of them or none; ``dry_run``: only say what would be done."""
    data = await file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise UsageError(f"the file of stations: larger than {MOST_BYTES >> 20} MiB")
    try:
        wanted = station_import.read(data.decode())
    except UnicodeDecodeError:
        raise UsageError("the file of stations is no text in UTF-8") from None
    not_in_profile.refuse_stations(desk.profile.name, wanted)
    done = await station_import.import_all(desk.database, principal.actor, wanted, dry_run=dry_run)
    told = [f"{verb}: {', '.join(titles)}" for verb, titles in vars(done).items() if titles]
    return message(request, f"{'Would be ' if dry_run else ''}{'; '.join(told) or 'nothing to do'}")

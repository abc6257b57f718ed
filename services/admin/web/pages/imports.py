"""Files of people, brought in as a station's: the page; its script sends them to the API."""

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.admin import stations
from services.admin.importing.beginning import DEFAULT_TITLE
from services.admin.web.asking import Operator
from services.admin.web.desk import OfDesk
from services.admin.web.rendering import page

router: Final = APIRouter(prefix="/import")


@router.get("")
async def choose(request: Request, desk: OfDesk, principal: Operator) -> Response:
    """Which files, and as whose."""
    known = [station.title for station in await stations.list_all(desk.database) if station.enabled]
    titles = sorted(known, key=lambda title: (title != DEFAULT_TITLE, title))
    return page(request, "import.html", titles=titles, default=DEFAULT_TITLE, most_bytes=desk.settings.max_import_bytes)

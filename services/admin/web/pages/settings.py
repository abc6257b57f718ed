"""What the gateway runs with; it is changed in the environment of its processes, not here."""

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.admin import titles
from services.admin.settings_in_force import in_force
from services.admin.web.asking import Admin
from services.admin.web.desk import OfDesk
from services.admin.web.rendering import page

router: Final = APIRouter(prefix="/settings")


@router.get("")
async def show_settings(request: Request, desk: OfDesk, principal: Admin, q: str = "") -> Response:
    """All that a text fits, and the titles."""
    found = in_force(desk.all_settings(), desk.settings_of_profile())
    rows = [each for each in found if q.strip().casefold() in f"{each.variable} {each.value}".casefold()]
    return page(request, "settings.html", rows=rows, q=q, titles=await titles.list_all(desk.database))

"""How the gateway is."""

from typing import Any, Final

from fastapi import APIRouter

from services.admin import overview
from services.admin.web.asking import Viewer
from services.admin.web.desk import OfDesk
from services.admin.web.names import seen_by

router: Final = APIRouter(prefix="/status", tags=["status"])


@router.get("")
async def status(desk: OfDesk, principal: Viewer) -> dict[str, Any]:
    """As ``gateway status --json`` tells it."""
    return seen_by(desk, principal, await overview.status(desk.database))

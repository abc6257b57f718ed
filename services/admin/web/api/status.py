"""How the gateway is."""

from typing import Any, Final

from fastapi import APIRouter

from services.admin import overview
from services.admin.web.asking import Viewer
from services.admin.web.desk import OfDesk

router: Final = APIRouter(prefix="/status", tags=["status"])


@router.get("")
async def status(desk: OfDesk, principal: Viewer) -> dict[str, Any]:
    """As ``gateway status --json`` tells it."""
    return await overview.status(desk.database)

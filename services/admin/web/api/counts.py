"""How much came and went."""

from typing import Annotated, Final

from fastapi import APIRouter, Query

from services.admin.daily_counts import MOST_DAYS, DailyCount, daily_counts
from services.admin.web.asking import Viewer
from services.admin.web.desk import OfDesk

router: Final = APIRouter(prefix="/counts", tags=["status"])


@router.get("")
async def list_counts(
    desk: OfDesk, principal: Viewer, days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 31,
    station: Annotated[str | None, Query(max_length=16)] = None,
) -> list[DailyCount]:  # fmt: skip
    """By day and station, the newest day first: instances received from it, sent to it, and delivered."""
    return await daily_counts(desk.database, days, station)

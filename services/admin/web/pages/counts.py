"""How much came and went by day, as a file."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.admin.csv_lines import harmless, lines
from services.admin.daily_counts import MOST_DAYS, DailyCount, daily_counts
from services.admin.web.asking import Viewer
from services.admin.web.desk import OfDesk

router: Final = APIRouter(prefix="/counts.csv")
COLUMNS: Final = tuple(DailyCount.model_fields)


@router.get("")
async def export(
    desk: OfDesk, principal: Viewer, days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 31,
    station: Annotated[str | None, Query(max_length=16)] = None,
) -> Response:  # fmt: skip
    """As the API tells it."""
    found = await daily_counts(desk.database, days, station)
    rows = [COLUMNS, *([harmless(str(getattr(row, name))) for name in COLUMNS] for row in found)]
    headers = {"Content-Disposition": 'attachment; filename="counts.csv"'}
    return Response(lines(rows), media_type="text/csv; charset=utf-8", headers=headers)

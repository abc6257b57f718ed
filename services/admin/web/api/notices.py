"""Notices: what was sent to whom, and what waits."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query

from services.admin.notices import history
from services.admin.notices.history import Notice
from services.admin.notices.kinds import HAPPENING, Kind
from services.admin.web import cursors
from services.admin.web.asking import Admin
from services.admin.web.cursors import Cursor, Limit, Listed
from services.admin.web.desk import OfDesk
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix="/notices", tags=["notices"])


@router.get("")
async def list_notices(
    desk: OfDesk,
    principal: Admin,
    contact: Annotated[str | None, Query(max_length=64)] = None,
    state: Literal["WAITING", "SENT", "GIVEN UP"] | None = None,
    kind: Annotated[Kind | None, Query(description=", ".join(HAPPENING))] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Listed[Notice]:
    """The newest first."""
    if contact is not None and "\0" in contact:
        raise UsageError("contact: a name has no such character")
    wanted = {"contact": contact, "state": state, "kind": kind}
    found = await history.list_notices(desk.database, wanted, limit + 1, cursors.read(cursor, str))
    return cursors.page_of(found, limit, history.key)

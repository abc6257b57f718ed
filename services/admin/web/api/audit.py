"""Who did what."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel

from services.admin import audit_entries
from services.admin.web import cursors
from services.admin.web.asking import Admin
from services.admin.web.cursors import Cursor, Limit, Listed
from services.admin.web.desk import OfDesk
from services.admin.when import NEVER, when_of

router: Final = APIRouter(prefix="/audit", tags=["audit"])
Text = Annotated[str | None, Query(max_length=200)]


class Entry(BaseModel):
    """``actor``: user:NAME, key:NAME, cli:ACCOUNT or gateway; ``address``: whence, over HTTP."""

    id: int
    at: datetime
    actor: str
    address: str | None
    action: str
    object: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@router.get("")
async def list_entries(
    desk: OfDesk,
    principal: Admin,
    action: Text = None,
    actor: Text = None,
    object: Text = None,
    since: Text = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Listed[Entry]:
    """The newest first. ``action``: exactly it, or all that begin with it and a dot: station for station.add.
    ``since``: a span such as 7d, or a time."""
    wanted = audit_entries.Filter(
        NEVER if since is None else when_of(since), action, actor, object, **cursors.read(cursor, int)
    )
    rows = [Entry(**row) for row in await audit_entries.list_entries(desk.database, wanted, limit + 1)]
    return cursors.page_of(rows, limit, lambda entry: (entry.at, str(entry.id)))

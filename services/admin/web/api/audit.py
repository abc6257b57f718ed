"""Who did what."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from services.admin import audit_entries
from services.admin.audit_entries import Filter
from services.admin.audit_export import Format
from services.admin.looks import looked_at_audit
from services.admin.web import cursors
from services.admin.web.asking import Admin
from services.admin.web.audit_files import audit_file
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
    until: Text = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Listed[Entry]:
    """The newest first; that they are read is an entry too, once an hour. ``action``: exactly it, or all that begin
    with it and a dot: station for station.add. ``since``, ``until``: a span such as 7d, or a time."""
    wanted = _filter(action, actor, object, since, until, **cursors.read(cursor, int))
    await looked_at_audit(desk.database, desk.lately, principal.actor)
    rows = [Entry(**row) for row in await audit_entries.list_entries(desk.database, wanted, limit + 1)]
    return cursors.page_of(rows, limit, lambda entry: (entry.at, str(entry.id)))


@router.get("/export", response_class=Response, responses={200: {"content": {"text/csv": {}, "application/jsonl": {}}}})
async def export(
    desk: OfDesk,
    principal: Admin,
    format: Format = Format.JSON_LINES,
    action: Text = None,
    actor: Text = None,
    object: Text = None,
    since: Text = None,
    until: Text = None,
) -> Response:
    """All of them, the oldest first, as a file that is sent while it is read. That is audited, with its SHA-256."""
    return await audit_file(desk, principal, _filter(action, actor, object, since, until), format)


def _filter(
    action: str | None, actor: str | None, what: str | None, since: str | None, until: str | None, **after: Any
) -> Filter:
    beginning, end = (NEVER if text is None else when_of(text) for text in (since, until))
    return Filter(beginning, action, actor, what, until=end, **after)

"""Who did what, as a list and as a file."""

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from services.admin import audit_entries
from services.admin.audit_entries import Filter, differences
from services.admin.web import cursors
from services.admin.web.asking import Admin
from services.admin.web.desk import OfDesk
from services.admin.web.rendering import page
from services.admin.when import When, when_of

router: Final = APIRouter(prefix="/audit")
LISTED: Final = 100
COLUMNS: Final = ("at", "actor", "address", "action", "object", "before", "after")
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
Text = Annotated[str, Query(max_length=500)]


@router.get("")
async def list_entries(
    request: Request, desk: OfDesk, principal: Admin, actor: Text = "", action: Text = "", object: Text = "",
    since: Text = "", cursor: Text = "",
) -> Response:  # fmt: skip
    """The newest first, those that the filter in the address fits."""
    chosen = _chosen(actor, action, object, since)
    wanted = _filter(chosen, **cursors.read(cursor or None, int))
    rows = await audit_entries.list_entries(desk.database, wanted, LISTED + 1)
    found = cursors.page_of(rows, LISTED, lambda row: (row["at"], str(row["id"])))
    return page(
        request,
        "audit.html",
        rows=[row | {"changes": differences(row["before"], row["after"])} for row in found.items],
        wanted=chosen,
        here=_link("/audit", chosen | ({"cursor": cursor} if cursor else {})),
        export=_link("/audit/export.csv", chosen),
        next=found.next and _link("/audit", chosen | {"cursor": found.next}),
    )


@router.get("/export.csv")
async def export(
    request: Request, desk: OfDesk, principal: Admin, actor: Text = "", action: Text = "", object: Text = "",
    since: Text = "",
) -> Response:  # fmt: skip
    """All that the filter fits, as CSV, however many; that it was taken is audited."""
    wanted = _filter(_chosen(actor, action, object, since))

    async def lines() -> AsyncIterator[str]:
        yield written([COLUMNS])
        async for rows in audit_entries.exported(desk.database, principal.actor, wanted):
            yield written([[cell(row[name]) for name in COLUMNS] for row in rows])

    return StreamingResponse(
        lines(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="audit.csv"'},
    )


def written(rows: Sequence[Sequence[str]]) -> str:
    """Lines of CSV, RFC 4180 (pure)."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def cell(value: Any) -> str:
    """A value as text that no spreadsheet takes for a formula (pure)."""
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, Mapping) else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _chosen(actor: str, action: str, what: str, since: str) -> dict[str, str]:
    asked = {"actor": actor.strip(), "action": action.strip(), "object": what.strip(), "since": since.strip()}
    return {name: value for name, value in asked.items() if value}


def _filter(chosen: Mapping[str, str], **after: Any) -> Filter:
    since = when_of(chosen["since"]) if "since" in chosen else When(None, None)
    return Filter(since, chosen.get("action"), chosen.get("actor"), chosen.get("object"), **after)


def _link(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path

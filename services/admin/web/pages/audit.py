"""Who did what, as a list and as a file."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.admin import audit_entries
from services.admin.audit_entries import Filter, differences
from services.admin.audit_export import Format
from services.admin.looks import looked_at_audit
from services.admin.web import cursors
from services.admin.web.asking import Admin
from services.admin.web.audit_files import audit_file
from services.admin.web.desk import OfDesk
from services.admin.web.rendering import page
from services.admin.when import NEVER, when_of

router: Final = APIRouter(prefix="/audit")
LISTED: Final = 100
Text = Annotated[str, Query(max_length=500)]


@router.get("")
async def list_entries(
    request: Request, desk: OfDesk, principal: Admin, actor: Text = "", action: Text = "", object: Text = "",
    since: Text = "", until: Text = "", cursor: Text = "",
) -> Response:  # fmt: skip
    """The newest first, those that the filter in the address fits; that they are read is an entry too."""
    chosen = _chosen(actor, action, object, since, until)
    wanted = _filter(chosen, **cursors.read(cursor or None, int))
    await looked_at_audit(desk.database, desk.lately, principal.actor)
    rows = await audit_entries.list_entries(desk.database, wanted, LISTED + 1)
    found = cursors.page_of(rows, LISTED, lambda row: (row["at"], str(row["id"])))
    return page(
        request,
        "audit.html",
        rows=[row | {"changes": differences(row["before"], row["after"])} for row in found.items],
        wanted=chosen,
        here=_link("/audit", chosen | ({"cursor": cursor} if cursor else {})),
        exports={form: _link(f"/audit/export.{form}", chosen) for form in Format},
        next=found.next and _link("/audit", chosen | {"cursor": found.next}),
    )


@router.get("/export.{form}")
async def export(
    desk: OfDesk, principal: Admin, form: Format, actor: Text = "", action: Text = "", object: Text = "",
    since: Text = "", until: Text = "",
) -> Response:  # fmt: skip
    """All that the filter fits, however many; that it was taken is audited."""
    wanted = _filter(_chosen(actor, action, object, since, until))
    return await audit_file(desk, principal, wanted, form)


def _chosen(actor: str, action: str, what: str, since: str, until: str) -> dict[str, str]:
    asked = {"actor": actor, "action": action, "object": what, "since": since, "until": until}
    return {name: value.strip() for name, value in asked.items() if value.strip()}


def _filter(chosen: Mapping[str, str], **after: Any) -> Filter:
    since, until = (when_of(chosen[name]) if name in chosen else NEVER for name in ("since", "until"))
    return Filter(since, chosen.get("action"), chosen.get("actor"), chosen.get("object"), until=until, **after)


def _link(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path

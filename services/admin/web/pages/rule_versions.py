"""Versions of the rules: the list, the lines that differ between any two, and back to one."""

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import Response

from services.admin.rules import publishing, rule_sets, rule_versions
from services.admin.rules.rules_allowed import judged
from services.admin.web.asking import Viewer
from services.admin.web.desk import OfDesk
from services.admin.web.finding import Find
from services.admin.web.kept_in_files import ChangesRules, note
from services.admin.web.names import hides, rules_seen_by
from services.admin.web.rendering import message, page
from services.admin.web.rules_told import told_published

router: Final = APIRouter(prefix="/rules/versions")
LISTED: Final = 50
Number = Annotated[int | None, Query(ge=1, le=2_147_483_647)]


@router.get("")
async def list_versions(
    request: Request, desk: OfDesk, principal: Viewer, before: Number = None, find: Find = ""
) -> Response:
    """The newest first, or those that a text fits."""
    rows = await rule_versions.page(desk.database, before, LISTED + 1, find.split())
    older = rows[LISTED - 1]["number"] if len(rows) > LISTED else None
    return page(
        request, "rule_versions.html", rows=rows[:LISTED], older=older and _link(older, find), find=find,
        here=_link(before, find),
    )  # fmt: skip


def _link(before: int | None, find: str) -> str:
    query = {name: value for name, value in (("before", before), ("find", find)) if value}
    return f"/rules/versions?{urlencode(query)}" if query else "/rules/versions"


@router.get("/compare")
async def compare(
    request: Request, desk: OfDesk, principal: Viewer,
    old: Annotated[int, Query(ge=1, le=2_147_483_647)], new: Annotated[int, Query(ge=1, le=2_147_483_647)],
) -> Response:  # fmt: skip
    """Two of them, line by line."""
    lines = await rule_versions.compare(desk.database, old, new, hide_names=hides(desk, principal))
    return page(request, "rule_compare.html", lines=lines, old=old, new=new)


@router.get("/{number}")
async def show(
    request: Request, desk: OfDesk, principal: Viewer, number: Annotated[int, Path(ge=1, le=2_147_483_647)]
) -> Response:
    """One: its text, and what it changed."""
    row = rules_seen_by(desk, principal, await rule_sets.show(desk.database, number))
    lines = row["source"].splitlines()
    return page(request, "rule_version.html", version=row, lines=lines, in_files=note(desk, "rules"))


@router.post("/{number}/roll-back")
async def roll_back(
    request: Request, desk: OfDesk, principal: ChangesRules, number: Annotated[int, Path(ge=1, le=2_147_483_647)],
    comment: Annotated[str, Form(max_length=1000)] = "",
) -> Response:  # fmt: skip
    """Make a copy of it live."""
    work = rule_sets.roll_back(desk.database, principal.actor, number, comment, **judged(desk.profile))
    text, bad = told_published(await publishing.published(desk.database, work))
    return message(request, text, bad=bad)

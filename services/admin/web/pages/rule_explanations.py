"""Why rules took what is stored, or not: by condition the value seen and the verdict."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from services.admin.access.principal import Principal
from services.admin.looks import looked
from services.admin.rules import rule_drafts, rule_explanations, rule_trials
from services.admin.rules.rule_explanations import Asked
from services.admin.rules.rule_hiding import explanation_without_names
from services.admin.rules.rules_allowed import allowed
from services.admin.web.asking import Operator, Viewer
from services.admin.web.desk import Desk, OfDesk
from services.admin.web.names import hides
from services.admin.web.rendering import page

router: Final = APIRouter(prefix="/rules/explain")
MOST_EXPLAINED: Final = 200
LARGEST: Final = 2_147_483_647
Uid = Annotated[str, Query(max_length=64)]


@router.get("")
async def explain(
    request: Request, desk: OfDesk, principal: Viewer, uid: Uid = "", by: Annotated[str, Query(max_length=64)] = ""
) -> Response:
    """Of the UID in the address; ``by``: the number of a rule set, the name of a draft, or nothing: those that were
    live at receipt."""
    drafts = [draft["name"] for draft in await rule_drafts.list_all(desk.database)]
    found: dict[str, Any] = {"explanations": []}
    if uid.strip():
        number = int(by) if by.isdecimal() and by not in drafts and 0 < int(by) <= LARGEST else None
        text = await rule_trials.text_of(desk.database, by) if by and number is None else None
        found = await _found(desk, principal, uid, Asked(text, number, **allowed(desk.profile)))
    return page(request, "rule_explain.html", uid=uid.strip(), by=by, drafts=drafts, **_told(desk, principal, found))


@router.post("")
async def explain_by_text(
    request: Request, desk: OfDesk, principal: Operator, uid: Annotated[str, Form(max_length=64)],
    text: Annotated[str, Form(max_length=1 << 20)] = "",
) -> Response:  # fmt: skip
    """By the text of a draft as it stands."""
    found = await _found(desk, principal, uid, Asked(text.replace("\r\n", "\n"), **allowed(desk.profile)))
    return page(request, "why_part.html", **_told(desk, principal, found))


async def _found(desk: Desk, principal: Principal, uid: str, asked: Asked) -> dict[str, Any]:
    found = await rule_explanations.explain(
        desk.database, lambda: desk.runtime.objects, uid.strip(), asked, MOST_EXPLAINED
    )
    await looked(desk.database, principal.actor, "rules.explain", [found["uid"]])
    return found


def _told(desk: Desk, principal: Principal, found: dict[str, Any]) -> dict[str, Any]:
    """Values that were seen are left out for who may not see names."""
    told = found["explanations"]
    shown = explanation_without_names(told) if hides(desk, principal) else told
    return {"told": shown, "cut_at": found.get("cut_at")}

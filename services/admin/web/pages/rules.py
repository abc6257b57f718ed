"""The live rules, and drafts of others."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from services.admin import holds
from services.admin.rules import rule_drafts
from services.admin.rules.rule_hits import DAYS, RuleHits
from services.admin.rules.rule_list import live_rules
from services.admin.web.asking import Operator, Viewer
from services.admin.web.desk import OfDesk
from services.admin.web.names import hides
from services.admin.web.rendering import page
from services.admin.when import NEVER, when_of

router: Final = APIRouter(prefix="/rules")


@router.get("")
async def list_rules(request: Request, desk: OfDesk, principal: Viewer, q: str = "") -> Response:
    """In their order; those that a text fits."""
    known: RuleHits = request.app.state.rule_hits
    hits = await known.of(desk.database)
    live = await live_rules(desk.database, hits, hide_names=hides(desk, principal))
    text = q.strip().casefold()
    rules = [(place, rule) for place, rule in enumerate(live.rules, 1) if text in _text(rule.name, rule.when, rule.to)]
    drafts = await rule_drafts.list_all(desk.database)
    return page(request, "rules.html", live=live, rules=rules, hits=hits, days=DAYS, drafts=drafts, q=q)


@router.post("/hold")
async def hold_rule(
    request: Request, desk: OfDesk, principal: Operator, rule: Annotated[str, Form(max_length=100)],
    why: Annotated[str, Form(max_length=1000)], until: Annotated[str, Form(max_length=64)] = "",
) -> Response:  # fmt: skip
    """Have what a rule sends wait."""
    end = when_of(until) if until.strip() else NEVER
    await holds.hold(desk.database, principal.actor, "rule", rule, why, end)
    return Response(headers={"HX-Redirect": "/rules"})


@router.post("/resume")
async def resume_rule(
    request: Request, desk: OfDesk, principal: Operator, rule: Annotated[str, Form(max_length=100)]
) -> Response:
    """Let it go."""
    await holds.resume(desk.database, principal.actor, "rule", rule)
    return Response(headers={"HX-Redirect": "/rules"})


def _text(name: str, when: str, to: list[str]) -> str:
    return f"{name} {when} {' '.join(to)}".casefold()

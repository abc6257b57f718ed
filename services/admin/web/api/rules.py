"""Rules: the sets there are, drafts, publishing."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import PlainTextResponse

from services.admin import holds
from services.admin.rules import draft_changes, publishing, rule_drafts, rule_findings, rule_sets, rule_versions
from services.admin.rules.rule_hits import RuleHits
from services.admin.rules.rule_list import LiveRules, live_rules
from services.admin.rules.rules_allowed import judged
from services.admin.web.api.told_holds import Held, Resumed
from services.admin.web.asking import Admin, Operator, Viewer
from services.admin.web.cursors import Limit
from services.admin.web.desk import OfDesk
from services.admin.web.kept_in_files import ChangesRules
from services.admin.web.names import hides, rules_seen_by
from services.admin.web.preconditions import IfMatch, as_seen_or_new, tag_of
from services.admin.web.sent import Sent
from services.admin.when import NEVER, when_of
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix="/rules", tags=["rules"])
MOST_CHARACTERS: Final = 1 << 20
EXAMPLE: Final = "version: 1\nrules:\n  - name: archive\n    when: {all: []}\n    send: [{to: ARCHIVE}]\n"
Text = Annotated[str, Field(max_length=MOST_CHARACTERS, description="A rule file: YAML.", examples=[EXAMPLE])]
Comment = Annotated[str, Field(max_length=1000, examples=["agreed with radiology"])]
Number = Annotated[int, Path(ge=1, le=2_147_483_647)]
Name = Annotated[str, Path(max_length=64, pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Wait = Annotated[float, Field(ge=0, le=60, description="Seconds to wait until every process receives under it.")]


class ListedRuleSet(BaseModel):
    """``live_at``: when it became live, the last time."""

    number: int
    live: bool
    rules: int
    comment: str
    created_by: str
    created_at: datetime
    copied_from: int | None
    live_at: datetime | None


class ListedRuleSets(BaseModel):
    """``next``: the number before which the list goes on; null: this was the end."""

    items: list[ListedRuleSet]
    next: int | None


class RuleSet(BaseModel):
    """``source``: the text as it was published; ``document``: what it means."""

    number: int
    live: bool
    source: str
    document: dict[str, Any]
    comment: str
    created_by: str
    created_at: datetime
    copied_from: int | None


class Line(BaseModel):
    """Of a comparison: same, removed, added, or gap, where lines that are alike are left out."""

    kind: str
    text: str
    before: int | None
    after: int | None


class ListedDraft(BaseModel):
    """A rule file that is worked on. ``base``: the rule set it was begun from, 0: none was live, null: not known."""

    name: str
    comment: str
    saved_by: str
    saved_at: datetime
    characters: int
    base: int | None


class Draft(BaseModel):
    """A draft with its text."""

    name: str
    source: str
    comment: str
    saved_by: str
    saved_at: datetime
    base: int | None


class DraftChanges(BaseModel):
    """From the live rules to a draft. ``base``: what it was begun from; ``live``: what is live, 0: nothing. Where they
    differ, publishing is refused until the base is the live one."""

    base: int | None
    live: int
    published_by: str | None
    published_at: datetime | None
    comment: str
    lines: list[Line]


class Edited(Sent):
    """What a draft is to hold, faults and all. ``base``: the number of the rule set it was begun from; without it that
    of the draft there is stays, and a new one is begun from what is live."""

    source: Text
    comment: Comment = ""
    base: Annotated[int | None, Field(ge=0, le=2_147_483_647)] = None


class TakenOver(Sent):
    """The number of the live rule set, whose difference was looked at."""

    number: Annotated[int, Field(ge=0, le=2_147_483_647)]


class Checked(Sent):
    """A text to check; ``days``: how far back rules that matched nothing are looked for, 0: not at all."""

    source: Text
    days: Annotated[int, Field(ge=0, le=3650)] = publishing.DAYS


class Sound(BaseModel):
    """A rule file without faults, that passes the test cases: how many rules, and what is worth knowing of them."""

    rules: int
    findings: list[dict[str, Any]]


class Publish(Sent):
    """A draft by its name, or a text, to be made live."""

    draft: Annotated[str | None, Field(max_length=64)] = None
    source: Annotated[str | None, Field(max_length=MOST_CHARACTERS)] = None
    comment: Comment = ""
    wait: Wait = publishing.WAIT_SECONDS


class RollBack(Sent):
    """Why, and how long to wait."""

    comment: Comment = ""
    wait: Wait = publishing.WAIT_SECONDS


class Published(BaseModel):
    """``changed`` false: the live rules say the same. ``taken``: who receives under it, who does not yet (``behind``),
    and who was not heard of (``silent``)."""

    number: int
    rules: int
    comment: str
    changed: bool
    copied_from: int | None = None
    findings: list[dict[str, Any]]
    taken: dict[str, Any]


class Hold(Sent):
    """Which rule is to wait, why, and until when: a time, or a span such as 2h; null: until it is resumed."""

    rule: Annotated[str, Field(max_length=100)]
    why: Annotated[str, Field(max_length=200)]
    until: Annotated[str | None, Field(max_length=64)] = None


class Resume(Sent):
    """Which rule is to go on."""

    rule: Annotated[str, Field(max_length=100)]


@router.get("")
async def list_rules(request: Request, desk: OfDesk, principal: Viewer) -> LiveRules:
    """The live rules in their order, each in words, with how often it matched in 7 days."""
    known: RuleHits = request.app.state.rule_hits
    hits = await known.of(desk.database)
    return await live_rules(desk.database, hits, hide_names=hides(desk, principal))


@router.get("/live")
async def show_live(desk: OfDesk, principal: Viewer) -> RuleSet:
    """The rule set that is live."""
    return RuleSet(**rules_seen_by(desk, principal, await rule_sets.show(desk.database, None)))


@router.get("/sets")
async def list_sets(
    desk: OfDesk,
    principal: Viewer,
    limit: Limit = 100,
    before: Annotated[int | None, Query(ge=1, le=2_147_483_647, description="`next` of the page before.")] = None,
) -> ListedRuleSets:
    """The newest first."""
    rows = [ListedRuleSet(**row) for row in await rule_versions.page(desk.database, before, limit + 1)]
    return ListedRuleSets(items=rows[:limit], next=rows[limit - 1].number if len(rows) > limit else None)


@router.get("/sets/{number}")
async def show_set(desk: OfDesk, principal: Viewer, number: Number) -> RuleSet:
    """One rule set; it never changes."""
    return RuleSet(**rules_seen_by(desk, principal, await rule_sets.show(desk.database, number)))


@router.get("/sets/{number}/text", response_class=PlainTextResponse)
async def show_text(desk: OfDesk, principal: Viewer, number: Number) -> str:
    """Its YAML, exactly as it was published."""
    text: str = rules_seen_by(desk, principal, await rule_sets.show(desk.database, number))["source"]
    return text


@router.get("/sets/{number}/changes")
async def show_changes(
    desk: OfDesk, principal: Viewer, number: Number, since: Annotated[int, Query(ge=1, le=2_147_483_647)]
) -> list[Line]:
    """What its text changes of that of another one, line by line."""
    lines = await rule_versions.compare(desk.database, since, number, hide_names=hides(desk, principal))
    return [Line(**asdict(line)) for line in lines]


@router.post("/sets/{number}/roll-back")
async def roll_back(desk: OfDesk, principal: ChangesRules, number: Number, wanted: RollBack) -> Published:
    """Make a copy of it live, under a new number."""
    work = rule_sets.roll_back(desk.database, principal.actor, number, wanted.comment, **judged(desk.profile))
    return Published(**await publishing.published(desk.database, work, wait=wanted.wait))


@router.post("/check")
async def check(desk: OfDesk, principal: Operator, wanted: Checked) -> Sound:
    """All faults of a rule file at once as a problem's errors, each with line and column where they are known; or the
    test cases that it fails; or what is worth knowing of it."""
    document = await rule_sets.check(desk.database, wanted.source, **judged(desk.profile))
    return Sound(rules=len(document.rules), findings=await rule_findings.of(desk.database, document, wanted.days))


@router.post("/publish")
async def publish(desk: OfDesk, principal: ChangesRules, wanted: Publish, if_match: IfMatch = None) -> Published:
    """Make it the live rule set at once, and wait until ingest has taken it. A draft has to be the one whose ETag is
    sent as If-Match, if one is sent; one that was begun from another rule set than is live is refused with 409."""
    settings = judged(desk.profile)
    if (wanted.draft is None) is (wanted.source is None):
        raise UsageError("draft, source: name a draft or send a text, one of them")
    if wanted.draft is not None:
        seen = _seen(if_match) if if_match else rule_drafts.whatever
        work = rule_sets.publish(
            desk.database, principal.actor, wanted.draft, wanted.comment, seen=seen, **settings
        )  # fmt: skip
    else:
        work = rule_sets.apply(desk.database, principal.actor, wanted.source or "", wanted.comment, **settings)
    return Published(**await publishing.published(desk.database, work, wait=wanted.wait))


@router.get("/drafts")
async def list_drafts(desk: OfDesk, principal: Viewer) -> list[ListedDraft]:
    """By name."""
    return [ListedDraft(**row) for row in await rule_drafts.list_all(desk.database)]


@router.get("/drafts/{name}")
async def show_draft(desk: OfDesk, principal: Viewer, name: Name, response: Response) -> Draft:
    """One, with its ETag."""
    draft = await rule_drafts.show(desk.database, name)
    response.headers["ETag"] = tag_of(draft)
    return Draft(**rules_seen_by(desk, principal, draft))


@router.put("/drafts/{name}")
async def put_draft(
    desk: OfDesk, principal: Admin, name: Name, wanted: Edited, response: Response, if_match: IfMatch = None
) -> Draft:
    """Store a text under that name. If there is a draft of the name already, its ETag is needed as If-Match."""
    await rule_drafts.save(
        desk.database, principal.actor, name, wanted.source, wanted.comment, _seen(if_match), base=wanted.base
    )
    return _tagged(response, await rule_drafts.show(desk.database, name))


@router.get("/drafts/{name}/changes")
async def show_draft_changes(desk: OfDesk, principal: Viewer, name: Name) -> DraftChanges:
    """What its text changes of that of the live rules, line by line."""
    found = await draft_changes.changes(desk.database, name, hide_names=hides(desk, principal))
    return DraftChanges(**asdict(found))


@router.put("/drafts/{name}/base")
async def take_over(
    desk: OfDesk, principal: Admin, name: Name, wanted: TakenOver, response: Response, if_match: IfMatch = None
) -> Draft:
    """Say that the difference from the live rule set was looked at: the draft goes on from it and may be published."""
    seen = _seen(if_match)
    return _tagged(
        response, await draft_changes.take_over(desk.database, principal.actor, name, wanted.number, seen)
    )  # fmt: skip


@router.delete("/drafts/{name}", status_code=HTTPStatus.NO_CONTENT)
async def remove_draft(desk: OfDesk, principal: Admin, name: Name, if_match: IfMatch = None) -> None:
    """Forget it."""
    await rule_drafts.discard(desk.database, principal.actor, name, _seen(if_match))


@router.post("/hold")
async def hold_rule(desk: OfDesk, principal: Operator, wanted: Hold) -> Held:
    """Have what a rule sends wait."""
    until = NEVER if wanted.until is None else when_of(wanted.until)
    return Held(**await holds.hold(desk.database, principal.actor, "rule", wanted.rule, wanted.why, until))


@router.post("/resume")
async def resume_rule(desk: OfDesk, principal: Operator, wanted: Resume) -> Resumed:
    """Let it go."""
    return Resumed(**await holds.resume(desk.database, principal.actor, "rule", wanted.rule))


def _seen(if_match: str | None) -> Callable[[dict[str, Any] | None], None]:
    """A draft that is there has to be the one that was seen."""
    return as_seen_or_new(if_match, "draft")


def _tagged(response: Response, draft: dict[str, Any]) -> Draft:
    response.headers["ETag"] = tag_of(draft)
    return Draft(**draft)

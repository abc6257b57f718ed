"""The editor of a draft: its text, faults and findings while typing, a file to try it on, saving and publishing."""

from collections.abc import Callable
from typing import Annotated, Any, Final
from urllib.parse import quote
from zoneinfo import available_timezones

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import Response

from schemas.rules.places import Places
from services.admin import stations
from services.admin.errors import NotFound, Refused
from services.admin.rules import (
    draft_changes,
    publishing,
    rule_drafts,
    rule_findings,
    rule_sets,
    rule_trials,
    rule_values,
)
from services.admin.rules.faults import FaultyRules
from services.admin.rules.rule_tests import FailedTests
from services.admin.rules.rules_allowed import allowed, by_class, judged
from services.admin.web import preconditions, uploads
from services.admin.web.asking import Admin, Operator
from services.admin.web.desk import OfDesk
from services.admin.web.kept_in_files import ChangesRules, note
from services.admin.web.preconditions import tag_of
from services.admin.web.rendering import page
from services.admin.web.rules_told import told_published
from services.dicom.rules.names import FACTS
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix="/rules")
EMPTY: Final = "version: 1\nrules: []\n"
MOST_CHARACTERS: Final = 1 << 20
Name = Annotated[str, Path(max_length=64, pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Text = Annotated[str, Form(max_length=MOST_CHARACTERS)]
Comment = Annotated[str, Form(max_length=1000)]
Seen = Annotated[str, Form(max_length=100)]


@router.post("/drafts")
async def begin(
    request: Request, desk: OfDesk, principal: Admin, name: Annotated[str, Form(max_length=64)],
    number: Annotated[int | None, Form(ge=1, le=2_147_483_647)] = None,
) -> Response:  # fmt: skip
    """A new one: a copy of the live rules, or of the version of that number."""
    try:
        copied = await rule_sets.show(desk.database, number)
    except NotFound:
        if number is not None:
            raise
        copied = {"source": EMPTY, "number": 0}
    wanted = name.strip()

    def seen(draft: dict[str, Any] | None) -> None:
        if draft is not None:
            raise Refused(f"there is a draft {wanted} already: open it, or choose another name")

    await rule_drafts.save(
        desk.database, principal.actor, wanted, copied["source"], "", seen, base=copied["number"]
    )  # fmt: skip
    return Response(headers={"HX-Redirect": f"/rules/drafts/{quote(wanted)}"})


@router.get("/drafts/{name}")
async def edit(request: Request, desk: OfDesk, principal: Operator, name: Name) -> Response:
    """The editor."""
    draft = await rule_drafts.show(desk.database, name)
    known = await stations.list_all(desk.database)
    return page(
        request, "rule_draft.html", draft=draft, tag=tag_of(draft), titles=[station.title for station in known],
        zones=sorted(available_timezones()), in_files=note(desk, "rules"),
    )  # fmt: skip


@router.post("/drafts/{name}")
async def save(
    request: Request, desk: OfDesk, principal: Admin, name: Name, seen: Seen, text: Text = "", comment: Comment = ""
) -> Response:
    """Keep what was written, faults and all."""
    await _save(desk, principal.actor, name, text, comment, seen)
    return page(request, "rule_saved.html", tag=tag_of(await rule_drafts.show(desk.database, name)), name=name)


@router.post("/drafts/{name}/changes")
async def changes(request: Request, desk: OfDesk, principal: Operator, name: Name, text: Text = "") -> Response:
    """What the text as it stands changes of the live rules, and whether they are what the draft was begun from."""
    found = await draft_changes.changes(desk.database, name, _lines(text))
    return page(request, "rule_changes.html", changes=found, name=name)


@router.post("/drafts/{name}/base")
async def take_over(
    request: Request, desk: OfDesk, principal: Admin, name: Name, seen: Seen,
    number: Annotated[int, Form(ge=0, le=2_147_483_647)],
) -> Response:  # fmt: skip
    """Go on from the live rules, whose difference was looked at."""
    row = await draft_changes.take_over(desk.database, principal.actor, name, number, _unchanged(seen))
    return page(request, "rule_taken_over.html", tag=tag_of(row), name=name, number=number)


@router.post("/drafts/{name}/publish")
async def publish(
    request: Request, desk: OfDesk, principal: ChangesRules, name: Name, seen: Seen, text: Text = "",
    comment: Comment = "",
) -> Response:  # fmt: skip
    """Save it and make it live."""
    await rule_sets.check(desk.database, _lines(text), **judged(desk.profile))
    await draft_changes.require_base(desk.database, name)
    await _save(desk, principal.actor, name, text, comment, seen)
    saved = tag_of(await rule_drafts.show(desk.database, name))
    work = rule_sets.publish(
        desk.database, principal.actor, name, comment, seen=_unchanged(saved), **judged(desk.profile)
    )
    published = await publishing.published(desk.database, work)
    told, bad = told_published(published)
    shown = page(request, "rule_published.html", published=published, told=told, bad=bad, name=name)
    shown.headers.update({"HX-Retarget": "#editor", "HX-Reswap": "outerHTML show:top"})
    return shown


@router.post("/drafts/{name}/discard")
async def discard(request: Request, desk: OfDesk, principal: Admin, name: Name, seen: Seen) -> Response:
    """Forget it."""
    await rule_drafts.discard(desk.database, principal.actor, name, _unchanged(seen))
    return Response(headers={"HX-Redirect": "/rules"})


@router.post("/check")
async def check(request: Request, desk: OfDesk, principal: Operator, text: Text = "") -> Response:
    """What is wrong with a text, or worth knowing of it."""
    told: dict[str, Any] = {"faults": [], "failed": [], "findings": [], "rules": None}
    try:
        document = await rule_sets.check(desk.database, _lines(text), **judged(desk.profile))
        found = await rule_findings.of(desk.database, document, 0)
        places = Places(_lines(text))
        told |= {"rules": len(document.rules), "findings": [_placed(each, places) for each in found]}
    except FaultyRules as error:
        told["faults"] = error.placed()
    except FailedTests as error:
        told["failed"] = error.outcomes
    return page(request, "rule_findings.html", **told)


@router.post("/try")
async def try_file(
    request: Request, desk: OfDesk, principal: Operator, text_bytes: Annotated[int, Query(ge=0)] = 0,
    calling_aet: Annotated[str, Query(max_length=16)] = "", peer_address: Annotated[str, Query(max_length=45)] = "",
) -> Response:  # fmt: skip
    """Try a file on a text. The body is the text, so many bytes of UTF-8, and behind it the beginning of the file; both
    stay in memory."""
    data = await uploads.body(request)
    try:
        text = data[:text_bytes].decode()
    except UnicodeDecodeError as fault:
        raise UsageError("the text of the rules is not UTF-8") from fault
    facts = {"calling_aet": calling_aet, "peer_address": peer_address}
    upload = uploads.uploaded(desk, data[text_bytes:], facts)
    trial = await rule_trials.tried(
        desk.database, principal.actor, upload, text if text_bytes else None, by_class(desk.profile),
        allowed(desk.profile),
    )  # fmt: skip
    return page(request, "rule_trial.html", trial=trial)


@router.get("/names")
async def names(request: Request, desk: OfDesk, principal: Operator) -> Response:
    """What a condition or step may name, for a list of choices: by the one field that is sent, whatever its name."""
    return page(request, "rule_names.html", names=rule_values.names_like(_only(request)[:100]))


@router.get("/values")
async def values(request: Request, desk: OfDesk, principal: Operator) -> Response:
    """Values that were seen lately of what the one field that is sent names, for a list of choices."""
    name = _only(request).strip()[:300]
    fact = name in FACTS
    found = await rule_values.values_seen(desk.database, principal.actor, name, fact=fact) if name else []
    return page(request, "rule_values.html", values=found)


def _only(request: Request) -> str:
    return next(iter(request.query_params.values()), "")


def _placed(finding: dict[str, Any], places: Places) -> dict[str, Any]:
    """With the line of its first rule."""
    place = places.of(finding["rules"][0], "name") if finding["rules"] else None
    return finding | {"line": place and place.line}


async def _save(desk: OfDesk, actor: str, name: str, text: str, comment: str, seen: str) -> None:
    await rule_drafts.save(desk.database, actor, name, _lines(text), comment, _unchanged(seen))


def _unchanged(seen: str) -> Callable[[dict[str, Any] | None], None]:
    def judge(draft: dict[str, Any] | None) -> None:
        if draft is None:
            raise preconditions.Changed("the draft is gone: somebody published or discarded it meanwhile")
        preconditions.require(seen, draft)

    return judge


def _lines(text: str) -> str:
    """Browsers end lines of forms with two characters."""
    return text.replace("\r\n", "\n")

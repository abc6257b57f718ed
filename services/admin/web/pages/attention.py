"""What fell out of the way: dead letters, and studies that no rule sent anywhere."""

from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from starlette.responses import Response

from schemas.topology import QUEUES
from services.admin import dead_letters, requests, stations, studies
from services.admin.counted import counted
from services.admin.dead_letters import MOST_REASON
from services.admin.notices import history
from services.admin.patients.search import what_was_done
from services.admin.studies import unmatched_key
from services.admin.web import cursors
from services.admin.web.asking import Operator, Viewer
from services.admin.web.cursors import Listed
from services.admin.web.desk import Desk, OfDesk
from services.admin.web.names import seen_by
from services.admin.web.rendering import message, page
from services.admin.web.told import sentence
from services.admin.when import when_of
from services.runtime.dead_letters import Like
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix="/attention")
LISTED: Final = 50
STATES: Final = ("PARKED", "REPLAYED", "DISCARDED")
SPANS: Final = {"1d": "24 hours", "7d": "7 days", "30d": "30 days", "365d": "a year"}
Text = Annotated[str, Query(max_length=500)]
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
Reason = Annotated[str, Form(max_length=MOST_REASON)]


async def _chosen(letter: Annotated[list[int] | None, Form(max_length=dead_letters.MOST)] = None) -> list[int]:
    if not letter:
        raise UsageError("no dead letter is chosen: tick some")
    return letter


Chosen = Annotated[list[int], Depends(_chosen)]


@router.get("")
async def attention(
    request: Request, desk: OfDesk, principal: Viewer, state: Text = "PARKED", since: Text = "7d",
    studies_state: Annotated[Literal["OPEN", "DISCARDED", "all"], Query(alias="studies")] = "OPEN",
    queue: Text = "", reason: Text = "", station: Text = "", letters_after: Text = "", studies_after: Text = "",
) -> Response:  # fmt: skip
    """Dead letters in one state (``all``: in any), of a queue, with a text in the reason, about a station; and
    unmatched studies since then, without what was discarded, that alone, or all. The newest first."""
    if state not in (*STATES, "all"):
        raise UsageError(f"state {state[:40]!r} of dead letters does not exist: choose one of {', '.join(STATES)}, all")
    asked = {"state": state, "since": since} | ({"studies": studies_state} if studies_state != "OPEN" else {})
    asked |= {name: text for name, text in (("queue", queue), ("reason", reason), ("station", station)) if text.strip()}
    here = asked | {"letters_after": letters_after, "studies_after": studies_after}
    like = Like(*(each.strip() or None for each in (queue, reason, station)))
    letters = await _letters(desk, None if state == "all" else state, like, letters_after)
    unmatched = await _unmatched(desk, since, studies_state, studies_after)
    known = await stations.list_all(desk.database)
    async with desk.database.transaction() as conn:
        untold = await history.trouble(conn)
    return page(
        request,
        "attention.html",
        untold=untold,
        letters=seen_by(desk, principal, list(letters.items)),
        unmatched=seen_by(desk, principal, list(unmatched.items)),
        studies=await what_was_done(desk.database, (each["study_instance_uid"] for each in unmatched.items)),
        wanted=asked,
        states=STATES,
        most_reason=MOST_REASON,
        queues=[each.name for each in QUEUES],
        titles=[each.title for each in known],
        spans=SPANS,
        here=_link({name: value for name, value in here.items() if value}),
        more_letters=letters.next and _link(asked | {"letters_after": letters.next}),
        more_unmatched=unmatched.next and _link(asked | {"studies_after": unmatched.next}),
        targets=[each.title for each in known if each.store],
    )


@router.get("/letters/{number}")
async def show_letter(request: Request, desk: OfDesk, principal: Operator, number: Number) -> Response:
    """A dead letter with its body, which may hold patient data: the look is audited."""
    found = await dead_letters.seen(desk.database, principal.actor, number)
    return page(request, "letter.html", letter=found, most_reason=MOST_REASON)


@router.post("/letters/replay")
async def replay_letters(request: Request, desk: OfDesk, principal: Operator, letter: Chosen) -> Response:
    """Send those that are ticked to their queues again."""
    count = await dead_letters.replay(desk.database, principal.actor, letter)
    return _changed(message(request, f"To their queues again: {counted(count, 'dead letters')}."))


@router.post("/letters/discard")
async def discard_letters(
    request: Request, desk: OfDesk, principal: Operator, letter: Chosen, reason: Reason
) -> Response:
    """Give those that are ticked up."""
    _require(reason)
    count = await dead_letters.discard(desk.database, principal.actor, letter, reason)
    return _changed(message(request, f"Given up: {counted(count, 'dead letters')}."))


@router.post("/letters/{number}/replay")
async def replay_letter(request: Request, desk: OfDesk, principal: Operator, number: Number) -> Response:
    """Send it to its queue again."""
    await dead_letters.replay(desk.database, principal.actor, [number])
    return _changed(message(request, f"Dead letter {number} goes to its queue again."))


@router.post("/letters/{number}/discard")
async def discard_letter(
    request: Request, desk: OfDesk, principal: Operator, number: Number,
    reason: Reason,
) -> Response:  # fmt: skip
    """Give it up."""
    _require(reason)
    await dead_letters.discard(desk.database, principal.actor, [number], reason)
    return _changed(message(request, f"Dead letter {number} is given up."))


@router.post("/studies/route")
async def route_study(
    request: Request, desk: OfDesk, principal: Operator, study: Annotated[str, Form(max_length=64)]
) -> Response:
    """Have the live rule set decide again."""
    requested = await requests.route(desk.database, principal.actor, [study])
    return _changed(message(request, sentence(requested, "The rules that are live decided again.")))


@router.post("/studies/discard")
async def discard_study(
    request: Request, desk: OfDesk, principal: Operator, study: Annotated[str, Form(max_length=64)], reason: Reason
) -> Response:
    """List it no more, until something new of it is sent nowhere."""
    instances = await studies.discard_unmatched(desk.database, principal.actor, study, reason)
    return _changed(message(request, f"{counted(instances, 'instances')} of the study: listed no more."))


@router.post("/studies/send")
async def send_study(
    request: Request, desk: OfDesk, principal: Operator, study: Annotated[str, Form(max_length=64)],
    to: Annotated[str, Form(max_length=16)],
) -> Response:  # fmt: skip
    """Have the whole study sent to a station."""
    requested = await requests.send(desk.database, principal.actor, [study], to)
    return _changed(message(request, sentence(requested, f"It is sent to {to}.")))


async def _letters(desk: Desk, state: str | None, like: Like, cursor: str) -> Listed[dict[str, Any]]:
    before = cursors.read(cursor or None, int)["after_key"]
    rows = await dead_letters.list_letters(desk.database, state, LISTED + 1, before, like)
    return cursors.page_of(rows, LISTED, lambda row: (row["died_at"], str(row["id"])))


async def _unmatched(desk: Desk, since: str, state: str, cursor: str) -> Listed[dict[str, Any]]:
    after = cursors.read(cursor or None, str)
    discarded = None if state == "all" else state == "DISCARDED"
    rows = await studies.unmatched(desk.database, when_of(since), LISTED + 1, after, discarded=discarded)
    return cursors.page_of(rows, LISTED, lambda row: (row["last_received_at"], unmatched_key(row)))


def _require(reason: str) -> None:
    if not reason.strip():
        raise UsageError("reason: say why it is given up; the audit keeps it")


def _link(query: dict[str, str]) -> str:
    return f"/attention?{urlencode(query)}"


def _changed(response: Response) -> Response:
    """The list beside the message is asked for again."""
    response.headers["HX-Trigger"] = "attention-changed"
    return response

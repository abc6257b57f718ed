"""Many jobs at once: asked how many there are, then done."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from services.admin import job_actions
from services.admin.job_actions import Action, Done, Wanted
from services.admin.jobs import Filter
from services.admin.web.asking import Operator
from services.admin.web.desk import OfDesk
from services.admin.web.rendering import message, page
from services.admin.when import beginning
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix="/jobs")
Text = Annotated[str, Form(max_length=500)]
WORDS: Final[dict[Action, str]] = {
    "cancel": "Cancel", "retry": "Retry", "reroute": "Reroute", "first": "Put first",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """Which jobs, as the page says it: those that are ticked, or ``everything`` that its filter finds."""

    wanted: Wanted
    fields: dict[str, Any]


async def _asked(
    job: Annotated[list[UUID] | None, Form(max_length=job_actions.MOST)] = None,
    everything: Annotated[bool, Form()] = False, state: Text = "", kind: Text = "", destination: Text = "",
    study: Text = "", ended: Text = "", until: Annotated[datetime | None, Form()] = None,
) -> Asked:  # fmt: skip
    if not job and not everything:
        raise UsageError("no job is chosen: tick some, or all that the filter finds")
    destination, study = destination.strip(), study.strip()
    fields = {"state": state, "kind": kind, "destination": destination, "study": study, "ended": ended}
    filtered = (
        Filter(state or None, destination or None, kind or None, study or None, beginning(ended))
        if everything
        else Filter()
    )
    return Asked(
        Wanted(None if everything else job, filtered, until),
        (fields | {"everything": "true"}) if everything else {"job": job},
    )


Chosen = Annotated[Asked, Depends(_asked)]


@router.post("/ask")
async def ask(
    request: Request, desk: OfDesk, principal: Operator, asked: Chosen, action: Annotated[Action, Form()],
    to: Text = "", why: Text = "",
) -> Response:  # fmt: skip
    """How many jobs it would be done to, with the button that does it."""
    if action == "reroute" and not (to and why.strip()):
        raise UsageError("reroute: choose a station and say why; the audit keeps it")
    if action != "reroute":
        to = why = ""
    chosen = await job_actions.choose(desk.database, action, asked.wanted)
    fields = asked.fields | {"action": action, "until": chosen.at.isoformat(), "to": to, "why": why}
    return page(request, "job_actions.html", chosen=chosen, action=action, word=WORDS[action], to=to, fields=fields)


@router.post("/act")
async def act(
    request: Request, desk: OfDesk, principal: Operator, asked: Chosen, action: Annotated[Action, Form()],
    to: Text = "", why: Text = "",
) -> Response:  # fmt: skip
    """Do it."""
    chosen = await job_actions.choose(desk.database, action, asked.wanted)
    done = await job_actions.act(desk.database, principal.actor, action, chosen, to.strip() or None, why)
    answer = message(request, _told(WORDS[action], chosen.count, done), bad=bool(done.refused))
    answer.headers["HX-Trigger-After-Swap"] = "jobs-changed"  # it takes the question away, which is asked until then
    return answer


@router.post("/{job}/reroute")
async def reroute(
    request: Request, desk: OfDesk, principal: Operator, job: UUID, to: Text = "", why: Text = ""
) -> Response:
    """Send what one has not delivered to another station."""
    chosen = await job_actions.choose(desk.database, "reroute", Wanted([job]))
    if not chosen.deliveries:
        raise UsageError("nothing of this job can be sent elsewhere: all of it is delivered or under way")
    done = await job_actions.act(desk.database, principal.actor, "reroute", chosen, to.strip() or None, why)
    return message(request, _told(f"Sent to {to} instead", 1, done), bad=bool(done.refused))


def _told(word: str, jobs: int, done: Done) -> str:
    """What came of it, in a sentence (pure)."""
    counts = [
        f"{count} {name if count == 1 else f'{name}s'}" for count, name in ((jobs, "job"), (done.touched, "instance"))
    ]
    text = f"{word}: {', '.join(counts)}"
    if done.queued:
        text += "; the rest is kept and will be done: the service that does it does not answer now"
    return "; ".join([text, *done.refused[:3]])

"""The job browser."""

from collections.abc import Sequence
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.admin import jobs, precedence, requests, stations
from services.admin.jobs import STATES, Filter, Part, place, place_of
from services.admin.patients.search import what_was_done
from services.admin.requests import Requested
from services.admin.station import Station
from services.admin.web import cursors
from services.admin.web.asking import Operator, Viewer
from services.admin.web.desk import OfDesk
from services.admin.web.names import seen_by
from services.admin.web.rendering import message, page
from services.admin.when import beginning

router: Final = APIRouter(prefix="/jobs")
LISTED: Final = 50
INSTANCES: Final = 200
MOST_PARTS: Final = 1000
SPANS: Final = {"1h": "an hour", "1d": "24 hours", "7d": "7 days", "30d": "30 days"}
Text = Annotated[str, Query(max_length=500)]


@router.get("")
async def list_jobs(
    request: Request, desk: OfDesk, principal: Viewer, state: Text = "", kind: Text = "", destination: Text = "",
    study: Text = "", ended: Text = "", cursor: Text = "",
) -> Response:  # fmt: skip
    """The newest first, those that the filter in the address fits."""
    destination, study = destination.strip(), study.strip()
    asked = {"state": state, "kind": kind, "destination": destination, "study": study, "ended": ended}
    chosen = {name: value for name, value in asked.items() if value}
    after = cursors.read(cursor or None, UUID)
    wanted = Filter(state or None, destination or None, kind or None, study or None, beginning(ended), **after)
    rows = seen_by(desk, principal, await jobs.list_jobs(desk.database, wanted, LISTED + 1))
    found = cursors.page_of(rows, LISTED, lambda job: (job["created_at"], str(job["id"])))
    known = await stations.list_all(desk.database)
    return page(
        request,
        "jobs.html",
        rows=found.items,
        studies=await what_was_done(desk.database, (job["study_instance_uid"] for job in found.items)),
        wanted=asked,
        filtered=bool(chosen),
        states=STATES,
        spans=SPANS,
        titles=[station.title for station in known],
        targets=_targets(known),
        here=f"/jobs?{urlencode(chosen | ({'cursor': cursor} if cursor else {}))}",
        next=found.next and f"/jobs?{urlencode(chosen | {'cursor': found.next})}",
    )


@router.get("/{job}")
async def show_job(
    request: Request, desk: OfDesk, principal: Viewer, job: UUID, state: Text = "", cursor: Text = ""
) -> Response:
    """One, with what it consists of: what failed first, of the state in the address."""
    part = Part(INSTANCES + 1, state or None, **cursors.read(cursor or None, place_of))
    found = seen_by(desk, principal, await jobs.show(desk.database, job, MOST_PARTS, part))
    deliveries = cursors.page_of(found["deliveries"], INSTANCES, place)
    collects = found["released_at"] is None and found["level"] != "instance" and found["kind"] == "send"
    others = [title for title in _targets(await stations.list_all(desk.database)) if title != found["destination"]]
    studies = await what_was_done(desk.database, [found["study_instance_uid"]])
    chosen = {"state": state} if state else {}
    return page(
        request,
        "job.html",
        job=found,
        deliveries=deliveries.items,
        wanted=state,
        states=await jobs.delivery_states(desk.database, job),
        here=_link(job, chosen | ({"cursor": cursor} if cursor else {})),
        next=deliveries.next and _link(job, chosen | {"cursor": deliveries.next}),
        most=MOST_PARTS,
        studies=studies,
        collects=collects,
        targets=others,
    )


@router.post("/{job}/cancel")
async def cancel_job(request: Request, desk: OfDesk, principal: Operator, job: UUID) -> Response:
    """Give up what of it is not delivered."""
    return _told(request, await requests.cancel(desk.database, principal.actor, job), "Cancelled")


@router.post("/{job}/retry")
async def retry_job(request: Request, desk: OfDesk, principal: Operator, job: UUID) -> Response:
    """Try again what failed or is in doubt."""
    return _told(request, await requests.retry(desk.database, principal.actor, job), "Tried again")


@router.post("/{job}/complete")
async def complete_job(request: Request, desk: OfDesk, principal: Operator, job: UUID) -> Response:
    """Send what it has collected."""
    return _told(request, await requests.complete(desk.database, principal.actor, job), "Let go")


@router.post("/{job}/first")
async def put_job_first(request: Request, desk: OfDesk, principal: Operator, job: UUID) -> Response:
    """Send what it has waiting before everything else."""
    return _told(request, await precedence.put_first(desk.database, principal.actor, [job]), "Put first")


def _link(job: UUID, query: dict[str, str]) -> str:
    return f"/jobs/{job}?{urlencode(query)}" if query else f"/jobs/{job}"


def _targets(known: Sequence[Station]) -> list[str]:
    """Where it may be sent to instead."""
    return [station.title for station in known if station.store and station.enabled]


def _told(request: Request, requested: Requested, done: str) -> Response:
    if requested.result is None:
        return message(request, "It is kept and will be done: the service that does it does not answer now.")
    parts = requested.result.get("deliveries", requested.result.get("requests", 0))
    refused = requested.result.get("refused", [])
    told = "; ".join([f"{done}: {parts} {'instance' if parts == 1 else 'instances'}", *refused])
    return message(request, told, bad=bool(refused))

"""Jobs."""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from schemas.api.jobs import Asked, DeliveryState, Job, JobDelivery, JobState, ListedJob
from services.admin import job_actions, jobs, precedence, requests
from services.admin.jobs import Filter, Part, place, place_of
from services.admin.requests import Requested
from services.admin.web import cursors
from services.admin.web.asking import Operator, Viewer
from services.admin.web.cursors import Cursor, Limit, Listed
from services.admin.web.desk import OfDesk
from services.admin.web.names import seen_by
from services.admin.web.sent import Sent
from services.admin.when import beginning
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix="/jobs", tags=["jobs"])
MOST_PARTS: Final = 1000
ENDED: Final = "Ended since then: a span such as 1d, or a time."
Why = Annotated[str, Field(max_length=job_actions.LONGEST_WHY, examples=["the workstation is being repaired"])]


class Acting(Sent):
    """``jobs``: by name; null: all that state, destination, kind, study and ended find, none made later than ``until``.
    ``to``, ``why``: of a reroute."""

    action: job_actions.Action
    jobs: Annotated[list[UUID] | None, Field(min_length=1, max_length=job_actions.MOST)] = None
    state: JobState | None = None
    destination: Annotated[str | None, Field(max_length=16)] = None
    kind: Literal["send", "retrieve"] | None = None
    study: Annotated[str | None, Field(max_length=64)] = None
    ended: Annotated[str | None, Field(max_length=64, description=ENDED, examples=["1d"])] = None
    until: AwareDatetime | None = None
    to: Annotated[str | None, Field(max_length=16, examples=["ARCHIVE2"])] = None
    why: Why = ""
    dry_run: bool = False


class Acted(BaseModel):
    """``jobs`` and ``deliveries`` of them were found, ``at`` that time; ``more``: there are others. ``touched``:
    deliveries that it was done to; ``queued``: requests that the forwarder will carry out when it runs."""

    dry_run: bool
    jobs: int
    deliveries: int
    more: bool
    at: datetime
    requests: list[UUID] = []
    touched: int = 0
    queued: int = 0
    refused: list[str] = []


class Rerouting(Sent):
    """Where it goes instead, and why; the audit keeps it."""

    to: Annotated[str, Field(max_length=16, examples=["ARCHIVE2"])]
    why: Annotated[str, Field(min_length=1, max_length=job_actions.LONGEST_WHY, examples=["it is being repaired"])]


@router.get("")
async def list_jobs(
    desk: OfDesk,
    principal: Viewer,
    state: JobState | None = None,
    destination: Annotated[str | None, Query(max_length=16)] = None,
    kind: Annotated[str | None, Query(pattern="^(send|retrieve)$")] = None,
    study: Annotated[str | None, Query(max_length=64)] = None,
    ended: Annotated[str | None, Query(max_length=64, description=ENDED, examples=["1d"])] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Listed[ListedJob]:
    """The newest first."""
    wanted = Filter(state, destination, kind, study, beginning(ended), **cursors.read(cursor, UUID))
    found = seen_by(desk, principal, await jobs.list_jobs(desk.database, wanted, limit + 1))
    rows = [ListedJob(**row) for row in found]
    return cursors.page_of(rows, limit, lambda job: (job.created_at, str(job.id)))


@router.get("/{job}")
async def show_job(desk: OfDesk, principal: Viewer, job: UUID) -> Job:
    """A job with its deliveries, commitments and C-MOVEs, what failed first."""
    return Job(**seen_by(desk, principal, await jobs.show(desk.database, job, MOST_PARTS)))


@router.get("/{job}/deliveries")
async def list_deliveries(
    desk: OfDesk, principal: Viewer, job: UUID, state: DeliveryState | None = None, limit: Limit = 100,
    cursor: Cursor = None,
) -> Listed[JobDelivery]:  # fmt: skip
    """All its deliveries: what failed first, each by its receipt."""
    part = Part(limit + 1, state, **cursors.read(cursor, place_of))
    found = cursors.page_of(await jobs.list_deliveries(desk.database, job, part), limit, place)
    return Listed(items=[JobDelivery(**row) for row in seen_by(desk, principal, found.items)], next=found.next)


@router.post("/act")
async def act(desk: OfDesk, principal: Operator, wanted: Acting) -> Acted:
    """Cancel, retry, reroute or put first jobs by name, or all that a filter finds; ``dry_run`` only counts them. What
    is sent elsewhere is what a job has not delivered."""
    found = Filter(wanted.state, wanted.destination, wanted.kind, wanted.study, beginning(wanted.ended))
    if wanted.jobs is None and found == Filter():
        raise UsageError("jobs: name them, or filter by state, destination, kind, study or ended")
    asked = job_actions.Wanted(wanted.jobs, found, wanted.until)
    chosen = await job_actions.choose(desk.database, wanted.action, asked)
    counted = {"jobs": chosen.count, "deliveries": len(chosen.deliveries), "more": chosen.more, "at": chosen.at}
    if wanted.dry_run or not chosen.count:
        return Acted(dry_run=wanted.dry_run, **counted)
    done = await job_actions.act(desk.database, principal.actor, wanted.action, chosen, wanted.to, wanted.why)
    return Acted(dry_run=False, **counted | vars(done))


@router.post("/{job}/reroute")
async def reroute_job(desk: OfDesk, principal: Operator, job: UUID, wanted: Rerouting) -> Acted:
    """Send what it has not delivered to another station instead, in a job of its own."""
    await jobs.show(desk.database, job, 0)
    return await act(desk, principal, Acting(action="reroute", jobs=[job], to=wanted.to, why=wanted.why))


@router.post("/{job}/cancel")
async def cancel_job(desk: OfDesk, principal: Operator, job: UUID) -> Asked:
    """Give up what of it is not delivered; what is being sent ends within a second."""
    return asked(await requests.cancel(desk.database, principal.actor, job))


@router.post("/{job}/retry")
async def retry_job(desk: OfDesk, principal: Operator, job: UUID) -> Asked:
    """Try again at once what failed or is in doubt."""
    return asked(await requests.retry(desk.database, principal.actor, job))


@router.post("/{job}/complete")
async def complete_job(desk: OfDesk, principal: Operator, job: UUID) -> Asked:
    """Send what it has collected."""
    return asked(await requests.complete(desk.database, principal.actor, job))


@router.post("/{job}/first")
async def put_job_first(desk: OfDesk, principal: Operator, job: UUID) -> Asked:
    """Send what it has waiting before everything else."""
    return asked(await precedence.put_first(desk.database, principal.actor, [job]))


def asked(requested: Requested) -> Asked:
    """What a request came to (pure)."""
    return Asked(id=requested.id, done=requested.result is not None, result=requested.result)

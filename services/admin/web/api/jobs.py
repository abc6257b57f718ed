"""Jobs."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query

from schemas.api.jobs import Asked, Job, JobState, ListedJob
from services.admin import jobs, precedence, requests
from services.admin.jobs import Filter
from services.admin.requests import Requested
from services.admin.web import cursors
from services.admin.web.asking import Operator, Viewer
from services.admin.web.cursors import Cursor, Limit, Listed
from services.admin.web.desk import OfDesk
from services.admin.web.names import seen_by

router: Final = APIRouter(prefix="/jobs", tags=["jobs"])
MOST_PARTS: Final = 1000


@router.get("")
async def list_jobs(
    desk: OfDesk,
    principal: Viewer,
    state: JobState | None = None,
    destination: Annotated[str | None, Query(max_length=16)] = None,
    kind: Annotated[str | None, Query(pattern="^(send|retrieve)$")] = None,
    study: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Listed[ListedJob]:
    """The newest first."""
    wanted = Filter(state, destination, kind, study, **cursors.read(cursor, UUID))
    found = seen_by(desk, principal, await jobs.list_jobs(desk.database, wanted, limit + 1))
    rows = [ListedJob(**row) for row in found]
    return cursors.page_of(rows, limit, lambda job: (job.created_at, str(job.id)))


@router.get("/{job}")
async def show_job(desk: OfDesk, principal: Viewer, job: UUID) -> Job:
    """A job with its deliveries, commitments and C-MOVEs."""
    return Job(**seen_by(desk, principal, await jobs.show(desk.database, job, MOST_PARTS)))


@router.post("/{job}/cancel")
async def cancel_job(desk: OfDesk, principal: Operator, job: UUID) -> Asked:
    """Give up what of it waits."""
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

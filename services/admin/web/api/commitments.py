"""Storage commitment: what we asked of others, and what others asked of us."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from schemas.api.jobs import Asked
from services.admin import commitment_requests, commitments
from services.admin.web import cursors
from services.admin.web.asking import Operator, Viewer
from services.admin.web.cursors import Cursor, Limit, Listed
from services.admin.web.desk import OfDesk
from services.admin.web.names import seen_by
from services.admin.web.told import asked

router: Final = APIRouter(prefix="/commitments", tags=["commitments"])
MOST_PARTS: Final = 1000
State = Annotated[str | None, Query(max_length=64)]
Station = Annotated[str | None, Query(max_length=16, description="The destination, or who is asked.")]
Uid = Annotated[str | None, Query(max_length=64)]


class Commitment(BaseModel):
    """What we asked a server for. Counts are of instances."""

    id: UUID
    study: str
    destination: str
    server: str
    state: str
    total: int
    committed: int
    failed: int
    pending: int
    deadline: datetime | None
    created_at: datetime
    finished_at: datetime | None
    reason: str


class ReceivedCommitment(BaseModel):
    """What a peer (``source``) asked us to commit."""

    id: UUID
    source: str
    transaction: str
    state: str
    total: int
    committed: int
    failed: int
    received_at: datetime
    reported_at: datetime | None
    reason: str


class CommitmentInstance(BaseModel):
    """An instance of a commitment. ``failure_reason``: hexadecimal (PS3.3 C.14.1.1), ``failure``: its name."""

    instance: str
    revision: int | None
    sop_class: str
    state: str
    failure_reason: str | None
    failure: str | None


class AskedInstance(CommitmentInstance):
    """One that we asked for; ``job`` sent it."""

    reported_at: datetime | None
    job: UUID


class Attempt(BaseModel):
    """An N-ACTION request. ``status``: hexadecimal, ``meaning``: its name; null without an answer."""

    transaction: str
    at: datetime
    finished_at: datetime | None
    outcome: str
    status: str | None
    meaning: str | None
    reason: str
    association: str
    milliseconds: int | None


class Report(BaseModel):
    """An N-EVENT-REPORT that is about it, or says so (``verdict``); ``object`` is what came."""

    received_at: datetime
    source: str
    transaction: str
    event_type: int
    committed: int
    failed: int
    verdict: str
    remark: str
    object: str


class Archived(BaseModel):
    """When a server committed an instance."""

    at: datetime
    instance: str
    revision: int
    server: str
    transaction: str


class ShownCommitment(Commitment):
    """What we asked a server for, with all that happened. ``hint``: what to look at first."""

    status: str | None
    meaning: str | None
    repeats: UUID | None
    repeated_by: UUID | None
    requested_by: str
    accepted_at: datetime | None
    closed_at: datetime | None
    next_attempt_at: datetime | None
    hint: str | None
    attempts: list[Attempt]
    instances: list[AskedInstance]
    reports: list[Report]
    history: list[Archived]


class ShownReceivedCommitment(ReceivedCommitment):
    """What a peer asked us to commit, with what was found of it."""

    called: str
    peer_address: str
    association: str
    duplicate: bool
    decided_at: datetime | None
    attempts: int
    status: str | None
    meaning: str | None
    next_attempt_at: datetime | None
    give_up_at: datetime | None
    instances: list[CommitmentInstance]


@router.get("")
async def list_commitments(
    desk: OfDesk, principal: Viewer, state: State = None, station: Station = None, study: Uid = None,
    limit: Limit = 100, cursor: Cursor = None,
) -> Listed[Commitment]:  # fmt: skip
    """What we asked for, the newest first."""
    after = cursors.read(cursor, UUID)
    found = await commitments.list_commitments(desk.database, state, station, study, limit + 1, after)
    rows = [Commitment(**row) for row in seen_by(desk, principal, found)]
    return cursors.page_of(rows, limit, lambda row: (row.created_at, str(row.id)))


@router.get("/received")
async def list_received(
    desk: OfDesk, principal: Viewer, state: State = None,
    station: Annotated[str | None, Query(max_length=16, description="The peer that asked.")] = None,
    study: Uid = None, limit: Limit = 100, cursor: Cursor = None,
) -> Listed[ReceivedCommitment]:  # fmt: skip
    """What peers asked us for, the newest first."""
    after = cursors.read(cursor, UUID)
    found = await commitments.list_received(desk.database, state, station, study, limit + 1, after)
    rows = [ReceivedCommitment(**row | {"source": row["from"]}) for row in seen_by(desk, principal, found)]
    return cursors.page_of(rows, limit, lambda row: (row.received_at, str(row.id)))


@router.get("/{commitment}")
async def show_commitment(
    desk: OfDesk, principal: Viewer, commitment: UUID
) -> ShownCommitment | ShownReceivedCommitment:
    """One, of either kind, with at most 1000 of its instances and their failure reasons by name."""
    found = seen_by(desk, principal, await commitments.show(desk.database, commitment, MOST_PARTS))
    if "server" not in found:
        return ShownReceivedCommitment(**found | {"source": found["from"]})
    return ShownCommitment(**found | {"reports": [each | {"source": each["from"]} for each in found["reports"]]})


@router.post("/{commitment}/retry")
async def retry_commitment(desk: OfDesk, principal: Operator, commitment: UUID) -> Asked:
    """Ask again, as a new commitment, for what a FAILURE left without commitment."""
    return asked(await commitment_requests.retry(desk.database, principal.actor, commitment))


@router.post("/{commitment}/cancel")
async def cancel_commitment(desk: OfDesk, principal: Operator, commitment: UUID) -> Asked:
    """Give it up: it becomes FAILURE."""
    return asked(await commitment_requests.cancel(desk.database, principal.actor, commitment))

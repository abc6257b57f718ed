"""Studies that are stored and were never to be sent anywhere."""

from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from schemas.api.jobs import Asked
from services.admin import requests, studies
from services.admin.dead_letters import MOST_REASON
from services.admin.studies import unmatched_key
from services.admin.web import cursors
from services.admin.web.asking import Operator, Viewer
from services.admin.web.cursors import Cursor, Limit, Listed
from services.admin.web.desk import OfDesk
from services.admin.web.sent import Sent
from services.admin.web.told import asked
from services.admin.when import NEVER, when_of

router: Final = APIRouter(prefix="/unmatched", tags=["unmatched"])
Since = Annotated[
    str | None, Query(max_length=64, description="Not received before: a span such as 7d, or a time.", examples=["7d"])
]


class Unmatched(BaseModel):
    """What of a study came from one station and was to be sent nowhere for one reason; ``discarded_…``: if a person
    gave all of it up."""

    study_instance_uid: str
    source: str
    instances: int
    first_received_at: datetime
    last_received_at: datetime
    rule_set: int | None
    why: str
    discarded_by: str | None
    discarded_at: datetime | None
    discarded_why: str | None


class To(Sent):
    """A station that may be sent to."""

    to: Annotated[str, Field(min_length=1, max_length=16, examples=["ARCHIVE"])]


class Why(Sent):
    """Why it is given up; the audit keeps it."""

    reason: Annotated[str, Field(min_length=1, max_length=MOST_REASON, examples=["a test of the scanner"])]


class Discarded(BaseModel):
    """A study that is listed no more, and of how many instances that is said."""

    study_instance_uid: str
    instances: int


@router.get("")
async def list_unmatched(
    desk: OfDesk, principal: Viewer, since: Since = None, state: Literal["OPEN", "DISCARDED", "all"] = "OPEN",
    limit: Limit = 100, cursor: Cursor = None,
) -> Listed[Unmatched]:  # fmt: skip
    """What came last first: without what was discarded, that alone, or all."""
    beginning = NEVER if since is None else when_of(since)
    discarded = None if state == "all" else state == "DISCARDED"
    after = cursors.read(cursor, str)
    rows = await studies.unmatched(desk.database, beginning, limit + 1, after, discarded=discarded)
    found = [Unmatched(**row) for row in rows]
    return cursors.page_of(found, limit, lambda row: (row.last_received_at, unmatched_key(row.model_dump())))


@router.post("/{study}/route")
async def route_unmatched(desk: OfDesk, principal: Operator, study: str) -> Asked:
    """Have the live rule set decide again."""
    return asked(await requests.route(desk.database, principal.actor, [study]))


@router.post("/{study}/send")
async def send_unmatched(desk: OfDesk, principal: Operator, study: str, wanted: To) -> Asked:
    """Have the whole study sent to a station."""
    return asked(await requests.send(desk.database, principal.actor, [study], wanted.to))


@router.post("/{study}/discard")
async def discard_unmatched(desk: OfDesk, principal: Operator, study: str, why: Why) -> Discarded:
    """List it no more, until something new of it is sent nowhere. Nothing of it is deleted."""
    instances = await studies.discard_unmatched(desk.database, principal.actor, study, why.reason)
    return Discarded(study_instance_uid=study, instances=instances)

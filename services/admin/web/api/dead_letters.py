"""Messages that no consumer could take."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from services.admin import dead_letters
from services.admin.dead_letters import MOST, MOST_REASON
from services.admin.web import cursors
from services.admin.web.asking import Operator, Viewer
from services.admin.web.cursors import Cursor, Limit, Listed
from services.admin.web.desk import OfDesk
from services.admin.web.names import seen_by
from services.admin.web.sent import Sent
from services.runtime.dead_letters import Like

router: Final = APIRouter(prefix="/dead-letters", tags=["dead letters"])
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
LetterState = Literal["PARKED", "REPLAYED", "DISCARDED"]


class ListedLetter(BaseModel):
    """A message that died in a queue, and why; PARKED until somebody replays or discards it. ``stations``: those
    that its body names."""

    id: int
    died_at: datetime
    queue: str
    reason: str
    event_id: UUID | None
    message_type: str | None
    state: LetterState
    resolved_at: datetime | None
    resolved_by: str | None
    stations: list[str]


class Letter(ListedLetter):
    """With its headers and body, as text; bytes that are none are replaced."""

    headers: dict[str, Any]
    body: str


class Why(Sent):
    """Why it is given up; the audit keeps it."""

    reason: Annotated[str, Field(min_length=1, max_length=MOST_REASON, examples=["sent again by hand"])]


class Chosen(Sent):
    """Several by their numbers: it is done to all of them, or to none."""

    numbers: Annotated[list[Annotated[int, Field(ge=1, le=2**63 - 1)]], Field(min_length=1, max_length=MOST)]


class GivenUp(Chosen, Why):
    """Several, and why they are given up."""


class Resolved(BaseModel):
    """Its number, and what it is now."""

    id: int
    state: LetterState


@router.get("")
async def list_letters(
    desk: OfDesk, principal: Viewer, state: Annotated[LetterState | None, Query()] = None,
    queue: Annotated[str | None, Query(max_length=255)] = None,
    reason: Annotated[str | None, Query(max_length=MOST_REASON, description="A part of it, in any case.")] = None,
    station: Annotated[str | None, Query(max_length=16, description="That its body names.")] = None,
    limit: Limit = 100, cursor: Cursor = None,
) -> Listed[ListedLetter]:  # fmt: skip
    """The newest first, without their bodies."""
    before = cursors.read(cursor, int)["after_key"]
    found = await dead_letters.list_letters(
        desk.database, state, limit + 1, before, Like(queue, reason, station)
    )  # fmt: skip
    rows = seen_by(desk, principal, found)
    return cursors.page_of([ListedLetter(**row) for row in rows], limit, lambda row: (row.died_at, str(row.id)))


@router.get("/{number}")
async def show_letter(desk: OfDesk, principal: Operator, number: Number) -> Letter:
    """One with its body, which may hold patient data: the look is audited."""
    return Letter(**await dead_letters.seen(desk.database, principal.actor, number))


@router.post("/replay")
async def replay_letters(desk: OfDesk, principal: Operator, chosen: Chosen) -> list[Resolved]:
    """Send several to their queues again: all, or none if one is resolved already."""
    await dead_letters.replay(desk.database, principal.actor, chosen.numbers)
    return [Resolved(id=number, state="REPLAYED") for number in chosen.numbers]


@router.post("/discard")
async def discard_letters(desk: OfDesk, principal: Operator, chosen: GivenUp) -> list[Resolved]:
    """Give several up: all, or none if one is resolved already."""
    await dead_letters.discard(desk.database, principal.actor, chosen.numbers, chosen.reason)
    return [Resolved(id=number, state="DISCARDED") for number in chosen.numbers]


@router.post("/{number}/replay")
async def replay_letter(desk: OfDesk, principal: Operator, number: Number) -> Resolved:
    """Send it to its queue again."""
    await dead_letters.replay(desk.database, principal.actor, [number])
    return Resolved(id=number, state="REPLAYED")


@router.post("/{number}/discard")
async def discard_letter(desk: OfDesk, principal: Operator, number: Number, why: Why) -> Resolved:
    """Give it up; it stays listed."""
    await dead_letters.discard(desk.database, principal.actor, [number], why.reason)
    return Resolved(id=number, state="DISCARDED")

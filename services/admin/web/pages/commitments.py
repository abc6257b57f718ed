"""Storage commitment: what we asked of others, and what others asked of us."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.admin import commitment_requests, commitments
from services.admin.commitments import RECEIVED_STATES, STATES
from services.admin.web import cursors
from services.admin.web.asking import Operator, Viewer
from services.admin.web.desk import OfDesk
from services.admin.web.finding import Find, fitting
from services.admin.web.names import seen_by
from services.admin.web.rendering import message, page
from services.admin.web.told import sentence

router: Final = APIRouter(prefix="/commitments")
LISTED: Final = 50
MOST_PARTS: Final = 1000
RECEIVED: Final = "received"
Text = Annotated[str, Query(max_length=500)]


@router.get("")
async def list_commitments(
    request: Request, desk: OfDesk, principal: Viewer, side: Text = "", state: Text = "", station: Text = "",
    study: Text = "", cursor: Text = "",
) -> Response:  # fmt: skip
    """The newest first, those that the filter in the address fits; ``side``: received for what others asked."""
    received = side == RECEIVED
    states = RECEIVED_STATES if received else STATES
    asked = {"side": side, "state": state, "station": station.strip(), "study": study.strip()}
    chosen = {name: value for name, value in asked.items() if value}
    known = chosen.get("state") if state in states else None  # each side has states of its own
    list_them = commitments.list_received if received else commitments.list_commitments
    after = cursors.read(cursor or None, UUID)
    rows = await list_them(desk.database, known, chosen.get("station"), chosen.get("study"), LISTED + 1, after)
    at = "received_at" if received else "created_at"
    found = cursors.page_of(rows, LISTED, lambda row: (row[at], str(row["id"])))
    return page(
        request,
        "commitments.html",
        rows=seen_by(desk, principal, list(found.items)),
        received=received,
        wanted=asked,
        filtered=bool(chosen.keys() - {"side"}),
        states=states,
        here=f"/commitments?{urlencode(chosen | ({'cursor': cursor} if cursor else {}))}",
        next=found.next and f"/commitments?{urlencode(chosen | {'cursor': found.next})}",
    )


@router.get("/{commitment}")
async def show_commitment(
    request: Request, desk: OfDesk, principal: Viewer, commitment: UUID, find: Find = ""
) -> Response:
    """One, of either kind, with its instances, or those that a text fits."""
    found = seen_by(desk, principal, await commitments.show(desk.database, commitment, MOST_PARTS))
    received = "from" in found
    may = {kind: not received and not commitment_requests.refusal(kind, found) for kind in KINDS}
    return page(
        request, "commitment.html", found=found, received=received, may=may, most=MOST_PARTS, find=find,
        instances=fitting(found["instances"], find, _told),
    )  # fmt: skip


def _told(instance: Mapping[str, Any]) -> list[Any]:
    shown = ("state", "instance", "failure", "failure_reason")
    return [instance[name] for name in shown if instance.get(name) is not None]


KINDS: Final[tuple[commitment_requests.Kind, ...]] = ("retry-commitment", "cancel-commitment")


@router.post("/{commitment}/retry")
async def retry_commitment(request: Request, desk: OfDesk, principal: Operator, commitment: UUID) -> Response:
    """Ask again for what is not committed."""
    requested = await commitment_requests.retry(desk.database, principal.actor, commitment)
    return message(request, sentence(requested, "It is asked for again, as a new commitment."))


@router.post("/{commitment}/cancel")
async def cancel_commitment(request: Request, desk: OfDesk, principal: Operator, commitment: UUID) -> Response:
    """Give it up."""
    requested = await commitment_requests.cancel(desk.database, principal.actor, commitment)
    return message(request, sentence(requested, "It is given up."))

"""What flows, and what needs a person."""

from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.admin import overview
from services.admin.needs import needs
from services.admin.reachability import word
from services.admin.senders import senders
from services.admin.sql import SQL
from services.admin.web.asking import Viewer
from services.admin.web.desk import Desk, OfDesk
from services.admin.web.names import seen_by
from services.admin.web.rendering import in_part, page
from services.runtime.errors import GatewayError

router: Final = APIRouter()


@dataclass(frozen=True)
class Disk:
    """Bytes; None where the store does not tell. ``low``: what comes is refused."""

    free: int | None
    total: int | None
    low: bool


@router.get("/")
@router.get("/now")
async def now(request: Request, desk: OfDesk, principal: Viewer) -> Response:
    """The page, or what of it changes."""
    status = seen_by(desk, principal, await overview.status(desk.database))
    async with desk.database.transaction() as conn:
        heard = await (await conn.execute(SQL.senders)).fetchall()
    disk, systems = _disk(desk), _systems(desk)
    held = {each["name"] for each in status["holds"] if each["kind"] == "source"}
    return page(
        request,
        "now_part.html" if in_part(request) else "now.html",
        status=status,
        senders=senders(heard, status["silent"], held),
        rates=_rates(status, heard),
        destinations=[each | word(each)._asdict() for each in status["destinations"]],
        disk=disk,
        systems=systems,
        needs=needs(status, systems, disk_low=disk.low),
    )


def _rates(status: dict[str, Any], heard: list[dict[str, Any]]) -> dict[str, Any]:
    waiting = [each["oldest_waiting_at"] for each in status["destinations"] if each["oldest_waiting_at"]]
    return {
        "last_minute": sum(each["last_minute"] for each in heard),
        "last_hour": sum(each["last_hour"] for each in heard),
        "bytes_last_hour": sum(each["bytes_last_hour"] or 0 for each in heard),
        "waiting": sum(each["waiting"] for each in status["destinations"]),
        "oldest": min(waiting, default=None),
    }


def _disk(desk: Desk) -> Disk:
    try:
        space = desk.runtime.objects.free()
    except GatewayError:
        return Disk(None, None, True)
    return Disk(space.free, space.total, bool(desk.runtime.objects.usable()))


def _systems(desk: Desk) -> dict[str, str]:
    """What does not answer, and why; "" where it does."""
    runtime = desk.runtime
    return {
        "database": "" if runtime.db.available else runtime.db.reason or "it does not answer",
        "broker": "" if runtime.bus.available else runtime.bus.reason or "it does not answer",
        "objects": runtime.objects.usable() or "",
    }

"""Stations."""

import json
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query, Response
from pydantic import BaseModel

from services.admin import holds, not_in_profile, outages, station_import, stations
from services.admin.commissioning.step import Step, passed
from services.admin.commissioning.trial import trial
from services.admin.echo import by_hand
from services.admin.station import Station, build
from services.admin.web import cursors
from services.admin.web.api.told_holds import Held, Resumed
from services.admin.web.asking import Admin, Operator, Viewer
from services.admin.web.cursors import Cursor, Limit, Listed
from services.admin.web.desk import OfDesk
from services.admin.web.kept_in_files import ChangesStations
from services.admin.web.names import seen_by
from services.admin.web.preconditions import IfMatch, as_seen, tagged
from services.admin.web.sent import Sent
from services.admin.web.slashes import TITLE
from services.admin.when import NEVER, when_of

router: Final = APIRouter(prefix="/stations", tags=["stations"])
Fields = Annotated[
    dict[str, Any], Body(examples=[{"title": "ARCHIVE", "host": "10.0.0.7", "port": 104, "store": True}])
]


class Echoed(BaseModel):
    """What came of a C-ECHO."""

    title: str
    ok: bool
    text: str
    milliseconds: int


class Outage(BaseModel):
    """``ended_at``: null while it lasts; ``lasted``: until then, or until now; ``reason``: of the first failure."""

    began_at: datetime
    ended_at: datetime | None
    lasted: timedelta
    reason: str


class Trial(Sent):
    """``store``: a sample may be stored there, and its commitment asked for."""

    store: bool = False


class Tried(BaseModel):
    """What came of each step."""

    passed: bool
    steps: list[Step]


class Imported(BaseModel):
    """Titles by what became of them."""

    added: list[str]
    changed: list[str]
    same: list[str]


class Hold(Sent):
    """Why what is sent there is to wait, and until when: a time, or a span such as 2h; null: until it is resumed."""

    why: str
    until: str | None = None


@router.get("")
async def list_stations(desk: OfDesk, principal: Viewer) -> list[Station]:
    """Every station, by title."""
    return await stations.list_all(desk.database)


@router.post("", status_code=HTTPStatus.CREATED)
async def add_station(desk: OfDesk, principal: ChangesStations, fields: Fields, response: Response) -> Station:
    """Define a station; what is left out has its default."""
    not_in_profile.refuse(desk.profile.name, fields)
    return tagged(response, await stations.add(desk.database, principal.actor, build(fields)))


@router.post("/import")
async def import_stations(
    desk: OfDesk, principal: ChangesStations,
    wanted: Annotated[list[dict[str, Any]], Body(max_length=station_import.MOST)],
    dry_run: Annotated[bool, Query(description="Only say what would be done.")] = False,
) -> Imported:  # fmt: skip
    """Define or change stations as ``GET /stations`` tells them, all of them or none; those not named are let be."""
    read = station_import.read(json.dumps(wanted))
    not_in_profile.refuse_stations(desk.profile.name, read)
    done = await station_import.import_all(desk.database, principal.actor, read, dry_run=dry_run)
    return Imported(**vars(done))


@router.get(f"/{TITLE}")
async def show_station(desk: OfDesk, principal: Viewer, title: str, response: Response) -> Station:
    """One station."""
    return tagged(response, await stations.show(desk.database, title))


@router.patch(f"/{TITLE}")
async def change_station(
    desk: OfDesk, principal: ChangesStations, title: str, fields: Fields, response: Response, if_match: IfMatch = None
) -> Station:
    """Change some of its fields."""
    judge = not_in_profile.judge(desk.profile.name, fields, as_seen(if_match))
    changed = await stations.set_fields(desk.database, principal.actor, title, fields, judge)
    return tagged(response, changed)


@router.delete(f"/{TITLE}", status_code=HTTPStatus.NO_CONTENT)
async def remove_station(desk: OfDesk, principal: ChangesStations, title: str, if_match: IfMatch = None) -> None:
    """Forget a station that nothing names."""
    await stations.remove(desk.database, principal.actor, title, as_seen(if_match))


@router.post(f"/{TITLE}/echo")
async def echo_station(desk: OfDesk, principal: Operator, title: str) -> Echoed:
    """Ask it for a C-ECHO."""
    done = await by_hand(desk.database, principal.actor, desk.profile, desk.runtime.settings.aet, title)
    return Echoed(**vars(done))


@router.post(f"/{TITLE}/test")
async def test_station(desk: OfDesk, principal: Admin, title: str, wanted: Trial) -> Tried:
    """Try it step by step: name, TCP, C-ECHO, queries, classes, and as wished a sample with its commitment."""
    aet = desk.runtime.settings.aet
    done = [step async for step in trial(desk.database, principal.actor, desk.profile, aet, title, store=wanted.store)]
    return Tried(passed=passed(done), steps=done)


@router.get(f"/{TITLE}/outages")
async def list_outages(
    desk: OfDesk, principal: Viewer, title: str, limit: Limit = 100, cursor: Cursor = None
) -> Listed[Outage]:
    """When it could not be sent to, the newest first, for 400 days."""
    before = cursors.read(cursor, str)["after_at"]
    found = seen_by(desk, principal, await outages.outages(desk.database, title, limit + 1, before))
    return cursors.page_of([Outage(**row) for row in found], limit, lambda row: (row.began_at, ""))


@router.put(f"/{TITLE}/hold")
async def hold_station(desk: OfDesk, principal: Operator, title: str, hold: Hold) -> Held:
    """Have what is sent there wait."""
    until = NEVER if hold.until is None else when_of(hold.until)
    return Held(**await holds.hold(desk.database, principal.actor, "station", title, hold.why, until))


@router.delete(f"/{TITLE}/hold")
async def resume_station(desk: OfDesk, principal: Operator, title: str) -> Resumed:
    """Let it go."""
    return Resumed(**await holds.resume(desk.database, principal.actor, "station", title))

"""Stations: the list, and one with its form."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from services.admin import holds, not_in_profile, outages, overview, stations
from services.admin.commissioning.step import passed
from services.admin.commissioning.trial import trial
from services.admin.echo import by_hand
from services.admin.reachability import word
from services.admin.station import Station, build
from services.admin.web.asking import Admin, Operator, Viewer
from services.admin.web.desk import Desk, OfDesk
from services.admin.web.finding import Find, fitting
from services.admin.web.kept_in_files import ChangesStations, note
from services.admin.web.labelled import labelled
from services.admin.web.names import seen_by
from services.admin.web.preconditions import as_seen, tag_of
from services.admin.web.rendering import elsewhere, message, page
from services.admin.web.shown import time
from services.admin.web.slashes import TITLE, segment
from services.admin.web.station_fields import LABELS, given, groups
from services.admin.when import NEVER, when_of

router: Final = APIRouter(prefix="/stations")
SHOWN_OUTAGES: Final = 50
SOUGHT_OUTAGES: Final = 5000
"""The newest, among which a text is looked for."""
NOT_SENT_TO: Final = {"waiting": 0, "last_success_at": None, "word": "may call", "tone": "off", "schedule": ""}


@router.get("")
async def list_stations(request: Request, desk: OfDesk, principal: Viewer, q: str = "") -> Response:
    """All of them, or those that a text fits."""
    known = await stations.list_all(desk.database)
    destinations = {each["title"]: each for each in (await overview.status(desk.database))["destinations"]}
    rows = [_row(station, destinations) for station in known if _fits(station, q)]
    return page(request, "stations.html", rows=rows, q=q, in_files=note(desk, "stations"))


@router.get("/new/form")
async def new_station(request: Request, desk: OfDesk, principal: ChangesStations) -> Response:
    """The form of a new one."""
    return page(
        request, "station.html", station=None, groups=groups(None), tag="", hold=None, outages=[], find="", in_files=""
    )


@router.get(f"/{TITLE}")
async def show_station(request: Request, desk: OfDesk, principal: Viewer, title: str, find: Find = "") -> Response:
    """One with its form, and its outages, or those that a text fits."""
    station = await stations.show(desk.database, title)
    hold = await _hold(desk, station.title)
    most = SOUGHT_OUTAGES if find.strip() else SHOWN_OUTAGES
    found = fitting(await outages.outages(desk.database, station.title, most), find, _of_outage)[:SHOWN_OUTAGES]
    return page(
        request, "station.html", station=station, groups=groups(station), tag=tag_of(station.model_dump()), hold=hold,
        outages=seen_by(desk, principal, found), find=find, in_files=note(desk, "stations"),
    )  # fmt: skip


@router.post("")
async def add_station(request: Request, desk: OfDesk, principal: ChangesStations) -> Response:
    """Define one."""
    fields = given(await request.form(), known=False)
    with labelled(LABELS):
        not_in_profile.refuse(desk.profile.name, fields)
        added = await stations.add(desk.database, principal.actor, build(fields))
    return _to(request, added.title, f"{added.title} is known now: Echo asks whether it answers.")


@router.post(f"/{TITLE}/remove")
async def remove_station(
    request: Request, desk: OfDesk, principal: ChangesStations, title: str, seen: Annotated[str, Form()]
) -> Response:
    """Forget it."""
    await stations.remove(desk.database, principal.actor, title, as_seen(seen))
    return elsewhere(request, "/stations", f"{title} is removed: it may not call any longer.")


@router.post(f"/{TITLE}/echo")
async def echo_station(request: Request, desk: OfDesk, principal: Operator, title: str) -> Response:
    """Ask it for a C-ECHO."""
    done = await by_hand(desk.database, principal.actor, desk.profile, desk.runtime.settings.aet, title)
    return message(request, done.text, bad=not done.ok)


@router.post(f"/{TITLE}/test")
async def try_station(
    request: Request, desk: OfDesk, principal: Admin, title: str, store: Annotated[bool, Form()] = False
) -> Response:
    """Try it step by step."""
    aet = desk.runtime.settings.aet
    done = [step async for step in trial(desk.database, principal.actor, desk.profile, aet, title, store=store)]
    return page(request, "trial.html", steps=done, passed=passed(done), title=title)


@router.post(f"/{TITLE}/hold")
async def hold_station(
    request: Request, desk: OfDesk, principal: Operator, title: str, why: Annotated[str, Form()],
    until: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Have what is sent there wait."""
    end = when_of(until) if until.strip() else NEVER
    await holds.hold(desk.database, principal.actor, "station", title, why, end)
    return _to(request, title, f"{title} is held: what is to be sent there waits.")


@router.post(f"/{TITLE}/resume")
async def resume_station(request: Request, desk: OfDesk, principal: Operator, title: str) -> Response:
    """Let it go."""
    await holds.resume(desk.database, principal.actor, "station", title)
    return _to(request, title, f"{title} is resumed: what waited goes.")


@router.post(f"/{TITLE}")
async def change_station(request: Request, desk: OfDesk, principal: ChangesStations, title: str) -> Response:
    """Change it, unless somebody else has since it was shown."""
    form = await request.form()
    fields, seen = given(form, known=True), as_seen(str(form.get("seen", "")))
    judge = not_in_profile.judge(desk.profile.name, fields, seen)
    with labelled(LABELS):
        await stations.set_fields(desk.database, principal.actor, title, fields, judge)
    return _to(request, title, f"{title} is saved.")


async def _hold(desk: Desk, title: str) -> dict[str, Any] | None:
    found = (await overview.status(desk.database))["holds"]
    return next((each for each in found if each["kind"] == "station" and each["name"] == title), None)


def _row(station: Station, destinations: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    destination = destinations.get(station.title)
    if destination is None:
        return {"station": station} | NOT_SENT_TO | ({} if station.enabled else {"word": "disabled"})
    return {"station": station, **destination, **word(destination)._asdict()}


def _of_outage(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (time(row["began_at"]), time(row["ended_at"]) if row["ended_at"] else "still failing", row["reason"])


def _fits(station: Station, text: str) -> bool:
    return text.casefold() in f"{station.title} {station.host}:{station.port} {station.description}".casefold()


def _to(request: Request, title: str, text: str) -> Response:
    return elsewhere(request, f"/stations/{segment(title.strip())}", text)

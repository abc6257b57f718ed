"""Titles that the gateway answers to besides its main one."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Response

from services.admin import titles
from services.admin.title import OwnTitle, build
from services.admin.web.asking import Admin, Viewer
from services.admin.web.desk import OfDesk
from services.admin.web.preconditions import IfMatch, as_seen, tagged
from services.admin.web.slashes import TITLE

router: Final = APIRouter(prefix="/titles", tags=["titles"])
Fields = Annotated[dict[str, Any], Body(examples=[{"title": "GATEWAY2", "stations": ["CT1"], "associations": 4}])]


@router.get("")
async def list_titles(desk: OfDesk, principal: Viewer) -> list[OwnTitle]:
    """Those that were defined, by name."""
    return await titles.list_all(desk.database)


@router.post("", status_code=HTTPStatus.CREATED)
async def add_title(desk: OfDesk, principal: Admin, fields: Fields, response: Response) -> OwnTitle:
    """Answer to another one, or limit the main one."""
    profile = desk.runtime.settings.profile
    return tagged(response, await titles.add(desk.database, principal.actor, build(fields), profile))


@router.get(f"/{TITLE}")
async def show_title(desk: OfDesk, principal: Viewer, title: str, response: Response) -> OwnTitle:
    """One title."""
    return tagged(response, await titles.show(desk.database, title))


@router.patch(f"/{TITLE}")
async def change_title(
    desk: OfDesk, principal: Admin, title: str, fields: Fields, response: Response, if_match: IfMatch = None
) -> OwnTitle:
    """Change who may call it, and over how many associations."""
    profile = desk.runtime.settings.profile
    changed = await titles.set_fields(desk.database, principal.actor, title, fields, profile, as_seen(if_match))
    return tagged(response, changed)


@router.delete(f"/{TITLE}", status_code=HTTPStatus.NO_CONTENT)
async def remove_title(desk: OfDesk, principal: Admin, title: str, if_match: IfMatch = None) -> None:
    """Answer to it no longer."""
    await titles.remove(desk.database, principal.actor, title, as_seen(if_match))

"""Whoever is logged in, for himself."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from services.admin.access import accounts, sessions
from services.admin.access.passwords import LONGEST, SHORTEST
from services.admin.web.asking import COOKIE, NotAllowed, Viewer
from services.admin.web.desk import OfDesk
from services.admin.web.rendering import page

router: Final = APIRouter(prefix="/account")
WRONG: Final = "that is not the password you have: nothing was changed"
Password = Annotated[str, Form(max_length=1000)]


@router.get("")
async def show_account(request: Request, desk: OfDesk, principal: Viewer) -> Response:
    """Who he is and what he may, with the form of another password."""
    provider = None if desk.provider is None else desk.provider.settings.name
    return page(
        request, "account.html", provider=provider, by_password=desk.by_password, shortest=SHORTEST, longest=LONGEST
    )


@router.post("/password")
async def change_password(
    request: Request, desk: OfDesk, principal: Viewer, current: Password, wanted: Password
) -> Response:
    """Take another password; every browser has to log in again, this one too."""
    if not request.cookies.get(COOKIE):
        raise NotAllowed("a program has no password: an admin makes another key")
    if not (principal.by_password and desk.by_password):
        raise NotAllowed("your password is not kept here: the provider changes it")
    address = request.client.host if request.client else ""
    await sessions.verify(desk.database, principal.name, current, address, wrong=WRONG)
    await accounts.set_password(desk.database, principal.actor, principal.name, wanted)
    return Response(headers={"HX-Redirect": "/login"})

"""Log in by password."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from services.admin.access import sessions
from services.admin.access.sessions import LoginFailed
from services.admin.web.asking import COOKIE, NotAllowed, Viewer, require_same_site
from services.admin.web.desk import Desk, OfDesk
from services.admin.web.rendering import THEME_COOKIE, page

router: Final = APIRouter()
YEAR_SECONDS: Final = 31_536_000
ENDED: Final = (
    "Your session has ended: log in again, and you come back to the page you were at. What was not saved is to be "
    "entered again."
)
LOGOUT: Final = "/logout"
PROVIDER_COOKIE: Final = "gateway_provider"
"""Who logged in by a provider has it: it ends the session there, and is brought on the way out only."""
LONGEST_COOKIE: Final = 3800
"""Browsers drop longer ones (RFC 6265 6.1)."""


@router.get("/login")
async def form(request: Request, desk: OfDesk, next: str = "/", ended: bool = False) -> Response:
    """The form; ``ended``: who asks had a session until now."""
    return login_page(request, desk, next, fault=ENDED if ended else "")


@router.post("/login")
async def log_in(
    request: Request,
    desk: OfDesk,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=1000)],
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Begin a session."""
    require_same_site(request)
    if not desk.by_password:
        raise NotAllowed("nobody logs in by password here: the provider asks for it")
    try:
        token = await sessions.log_in(desk.database, name, password, address_of(request))
    except LoginFailed as error:
        return login_page(request, desk, next, name=name, fault=str(error), code=HTTPStatus.FORBIDDEN)
    return logged_in(request, token, next)


@router.post("/theme")
async def choose_theme(
    request: Request, principal: Viewer, theme: Annotated[str, Form(pattern="^(light|dark|)$")] = ""
) -> Response:
    """Light, dark, or as the system is (empty)."""
    response = Response(status_code=HTTPStatus.NO_CONTENT, headers={"HX-Refresh": "true"})
    response.set_cookie(
        THEME_COOKIE, theme, max_age=YEAR_SECONDS, httponly=True, samesite="lax", secure=request.url.scheme == "https"
    )
    return response


def login_page(
    request: Request, desk: Desk, next: str, *, name: str = "", fault: str = "", code: HTTPStatus = HTTPStatus.OK
) -> Response:
    """The ways to log in, with what did not work."""
    provider = None if desk.provider is None else desk.provider.settings.name
    ways = {"provider": provider, "by_password": desk.by_password}
    return page(request, "login.html", code=code, next=inside(next), name=name, fault=fault, **ways)


def logged_in(request: Request, token: str, next: str, id_token: str | None = None) -> Response:
    """On to the page that was asked for, with the session. ``id_token``: of the provider that it was begun by."""
    response = RedirectResponse(inside(next), HTTPStatus.SEE_OTHER)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, token, httponly=True, samesite="lax", secure=secure)
    if id_token is None:
        response.delete_cookie(PROVIDER_COOKIE, path=LOGOUT)
    else:
        kept = id_token if len(id_token) <= LONGEST_COOKIE else ""
        response.set_cookie(PROVIDER_COOKIE, kept, path=LOGOUT, httponly=True, samesite="strict", secure=secure)
    return response


def address_of(request: Request) -> str:
    """Whence a browser asks."""
    return request.client.host if request.client else ""


def inside(target: str) -> str:
    """Where to go next, never to another site: browsers leave control characters out, and read \\ as /."""
    plain = target.isprintable() and "\\" not in target
    return target if plain and target.startswith("/") and not target.startswith("//") else "/"

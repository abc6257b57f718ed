"""Log in by the provider: to it, and back."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final

import structlog
from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from services.admin.access.oidc import logins
from services.admin.access.sessions import LoginFailed
from services.admin.errors import NotFound
from services.admin.web.desk import Desk, OfDesk
from services.admin.web.pages.login import address_of, inside, logged_in, login_page
from services.runtime.errors import Unavailable

if TYPE_CHECKING:  # its libraries take a while to load, where there is none
    from services.admin.access.oidc.provider import Provider

router: Final = APIRouter()
BEGIN: Final = "/login/oidc"
BACK: Final = "/login/oidc/callback"
COOKIE: Final = "gateway_oidc"
Text = Annotated[str, Query(max_length=4000)]
log = structlog.get_logger(__name__)


@router.get(BEGIN)
async def begin(request: Request, desk: OfDesk, next: Annotated[str, Query(max_length=2000)] = "/") -> Response:
    """To the provider."""
    provider = _provider(desk)
    redirect_uri = redirect_uri_of(request, provider)
    try:
        begun = await logins.begin(desk.database, provider, redirect_uri, inside(next), address_of(request))
    except LoginFailed as error:
        return login_page(request, desk, next, fault=str(error), code=HTTPStatus.FORBIDDEN)
    except Unavailable as error:
        return login_page(request, desk, next, fault=str(error), code=HTTPStatus.SERVICE_UNAVAILABLE)
    response = RedirectResponse(begun.url, HTTPStatus.SEE_OTHER)
    secure = redirect_uri.startswith("https:")
    response.set_cookie(
        COOKIE, begun.browser, max_age=logins.ATTEMPT_SECONDS, path=BEGIN, httponly=True, samesite="lax", secure=secure
    )
    return response


@router.get(BACK)
async def back(request: Request, desk: OfDesk, state: Text = "", code: Text = "", error: Text = "") -> Response:
    """From the provider, with a code that it gives for who has logged in there, or with its refusal."""
    provider = _provider(desk)
    address = address_of(request)
    browser = request.cookies.get(COOKIE, "")
    if error:
        log.info("provider_did_not_let_in", error=error[:40])
    try:
        done = await logins.finish(desk.database, provider, state, code, browser, address)
    except LoginFailed as fault:
        response = login_page(request, desk, "/", fault=str(fault), code=HTTPStatus.FORBIDDEN)
    except Unavailable as fault:
        response = login_page(request, desk, "/", fault=str(fault), code=HTTPStatus.SERVICE_UNAVAILABLE)
    else:
        response = logged_in(request, done.token, done.next, done.id_token)
    response.delete_cookie(COOKIE, path=BEGIN)
    return response


def redirect_uri_of(request: Request, provider: "Provider") -> str:
    """Where the provider sends browsers back to, as it is registered there."""
    return provider.settings.redirect_url or f"{request.url.scheme}://{request.url.netloc}{BACK}"


def _provider(desk: Desk) -> "Provider":
    if desk.provider is None:
        raise NotFound("nobody logs in by a provider here: GATEWAY_ADMIN_OIDC_ISSUER is not set")
    return desk.provider

"""Log out: here, and at the provider that the session was begun by."""

from http import HTTPStatus
from typing import Final

import structlog
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from services.admin.access import sessions
from services.admin.web.asking import COOKIE, Viewer
from services.admin.web.desk import Desk, OfDesk
from services.admin.web.pages.login import LOGOUT, PROVIDER_COOKIE
from services.admin.web.pages.oidc import redirect_uri_of
from services.admin.web.rendering import page
from services.runtime.errors import Unavailable

router: Final = APIRouter()
AFTER_LOGIN: Final = "/oidc/callback"
"""What the address that a provider sends browsers back to has behind that of the page to log in."""
log = structlog.get_logger(__name__)


@router.post(LOGOUT)
async def log_out(request: Request, desk: OfDesk, principal: Viewer) -> Response:
    """End the session. A provider that is away keeps nobody logged in here."""
    await sessions.log_out(desk.database, request.cookies.get(COOKIE, ""))
    response = await _on_to_the_provider(request, desk) or RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    response.delete_cookie(COOKIE)
    response.delete_cookie(PROVIDER_COOKIE, path=LOGOUT)
    return response


async def _on_to_the_provider(request: Request, desk: Desk) -> Response | None:
    """A page that leads there, because no form of ours may end at another site (form-action); None: nobody has to."""
    id_token = request.cookies.get(PROVIDER_COOKIE)
    if desk.provider is None or id_token is None:
        return None
    back = redirect_uri_of(request, desk.provider).removesuffix(AFTER_LOGIN)
    try:
        url = await desk.provider.goodbye(id_token, back)
    except Unavailable as error:
        log.warning("not_logged_out_at_the_provider", reason=str(error))
        return None
    request.state.principal = None
    return page(request, "logged_out.html", url=url, provider=desk.provider.settings.name) if url else None

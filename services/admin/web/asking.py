"""Who asks, and whether he may: a browser by its session, a program by its API key."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends, Request

from services.admin.access import api_keys, sessions
from services.admin.access.principal import Principal
from services.admin.access.role import Role
from services.admin.repeated import Answer
from services.admin.web.addresses import parts
from services.admin.web.desk import Desk, OfDesk
from services.runtime.errors import GatewayError

COOKIE: Final = "gateway_session"
CSRF_HEADER: Final = "X-CSRF-Token"
CSRF_FIELD: Final = "csrf_token"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class NotLoggedIn(GatewayError):
    """Nobody asks: no session, no API key, or one that is good no longer."""


class AnsweredBefore(Exception):
    """Who asks may do that, and had it done: this was answered."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class NotAllowed(GatewayError):
    """Who asks may not do that; the text says why."""


def lifetime(desk: Desk) -> sessions.Lifetime:
    """How long sessions last."""
    return sessions.Lifetime(desk.settings.session_idle_minutes, desk.settings.session_hours)


def at_least(role: Role) -> Callable[[Request, Desk], Awaitable[Principal]]:
    """The dependency that finds who asks. Raises ``NotLoggedIn``, ``NotAllowed``; and ``AnsweredBefore``, whose answer
    is thereby given to nobody who may not do that any more."""

    async def found(request: Request, desk: OfDesk) -> Principal:
        principal = await principal_of(request, desk)
        if not principal.role.includes(role):
            raise NotAllowed(f"{principal.name} is {principal.role}: only {_those(role)} may do that")
        if principal.csrf_token and request.method not in SAFE:
            await require_own_page(request, principal.csrf_token)
        request.state.principal = principal
        if (answer := getattr(request.state, "answered_before", None)) is not None:
            raise AnsweredBefore(answer)
        return principal

    return found


Viewer = Annotated[Principal, Depends(at_least(Role.VIEWER))]
Operator = Annotated[Principal, Depends(at_least(Role.OPERATOR))]
Admin = Annotated[Principal, Depends(at_least(Role.ADMIN))]


async def require_own_page(request: Request, expected: str) -> None:
    """Refuse what a browser sends for another site. Raises ``NotAllowed``."""
    require_same_site(request)
    given = request.headers.get(CSRF_HEADER)
    if given is None and request.headers.get("Content-Type", "").startswith(
        ("application/x-www-form-urlencoded", "multipart/form-data")
    ):
        given = str((await request.form()).get(CSRF_FIELD, ""))
    if not secrets.compare_digest((given or "").encode(), expected.encode()):
        raise NotAllowed(f"the request does not bear the session's token ({CSRF_HEADER}): load the page again")


def require_same_site(request: Request) -> None:
    """Raises ``NotAllowed`` if a browser says that another site made it send this."""
    origin = request.headers.get("Origin")
    if origin is not None and parts(origin).netloc != request.headers.get("Host"):
        raise NotAllowed("the request comes from another site")


async def principal_of(request: Request, desk: Desk) -> Principal:
    """Who asks. Raises ``NotLoggedIn``."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme:
        found = await api_keys.find(desk.database, key.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            raise NotLoggedIn("the API key is not good: make another one")
        return found
    token = request.cookies.get(COOKIE)
    found = await sessions.find(desk.database, token, lifetime(desk)) if token else None
    if found is None:
        raise NotLoggedIn("log in, or send an API key (Authorization: Bearer)")
    return found


def _those(role: Role) -> str:
    return " and ".join(f"{other}s" for other in Role if other.includes(role))

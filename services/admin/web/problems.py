"""Errors as people and programs read them: RFC 9457 problems from the API, a page or a message from the rest."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from services.admin.access.sessions import LoginFailed
from services.admin.errors import NotFound, Refused
from services.admin.rules.faults import FaultyRules
from services.admin.rules.rule_tests import FailedTests
from services.admin.web.addresses import current_page
from services.admin.web.asking import COOKIE, AnsweredBefore, NotAllowed, NotLoggedIn
from services.admin.web.preconditions import Changed, NoPrecondition
from services.admin.web.rendering import in_part, message, page
from services.admin.web.wording import here
from services.dicom.outgoing import NoSlot
from services.runtime.errors import Conflict, GatewayError, RefusedData, Unavailable, UsageError

API: Final = "/api/"
_OPTION: Final = re.compile(r"(?<=: )--(?:no-)?([a-z][a-z0-9-]*)")
"""An option of the command line that a fault is about; programs know it as a field."""
PROBLEM: Final = "application/problem+json"
STATUSES: Final[Sequence[tuple[type[GatewayError], HTTPStatus]]] = (
    (NotLoggedIn, HTTPStatus.UNAUTHORIZED),
    (NotAllowed, HTTPStatus.FORBIDDEN),
    (LoginFailed, HTTPStatus.FORBIDDEN),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Refused, HTTPStatus.CONFLICT),
    (Changed, HTTPStatus.PRECONDITION_FAILED),
    (NoPrecondition, HTTPStatus.PRECONDITION_REQUIRED),
    (FaultyRules, HTTPStatus.UNPROCESSABLE_ENTITY),
    (FailedTests, HTTPStatus.UNPROCESSABLE_ENTITY),
    (UsageError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (RefusedData, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NoSlot, HTTPStatus.SERVICE_UNAVAILABLE),
    (Conflict, HTTPStatus.SERVICE_UNAVAILABLE),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)


@dataclass(frozen=True)
class Problem:
    """What went wrong. ``errors``: each fault with its place."""

    status: HTTPStatus
    detail: str
    errors: Sequence[dict[str, Any]] = ()

    def document(self) -> dict[str, Any]:
        """RFC 9457."""
        told = {"type": "about:blank", "title": self.status.phrase, "status": int(self.status), "detail": self.detail}
        return told | ({"errors": list(self.errors)} if self.errors else {})


def register(app: FastAPI) -> None:
    """Have every error answered."""
    app.add_exception_handler(GatewayError, _refused)
    app.add_exception_handler(RequestValidationError, _impossible)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(AnsweredBefore, _as_before)


def problem_of(error: GatewayError) -> Problem:
    """The problem that tells an error (pure)."""
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    return Problem(status, f"{error}{_cure(error)}", _errors(error))


def _cure(error: GatewayError) -> str:
    """What the database's own faults do not say."""
    if not isinstance(error, Unavailable) or not str(error).startswith("database does not answer"):
        return ""
    return "; try again in a moment: if it lasts, 'gateway check' on the gateway's machine says where it was looked for"


def _errors(error: GatewayError) -> Sequence[dict[str, Any]]:
    """What several faults are told as: those of a rule file with their places, and test cases that failed."""
    if isinstance(error, FaultyRules):
        return error.placed()
    return error.outcomes if isinstance(error, FailedTests) else ()


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)  # noqa: S101 - it is registered for that
    if isinstance(error, NotLoggedIn) and not _by_program(request):
        return _to_login(request)
    return told(request, problem_of(error))


async def _as_before(request: Request, error: Exception) -> Response:
    """An action that was carried out already, answered alike."""
    assert isinstance(error, AnsweredBefore)  # noqa: S101 - it is registered for that
    return Response(error.answer.body, error.answer.status, error.answer.headers)


async def _impossible(request: Request, error: Exception) -> Response:
    """Without the values: they may be patient data."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for that
    faults = [{"place": ".".join(map(str, each["loc"])), "fault": each["msg"]} for each in error.errors()]
    detail = "; ".join(f"{each['place']}: {each['fault']}" for each in faults)
    return told(request, Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, faults))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for that
    response = told(request, Problem(HTTPStatus(error.status_code), str(error.detail)))
    response.headers.update(error.headers or {})
    return response


def told(request: Request, problem: Problem) -> Response:
    """A problem as who asked reads it: a document, a page or a message beside one."""
    if _by_program(request):
        problem = replace(problem, detail=_OPTION.sub(lambda found: found[1].replace("-", "_"), problem.detail))
        headers = {"WWW-Authenticate": "Bearer"} if problem.status == HTTPStatus.UNAUTHORIZED else {}
        return JSONResponse(problem.document(), problem.status, headers, PROBLEM)
    problem = replace(problem, detail=here(problem.detail))
    if in_part(request):
        return message(request, problem.detail, bad=True, code=problem.status)
    return page(request, "problem.html", code=problem.status, problem=problem)


def _by_program(request: Request) -> bool:
    """Whether a program asks, which reads no pages: by the API, or for what changes with its key."""
    return request.url.path.startswith(API) or "Authorization" in request.headers


def _to_login(request: Request) -> Response:
    """To the login page and back again; a part of a page cannot follow, so its browser is told."""
    ended = "&ended=true" if COOKIE in request.cookies else ""
    if in_part(request):
        shown = current_page(request)
        headers = {"HX-Redirect": f"/login?next={quote(_address(shown.path or '/', shown.query))}{ended}"}
        return Response(status_code=HTTPStatus.UNAUTHORIZED, headers=headers)
    path = request.scope.get("raw_path", b"").decode("ascii", "replace") or request.url.path
    return RedirectResponse(f"/login?next={quote(_address(path, request.url.query))}{ended}", HTTPStatus.SEE_OTHER)


def _address(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path

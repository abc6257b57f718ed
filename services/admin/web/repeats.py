"""Actions of the API that a program sends again because it got no answer: carried out once, answered alike.

A program names an action by a key of its choosing. What was answered to it is kept for 24 hours and answered again.
What was refused was not carried out and is tried anew; what failed may have been, so its answer stays.
"""

import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.admin import repeated
from services.admin.repeated import Answer, Begun
from services.admin.web.asking import SAFE, principal_of
from services.admin.web.desk import Desk
from services.admin.web.problems import API, PROBLEM, Problem, problem_of
from services.runtime.errors import GatewayError, UsageError

HEADER: Final = "Idempotency-Key"
LONGEST_KEY: Final = 200
MOST_BYTES: Final = 1 << 20
SECRETS: Final = ("/api/v1/users", "/api/v1/keys", "/api/v1/contacts", "/api/v1/rules/try")
"""What these answer is shown once and never kept: passwords, keys, secrets, and what stands in a file that is tried."""


def keeps(path: str) -> bool:
    """Whether what is answered there may be kept (pure)."""
    return path.startswith(API) and not path.startswith(SECRETS)


class Repeats:
    """Middleware around the application that looks at requests with a key, and at no others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer as before."""
        if scope["type"] != "http" or scope["method"] in SAFE or not scope["path"].startswith(API):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        key = request.headers.get(HEADER)
        if key is None:
            await self._app(scope, receive, send)
            return
        try:
            answer = await self._answered(request, key)
        except GatewayError as error:
            answer = _told(problem_of(error))
        await answer(scope, receive, send)

    async def _answered(self, request: Request, key: str) -> Response:
        desk: Desk = request.scope["app"].state.desk
        if not keeps(request.url.path):
            raise UsageError(f"{HEADER}: what is answered here is a secret that is never kept; leave the header out")
        if not 1 <= len(key) <= LONGEST_KEY:
            raise UsageError(f"{HEADER} of {len(key)} characters: choose one of 1 to {LONGEST_KEY}")
        principal = await principal_of(request, desk)
        body = await _body(request)
        begun = Begun(principal.actor, key, _digest(request, body))
        before = await repeated.begin(desk.database, begun)
        if before is not None:
            return Response(before.body, before.status, before.headers)
        return await self._carried_out(request, desk, begun, body)

    async def _carried_out(self, request: Request, desk: Desk, begun: Begun, body: bytes) -> Response:
        caught = _Caught(body)
        await self._app(request.scope, caught.receive, caught.send)
        answer = caught.answer()
        if HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            await repeated.forget(desk.database, begun)
        else:
            await repeated.keep(desk.database, begun, answer)
        return Response(answer.body, answer.status, answer.headers)


@dataclass
class _Caught:
    """A request of which the body was read, and the answer that it gets."""

    body: bytes
    given: bool = False
    status: int = 500
    headers: dict[str, str] | None = None
    parts: bytes = b""

    async def receive(self) -> Message:
        if self.given:
            return {"type": "http.disconnect"}
        self.given = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]}
        elif message["type"] == "http.response.body":
            self.parts += message.get("body", b"")

    def answer(self) -> Answer:
        return Answer(self.status, self.headers or {}, self.parts)


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise UsageError(f"{HEADER}: only for requests of at most {MOST_BYTES} bytes; leave the header out")
    return body


def _digest(request: Request, body: bytes) -> bytes:
    target = f"{request.method} {request.url.path}?{request.url.query} {request.headers.get('If-Match', '')}\n"
    return hashlib.sha256(target.encode() + body).digest()


def _told(problem: Problem) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == HTTPStatus.UNAUTHORIZED else {}
    return JSONResponse(problem.document(), problem.status, headers, PROBLEM)

"""Actions of the API that a program sends again because it got no answer: carried out once, answered alike.

A program names an action by a key of its choosing. What was answered to it is kept for 24 hours and answered again, to
who may still do that. What was refused, or failed, is tried anew: what is done again after a lost answer of the
database does no harm. A look changes nothing and is another look each time, judged and audited as the first; nothing of
it is kept.
"""

import hashlib
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.admin import repeated
from services.admin.access import passwords
from services.admin.looks import watched
from services.admin.repeated import Answer, Begun
from services.admin.web.asking import SAFE, principal_of
from services.admin.web.desk import Desk
from services.admin.web.problems import API, PROBLEM, Problem, problem_of
from services.runtime.errors import GatewayError, UsageError

HEADER: Final = "Idempotency-Key"
LONGEST_KEY: Final = 200
MOST_BYTES: Final = 1 << 20
FILES: Final = ("/api/v1/rules/try",)
"""What is tried there is larger than is kept, and a look."""
SECRETS: Final = ("/api/v1/users", "/api/v1/keys", "/api/v1/contacts")
"""What is asked and answered there may hold a secret, which is shown once and never kept."""
CURES: Final = {
    "password": "give the user another one (PUT /api/v1/users/NAME/password)",
    "key": "revoke the key {id} (DELETE /api/v1/keys/{id}) and make another one",
    "secret": "make another one (POST /api/v1/contacts/NAME/secret)",
}
"""By the field of a secret: how to get one that is known."""


def keeps(path: str) -> bool:
    """Whether actions there may bear a key (pure)."""
    return path.startswith(API) and not path.startswith(FILES)


def to_keep(path: str, answer: Answer) -> Answer:
    """The answer, or what is said instead of one that holds a secret (pure)."""
    told = json.loads(answer.body) if path.startswith(SECRETS) and answer.body else None
    for name, cure in CURES.items():
        if isinstance(told, dict) and told.get(name):
            said = f"this was carried out already; its answer held the {name}, which is shown once and never kept"
            problem = Problem(HTTPStatus.CONFLICT, f"{said}: if it did not arrive, {cure.format_map(told)}")
            return Answer(problem.status, {"content-type": PROBLEM}, json.dumps(problem.document()).encode())
    return answer


class Repeats:
    """Middleware around the application that looks at requests with a key, and at no others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._left: set[Begun] = set()
        """What was not carried out and could not be forgotten, as the database was away."""

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
            raise UsageError(f"{HEADER}: trying a file changes nothing and may be done again; leave the header out")
        if not 1 <= len(key) <= LONGEST_KEY:
            raise UsageError(f"{HEADER} of {len(key)} characters: choose one of 1 to {LONGEST_KEY}")
        principal = await principal_of(request, desk)
        body = await _body(request)
        begun = Begun(principal.actor, key, await _digest(request, body, f"{principal.actor} {key}"))
        if begun in self._left:
            await self._forget(desk, begun)
        before = await repeated.begin(desk.database, begun)
        answer = await self._carried_out(request, desk, begun, body, before)
        return Response(answer.body, answer.status, answer.headers)

    async def _carried_out(
        self, request: Request, desk: Desk, begun: Begun, body: bytes, before: Answer | None
    ) -> Answer:  # fmt: skip
        """Done, or as before: the route judges first who asks (services.admin.web.asking)."""
        caught = _Caught(body)
        request.state.answered_before = before
        with watched() as looks:
            await self._app(request.scope, caught.receive, caught.send)
        answer = caught.answer()
        if before is None and (answer.status >= HTTPStatus.BAD_REQUEST or looks):
            await self._forget(desk, begun)
        elif before is None:
            await repeated.keep(desk.database, begun, to_keep(request.url.path, answer))
        return answer

    async def _forget(self, desk: Desk, begun: Begun) -> None:
        self._left.add(begun)
        await repeated.forget(desk.database, begun)
        self._left.discard(begun)


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


async def _digest(request: Request, body: bytes, whose: str) -> bytes:
    """By which the same request is known again; nobody finds a password by it."""
    target = f"{request.method} {request.url.path}?{request.url.query} {request.headers.get('If-Match', '')}\n"
    if request.url.path.startswith(SECRETS):
        return await passwords.fingerprint(target.encode() + body, hashlib.sha256(whose.encode()).digest())
    return hashlib.sha256(target.encode() + body).digest()


def _told(problem: Problem) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == HTTPStatus.UNAUTHORIZED else {}
    return JSONResponse(problem.document(), problem.status, headers, PROBLEM)

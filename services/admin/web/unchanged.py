"""Who has a thing already, and names its entity tag, is told that it has not changed, without the thing."""

from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.admin.web.problems import API

HEADER: Final = "If-None-Match"
_OF_THE_BODY: Final = ("Content-Length", "Content-Type")


class Unchanged:
    """Middleware around the application that looks at reads with that header, and at no others (RFC 9110 13.1.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; what has one of the named tags is answered 304 without its body."""
        reads = scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith(API)
        named = Headers(scope=scope).get(HEADER) if reads else None
        if named is None:
            await self._app(scope, receive, send)
            return
        same = False

        async def sending(message: Message) -> None:
            nonlocal same
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                same = message["status"] == HTTPStatus.OK and has(named, headers.get("ETag"))
                if same:
                    message["status"] = int(HTTPStatus.NOT_MODIFIED)
                    for name in _OF_THE_BODY:
                        del headers[name]
            elif same:
                message = {"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)}
            await send(message)

        await self._app(scope, receive, sending)


def has(named: str, tag: str | None) -> bool:
    """Whether a thing with this entity tag is among those named; weak ones are compared as strong ones (pure)."""
    if tag is None:
        return False
    return bool({"*", tag} & {each.strip().removeprefix("W/") for each in named.split(",")})

"""How much a request may bring. Bodies are read into memory before anybody has asked who sends them."""

from http import HTTPStatus
from typing import Final

from fastapi import HTTPException  # Starlette's own would become a 400 where FastAPI reads the body
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES: Final = 12 << 20
"""Of a body: the largest that any page or operation takes are the first 9 MiB of a DICOM file."""
ON_DISK: Final = ("/api/v1/imports",)
"""What is sent there is written to disk as it comes, and has a limit of its own (GATEWAY_ADMIN_MAX_IMPORT_BYTES)."""


class Bodies:
    """Middleware that has a larger body answered 413, as soon as it says or shows that it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; whoever reads the body gets the refusal."""
        if scope["type"] != "http" or scope["path"] in ON_DISK:
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("Content-Length", "")
        taken = int(declared) if declared.isdecimal() and int(declared) > MOST_BYTES else 0

        async def receiving() -> Message:
            nonlocal taken
            if taken > MOST_BYTES:
                raise _too_large()
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MOST_BYTES:
                raise _too_large()
            return message

        await self._app(scope, receiving, send)


def _too_large() -> HTTPException:
    text = f"the request: larger than {MOST_BYTES >> 20} MiB; send less at once, and DICOM files to {ON_DISK[0]}"
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)

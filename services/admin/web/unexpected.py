"""Faults of the gateway's own, answered like every other error."""

from http import HTTPStatus
from typing import Final

import structlog
from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.admin.web.problems import Problem, told

UNEXPECTED: Final = "a fault of the gateway's own: its log tells more"
log = structlog.get_logger(__name__)


class Unexpected:
    """Middleware that answers what nobody expected, without its text: that may quote patient data."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; what is half sent breaks off."""
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            if scope["type"] != "http" or begun:
                raise
            log.error("request_failed", exc_info=error)
            answer = told(Request(scope), Problem(HTTPStatus.INTERNAL_SERVER_ERROR, UNEXPECTED))
            await answer(scope, receive, send)

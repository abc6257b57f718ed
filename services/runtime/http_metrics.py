"""Metrics of everything a process answers over HTTP."""

import time
from typing import Final

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_SECONDS = Histogram(
    "gateway_http_request_seconds",
    "From an HTTP request to the end of its answer, by part of the site and class of the status (0xx: no answer)",
    ["part", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
)
PARTS: Final = {
    "livez": "health",
    "readyz": "health",
    "metrics": "metrics",
    "api": "api",
    "events": "events",
    "static": "static",
}
"""By the first segment of the path; all else is ``pages``: paths hold UIDs, and may be anything."""


class Measured:
    """Answers as the application it wraps, and measures how long that took."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection as ASGI knows it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            labels = REQUEST_SECONDS.labels(part_of(scope["path"]), f"{status // 100}xx")
            labels.observe(time.monotonic() - started)


def part_of(path: str) -> str:
    """What a path belongs to (pure)."""
    return PARTS.get(path.split("/", 2)[1] if path.startswith("/") else "", "pages")

"""AE titles in paths: they may have slashes, which clients send as %2F, and which then are no ends of segments.

Servers decode a path before it is looked up. So an encoded slash stands as another character until the title is read.
"""

from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes

from jinja2.filters import do_urlencode
from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

TITLE: Final = "{title:title}"
"""An AE title as a segment of a route's path. Import it before the route is made."""
_STANDS_FOR_SLASH: Final = "\ue000"


class EncodedSlashes:
    """Middleware that keeps encoded slashes apart from those between segments."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        raw: bytes = scope.get("raw_path") or b""
        if scope["type"] == "http" and b"%2f" in raw.lower():
            kept = raw.replace(b"%2F", b"%2f").replace(b"%2f", quote(_STANDS_FOR_SLASH).encode())
            scope = {**scope, "path": unquote_to_bytes(kept).decode("utf-8", "replace")}
        await self._app(scope, receive, send)


class _TitleConvertor(Convertor[str]):
    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return value.replace(_STANDS_FOR_SLASH, "/")

    def to_string(self, value: str) -> str:
        return segment(value)


register_url_convertor("title", _TitleConvertor())


def segment(text: str) -> str:
    """A text as one segment of a path (pure)."""
    return quote(text, safe="")


def encoded(value: Any) -> str:
    """The template filter ``urlencode``; a text has no slashes afterwards."""
    return segment(value) if isinstance(value, str) else do_urlencode(value)

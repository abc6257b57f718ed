"""The page that a browser shows around what it asks for."""

from urllib.parse import SplitResult, urlsplit

from starlette.requests import Request


def current_page(request: Request) -> SplitResult:
    """Its address, as htmx says it; an empty one if that is none."""
    try:
        return urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:
        return urlsplit("")

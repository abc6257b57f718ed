"""Addresses that a browser says: any text may stand there."""

from urllib.parse import SplitResult, urlsplit

from starlette.requests import Request


def parts(address: str) -> SplitResult:
    """Of a URL; all of them empty if it is none (pure)."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def current_page(request: Request) -> SplitResult:
    """The page that is shown around what is asked for, as htmx says it."""
    return parts(request.headers.get("HX-Current-URL", ""))

"""Pages and parts of pages. Everything that a template shows is escaped: text of DICOM comes from whoever sends it."""

from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse, Response

from services.admin.web import shown
from services.admin.web.as_stored import as_stored
from services.admin.web.slashes import encoded

HERE: Final = Path(__file__).parent
STATIC_FOLDER: Final = HERE / "static"
THEME_COOKIE: Final = "gateway_theme"
_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_ENVIRONMENT.filters.update({**shown.FILTERS, "urlencode": encoded})


def in_part(request: Request) -> bool:
    """Whether the browser is to put the answer into the page it shows."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Boosted") != "true"


def page(request: Request, template: str, *, code: HTTPStatus = HTTPStatus.OK, **values: Any) -> Response:
    """A template of the page's own language, with what all of them show."""
    common = {
        "request": request,
        "nonce": request.state.nonce,
        "principal": getattr(request.state, "principal", None),
        "theme": _theme(request),
        "aet": request.app.state.desk.runtime.settings.aet,
    }
    return HTMLResponse(as_stored(_ENVIRONMENT.get_template(template).render(common | values)), code)


def message(request: Request, text: str, *, bad: bool = False, code: HTTPStatus = HTTPStatus.OK) -> Response:
    """A message beside the page that is shown; of it nothing else changes."""
    response = page(request, "message.html", code=code, text=text, bad=bad)
    response.headers["HX-Retarget"] = "#messages"
    response.headers["HX-Reswap"] = "beforeend"
    response.headers["HX-Reselect"] = "unset"  # the page around a button may select parts of itself
    return response


def elsewhere(request: Request, path: str, text: str) -> Response:
    """On to another page, which says this beside what it shows."""
    response = message(request, text)
    response.headers["HX-Redirect"] = path
    return response


def _theme(request: Request) -> str:
    given = request.cookies.get(THEME_COOKIE, "")
    return given if given in ("light", "dark") else ""

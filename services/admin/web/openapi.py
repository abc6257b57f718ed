"""What the API says of itself: the schema of its routes, with what holds for all of them."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI

from services.admin.web.asking import CSRF_HEADER
from services.admin.web.bodies import MOST_BYTES, ON_DISK
from services.admin.web.problems import PROBLEM
from services.admin.web.repeats import HEADER, LONGEST_KEY, keeps
from services.admin.web.unchanged import HEADER as IF_NONE_MATCH

WRITING: Final = ("post", "put", "patch", "delete")
ALWAYS: Final[Mapping[HTTPStatus, str]] = {
    HTTPStatus.UNAUTHORIZED: "Nobody is logged in, or the API key is not good.",
    HTTPStatus.FORBIDDEN: "The role may not do that, or the request does not come from a page of the gateway's own.",
    HTTPStatus.NOT_FOUND: "There is no such thing.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Something in the request is impossible; `errors` names each fault's place.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database, or another part, does not answer now: try again.",
}
ACTING: Final[Mapping[HTTPStatus, str]] = {
    HTTPStatus.CONFLICT: "What the gateway holds forbids it, or the same request is being carried out.",
}
SENT: Final[Mapping[HTTPStatus, str]] = {HTTPStatus.BAD_REQUEST: "The body cannot be read: it is no JSON, or no UTF-8."}
LIMITED: Final[Mapping[HTTPStatus, str]] = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: f"The body is larger than {MOST_BYTES >> 20} MiB.",
}
TAGGED: Final[Mapping[HTTPStatus, str]] = {
    HTTPStatus.PRECONDITION_FAILED: "It was changed meanwhile: load it again.",
    HTTPStatus.PRECONDITION_REQUIRED: "Send the ETag of what you saw as If-Match.",
}
PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For people: the thing, the value and the cure."},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
    "example": {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "station CT9 is not defined; 'gateway station list' shows the stations there are",
    },
}
_KEY: Final = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
    "description": "Of your choosing, another one for each action: the same request sent again with it within 24 hours "
    "is not carried out again and gets the same answer; where that held a secret, a 409 that says how to get "
    "another. What was refused or failed, and what only looks, is done anew.",
    "example": "9f1c2f6e-6d0b-4c57-8b0a-3a1f6f1f2f55",
}
_KNOWN: Final = {
    "name": IF_NONE_MATCH,
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "ETags of what you have: if it is one of them still, the answer is 304, without it.",
}
_UNCHANGED: Final = {"description": "It is what you have."}


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document; made once."""
    if not hasattr(app.state, "described"):
        app.state.described = _completed(app.openapi())
    document: dict[str, Any] = app.state.described
    return document


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every path, method and operation (pure)."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key."},
        "browser": {
            "type": "apiKey",
            "in": "cookie",
            "name": "gateway_session",
            "description": f"A session of a browser; what changes something bears {CSRF_HEADER} too.",
        },
    }
    document["security"] = [{"key": []}, {"browser": []}]
    for path, method, operation in operations(document):
        _complete(path, method, operation)
    for operation in _tagged(document):
        operation["parameters"].append(_KNOWN)
        operation["responses"][str(int(HTTPStatus.NOT_MODIFIED))] = _UNCHANGED
    return document


def _tagged(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The operations that show what others change by its entity tag."""
    for methods in document["paths"].values():
        names = {each["name"].lower() for operation in methods.values() for each in operation["parameters"]}
        if "if-match" in names and "get" in methods:
            yield methods["get"]


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    parameters = operation.setdefault("parameters", [])
    told = {**ALWAYS, **(ACTING if method in WRITING else {})}
    if "requestBody" in operation:
        told.update(SENT if path in ON_DISK else {**SENT, **LIMITED})
    if any(each["name"].lower() == "if-match" for each in parameters):
        told.update(TAGGED)
    if method in WRITING and keeps(path):
        parameters.append(_KEY)
    for status, meaning in told.items():
        schema = {"$ref": "#/components/schemas/Problem"}
        operation["responses"][str(int(status))] = {"description": meaning, "content": {PROBLEM: {"schema": schema}}}

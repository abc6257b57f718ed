"""Edits of what somebody else may edit too: an entity tag tells what was seen, If-Match what is to be changed."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from fastapi import Header
from pydantic import BaseModel
from starlette.responses import Response

from services.runtime.errors import GatewayError

Thing = TypeVar("Thing", bound=BaseModel)
IfMatch = Annotated[
    str | None, Header(description="The ETag of what you saw: the edit is refused if it has changed since.")
]


class Changed(GatewayError):
    """Somebody changed it meanwhile."""


class NoPrecondition(GatewayError):
    """An edit has to say what it was based on."""


def tag_of(document: Any) -> str:
    """The entity tag of a thing (pure)."""
    text = json.dumps(_alike(document), sort_keys=True, default=str)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def _alike(value: Any) -> Any:
    """Numbers that are equal written alike: a default is 2 where the database says 2.0."""
    if isinstance(value, Mapping):
        return {name: _alike(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_alike(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def require(given: str | None, document: Any) -> None:
    """Raises ``NoPrecondition``, or ``Changed`` if the thing is another than was seen."""
    if given is None:
        raise NoPrecondition("send the ETag of what you saw as If-Match, so that no one's change is lost")
    named = {each.strip() for each in given.split(",")}  # weak ones match nothing (RFC 9110 13.1.1)
    if named.isdisjoint({"*", tag_of(document)}):
        raise Changed("it was changed meanwhile: load it again and repeat your edit")


def as_seen(given: str | None) -> Callable[[BaseModel], None]:
    """What use cases of edits judge by: raises as ``require`` does."""
    return lambda thing: require(given, thing.model_dump())


def as_seen_or_new(given: str | None, what: str) -> Callable[[dict[str, Any] | None], None]:
    """What use cases judge by that store a thing, or put it in the place of the one that was seen; None: there is
    none."""

    def judge(document: dict[str, Any] | None) -> None:
        if document is not None:
            require(given, document)
        elif given not in (None, "*"):
            raise Changed(f"the {what} is gone: somebody removed it")

    return judge


def tagged(response: Response, thing: Thing) -> Thing:
    """The thing, answered with its entity tag."""
    response.headers["ETag"] = tag_of(thing.model_dump())
    return thing

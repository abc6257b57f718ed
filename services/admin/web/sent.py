"""What programs and browsers send. A field or parameter that there is not is refused, because to leave it out may do a
great deal more than was meant; so is a text that no database keeps and no answer can quote."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi import Request
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import ImmutableMultiDict

from services.runtime.errors import UsageError

UNKEPT: Final = re.compile("[\x00\ud800-\udfff]")
"""NUL, which PostgreSQL has in no text, and halves of characters (surrogates), which UTF-8 has not."""
MOST_NESTED: Final = 80
"""Levels of a body: those of a rule file, and of what it is wrapped in."""
FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = re.compile(r"application/(.+\+)?json")


class Sent(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(extra="forbid")


async def refuse_unknown_parameters(request: Request) -> None:
    """A dependency of every route. Raises ``UsageError`` for a parameter of the query that the route has not got."""
    route: Any = request.scope["route"]
    known = _parameters(route.dependant)
    if unknown := sorted(set(request.query_params) - known):
        there = f"there are {', '.join(sorted(known))}" if known else "there are none here"
        raise UsageError(f"there is no parameter {', '.join(unknown)[:200]!r}; {there}")


async def refuse_unkept_texts(request: Request) -> None:
    """A dependency of every route. Raises ``UsageError`` that names the field whose text has such a character."""
    for where, sent in (("path", request.path_params), ("query", request.query_params), ("body", await _body(request))):
        for place, text in _texts(where, sent):
            if unkept := UNKEPT.search(text):
                code, told = f"U+{ord(unkept[0]):04X}", place.encode("ascii", "backslashreplace").decode()
                raise UsageError(f"{told[:200]}: the character {code} can be in no text here; leave it out")


async def _body(request: Request) -> Any:
    """What the route reads as fields; what it reads by itself as bytes is left to it."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    fields = request.scope["route"].body_field is not None
    if kind == FORM or (fields and kind == "multipart/form-data"):
        return await request.form()
    return await request.json() if fields and JSON.fullmatch(kind) and await request.body() else None


def _texts(place: str, sent: Any, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Texts with their places; names of fields too. Raises ``UsageError`` for what is nested too deeply to be one."""
    if depth > MOST_NESTED:
        raise UsageError(f"{place[:200]}: nested deeper than {MOST_NESTED} levels; nothing here is")
    if isinstance(sent, str):
        yield place, sent
    elif isinstance(sent, ImmutableMultiDict):
        for name, each in sent.multi_items():
            yield from _texts(place, {name: each}, depth)
    elif isinstance(sent, Mapping):
        for name, each in sent.items():
            yield f"{place}.{name}", name
            yield from _texts(f"{place}.{name}", each, depth + 1)
    elif isinstance(sent, list):
        for number, each in enumerate(sent):
            yield from _texts(f"{place}.{number}", each, depth + 1)


def _parameters(dependant: Dependant) -> set[str]:
    names = {field.alias for field in dependant.query_params}
    return names.union(*(_parameters(each) for each in dependant.dependencies))

"""The filter of small lists: a text of the address, looked for in what their rows say."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qs

from fastapi import Query, Request

from services.admin.web.addresses import current_page

Row = TypeVar("Row")
Find = Annotated[str, Query(max_length=200, description="Rows in which each of these words stands, in any case.")]


def fitting(rows: Iterable[Row], find: str, told: Callable[[Row], Iterable[Any]]) -> list[Row]:
    """The rows of which ``told`` says every word of a text, in any case; all of them without words (pure)."""
    words = find.casefold().split()
    return [row for row in rows if _says(" ".join(map(str, told(row))).casefold(), words)]


def find_shown(request: Request) -> str:
    """The filter of the page that is shown around what is asked for: its list stays as it is filtered."""
    shown = parse_qs(current_page(request).query)
    return shown.get("find", [""])[0][:200]


def _says(text: str, words: Iterable[str]) -> bool:
    return all(word in text for word in words)

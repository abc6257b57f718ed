"""Where a list goes on: opaque to who asks."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

from services.runtime.errors import UsageError

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next` of the page before.")]


class Listed(BaseModel, Generic[T]):
    """A page of a list. ``next``: the cursor of the one that follows; null: this was the last."""

    items: list[T]
    next: str | None


def written(at: datetime, key: str) -> str:
    """The cursor behind a row (pure)."""
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), key], ensure_ascii=False).encode()).decode().rstrip("=")


def read(cursor: str | None, key_of: Callable[[str], Any]) -> dict[str, Any]:
    """For queries: ``after_at`` and ``after_key``, made by ``key_of``; None at the beginning (pure).

    Raises ``UsageError``.
    """
    if cursor is None:
        return {"after_at": None, "after_key": None}
    try:
        at, key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(key, str) or "\0" in key:
            raise ValueError("no key of ours")
        key.encode()  # half of a surrogate pair is no text
        return {"after_at": datetime.fromisoformat(at), "after_key": key_of(key)}
    except (ValueError, TypeError, binascii.Error):
        raise UsageError("cursor: it is none of ours; begin again without one") from None


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], tuple[datetime, str]]) -> Listed[T]:
    """The page that ``limit + 1`` rows make, with its cursor (pure)."""
    shown = list(rows[:limit])
    return Listed(items=shown, next=written(*key(shown[-1])) if len(rows) > limit else None)

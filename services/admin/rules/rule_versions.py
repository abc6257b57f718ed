"""Versions of the rules side by side. Use cases: list a page of them, compare two."""

import asyncio
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.admin.rules import rule_sets
from services.admin.rules.rule_hiding import text_without_names
from services.runtime.db import Database, load_queries
from services.runtime.errors import UsageError

QUERIES: Final = load_queries(__package__, "rule_versions.sql")
AROUND: Final = 4
MOST_LINES: Final = 20_000
"""Of both texts together: comparing takes time that grows faster than they do."""


@dataclass(frozen=True)
class Line:
    """``before`` and ``after``: its number there. ``gap``: lines that are alike are left out."""

    kind: Literal["same", "removed", "added", "gap"]
    text: str
    before: int | None = None
    after: int | None = None


async def page(database: Database, before: int | None, limit: int, words: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Rule sets, the newest first, those before a number; with all words in number, comment or who published it."""
    async with database.transaction() as conn:
        rows = await conn.execute(QUERIES.rule_set_page, {"before": before, "limit": limit, "words": list(words)})
        return await rows.fetchall()


async def compare(database: Database, before: int, after: int, *, hide_names: bool = False) -> list[Line]:
    """The texts of two rule sets, line by line. Raises ``NotFound``, ``UsageError`` where they are too long."""
    texts = [(await rule_sets.show(database, number))["source"] for number in (before, after)]
    return await compared(*(map(text_without_names, texts) if hide_names else texts))


async def compared(old: str, new: str) -> list[Line]:
    """Two texts, line by line, with some lines that are alike around what is not. Raises ``UsageError``."""
    texts = old.splitlines(), new.splitlines()
    if sum(map(len, texts)) > MOST_LINES:
        raise UsageError(
            f"more than {MOST_LINES} lines in both: compare them outside, 'gateway rules show' prints them"
        )
    return await asyncio.to_thread(lambda: list(_lines(*texts)))


def _lines(old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    last = 0
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(AROUND):
        if group[0][1] > last:
            yield Line("gap", "")
        for kind, a1, a2, b1, b2 in group:
            if kind == "equal":
                yield from (Line("same", old[a1 + n], a1 + n + 1, b1 + n + 1) for n in range(a2 - a1))
                continue
            yield from (Line("removed", old[n], n + 1) for n in range(a1, a2))
            yield from (Line("added", new[n], None, n + 1) for n in range(b1, b2))
        last = group[-1][2]
    if last and last < len(old):
        yield Line("gap", "")

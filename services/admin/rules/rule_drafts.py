"""Drafts of rule files: worked on under a name until one is published. Use cases: save, show, list, discard."""

import re
from collections.abc import Callable
from typing import Any, Final

from services.admin.changes import audit
from services.admin.errors import NotFound
from services.admin.rules.draft_bases import refuse_unknown
from services.admin.sql import SQL
from services.runtime.db import Connection, Database
from services.runtime.errors import UsageError

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


Seen = Callable[[dict[str, Any] | None], None]
"""Is shown the draft there is (None: none is) and raises to refuse what is to be done with it."""


def whatever(draft: dict[str, Any] | None) -> None:
    """Whatever there is may be changed."""


async def save(
    database: Database,
    actor: str,
    name: str,
    text: str,
    comment: str,
    seen: Seen = whatever,
    *,
    base: int | None = None,
) -> dict[str, Any]:
    """Store a rule file as it is, faults and all; ``replaced`` is the draft of that name it takes the place of.

    ``base``: the number of the rule set it was begun from, 0: none; without it that of the draft there is stays, and a
    new one is begun from what is live.

    Raises ``UsageError``: no such name or base can be, or the text cannot be stored; and what ``seen`` raises.
    """
    valid_name("draft", name)
    if "\0" in text:
        raise UsageError(f"draft {name}: the text holds the character \\0; remove it")

    async def work(conn: Connection) -> dict[str, Any]:
        row = await (await conn.execute(SQL.get_draft, {"name": name})).fetchone()
        seen(row)
        before = _told(row)
        refuse_unknown(base, await live_number(conn))
        values = {"name": name, "source": text, "comment": comment, "actor": actor, "base": base}
        await conn.execute(SQL.put_draft, values)
        cursor = await conn.execute(SQL.get_draft, {"name": name})
        after = _told(await cursor.fetchone())
        await audit(conn, actor, "rules.draft.save", name, _plain(before), _plain(after))
        return {**(after or {}), "replaced": before}

    return await database.retry(work)


async def show(database: Database, name: str) -> dict[str, Any]:
    """One draft. Raises ``NotFound``."""
    async with database.transaction() as conn:
        return await found(conn, name)


async def list_all(database: Database) -> list[dict[str, Any]]:
    """Every draft, by name."""
    async with database.transaction() as conn:
        return await (await conn.execute(SQL.list_drafts)).fetchall()


async def discard(database: Database, actor: str, name: str, seen: Seen = whatever) -> None:
    """Forget a draft. Raises ``NotFound``, and what ``seen`` raises."""

    async def work(conn: Connection) -> None:
        row = await found(conn, name)
        seen(row)
        before = _told(row)
        await conn.execute(SQL.delete_draft, {"name": name})
        await audit(conn, actor, "rules.draft.discard", name, _plain(before), None)

    await database.retry(work)


async def found(conn: Connection, name: str) -> dict[str, Any]:
    """The draft of a name. Raises ``NotFound``."""
    row = await (await conn.execute(SQL.get_draft, {"name": name})).fetchone()
    if row is None:
        raise NotFound(f"draft {name} does not exist; 'gateway rules draft list' shows those there are")
    return row


async def live_number(conn: Connection) -> int:
    """Of the live rule set; 0: none is."""
    (row,) = await (await conn.execute(SQL.live_number)).fetchall()
    return int(row["number"])


def valid_name(what: str, name: str) -> None:
    """Raises ``UsageError`` for what cannot be the name of a draft or test (pure)."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{what} {name!r}: a name begins with a letter or digit and has up to 64 letters, digits, '.', '_', '-'"
        )


def _told(row: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if row is None else {key: value for key, value in row.items() if key != "source"}


def _plain(told: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if told is None else told | {"saved_at": told["saved_at"].isoformat()}

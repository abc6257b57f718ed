"""What a draft would change of the live rules. Use cases: show the difference, take over what is live as its base."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.admin.changes import audit
from services.admin.errors import Refused
from services.admin.rules import draft_bases, rule_drafts
from services.admin.rules.rule_hiding import text_without_names
from services.admin.rules.rule_versions import Line, compared
from services.admin.sql import SQL
from services.runtime.db import Connection, Database


@dataclass(frozen=True)
class DraftChanges:
    """``base``: what it was begun from, 0: nothing was live, None: not known. ``live``: the number of what is live, 0:
    nothing, with who published it, when and why. ``lines``: from its text to the draft's."""

    base: int | None
    live: int
    published_by: str | None
    published_at: datetime | None
    comment: str
    lines: list[Line]


async def changes(database: Database, name: str, text: str | None = None, *, hide_names: bool = False) -> DraftChanges:
    """From the live rules to a draft, or to the text that it is to have. Raises ``NotFound``; ``UsageError`` where the
    texts are too long."""
    async with database.transaction() as conn:
        draft = await rule_drafts.found(conn, name)
        live = await (await conn.execute(SQL.get_live_rule_set)).fetchone() or {}
    texts = [live.get("source", ""), draft["source"] if text is None else text]
    lines = await compared(*(map(text_without_names, texts) if hide_names else texts))
    return DraftChanges(
        draft["base"], live.get("number", 0), live.get("created_by"), live.get("created_at"), live.get("comment", ""),
        lines,
    )  # fmt: skip


async def require_base(database: Database, name: str) -> None:
    """Raises ``NotFound``, and ``Refused`` for a draft that was begun from another rule set than is live."""
    async with database.transaction() as conn:
        draft = await rule_drafts.found(conn, name)
        live = await (await conn.execute(SQL.get_live_rule_set)).fetchone()
    draft_bases.refuse_if_behind(name, draft["base"], live)


async def take_over(
    database: Database, actor: str, name: str, number: int, seen: rule_drafts.Seen = rule_drafts.whatever
) -> dict[str, Any]:
    """Make the live rule set the base of a draft: whoever asks has looked at the difference. Its text stays.

    Raises ``NotFound``, ``Refused`` where another number is live, and what ``seen`` raises.
    """

    async def work(conn: Connection) -> dict[str, Any]:
        row = await rule_drafts.found(conn, name)
        seen(row)
        live = await rule_drafts.live_number(conn)
        if number != live:
            raise Refused(
                f"rule set {number} is not the live one, {live} is: look at the difference with 'gateway rules draft "
                f"diff {name}', then take over {live}"
            )
        await conn.execute(SQL.put_draft_base, {"name": name, "base": number})
        await audit(conn, actor, "rules.draft.take-over", name, {"base": row["base"]}, {"base": number})
        return await rule_drafts.found(conn, name)

    return await database.retry(work)

"""The audit as a file: CSV for spreadsheets, JSON lines for programs; the oldest first."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from services.admin.audit_entries import QUERIES, Filter
from services.admin.changes import audit
from services.admin.csv_lines import harmless, lines
from services.runtime.db import Connection, Database

AT_ONCE: Final = 1000
COLUMNS: Final = ("at", "actor", "address", "action", "object", "before", "after")


class Format(StrEnum):
    """Of a file."""

    CSV = "csv"
    JSON_LINES = "jsonl"


async def exported(database: Database, actor: str, wanted: Filter, form: Format) -> AsyncIterator[str]:
    """All that the filter takes of what is there now, so much at a time that memory holds it.

    That it is taken is audited before the first line, and after the last one the SHA-256 of the whole.
    """
    asked = await database.retry(lambda conn: _begun(conn, actor, wanted, form))
    digest, count = hashlib.sha256(), 0
    if form == Format.CSV:
        digest.update((head := lines([COLUMNS])).encode())
        yield head
    while rows := await _rows(database, asked):
        text = written(rows, form)
        digest.update(text.encode())
        yield text
        asked |= {"after_at": rows[-1]["at"], "after_key": rows[-1]["id"]}
        count += len(rows)
    whole = {"format": form, "entries": count, "sha256": digest.hexdigest()}
    await database.retry(lambda conn: audit(conn, actor, "audit.exported", "", None, whole))


def written(rows: Sequence[Mapping[str, Any]], form: Format) -> str:
    """Entries as lines of a file (pure)."""
    if form == Format.CSV:
        return lines([[cell(row[name]) for name in COLUMNS] for row in rows])
    return "".join(
        f"{json.dumps({**row, 'at': time_of(row['at'])}, ensure_ascii=False, sort_keys=True)}\n" for row in rows
    )


def cell(value: Any) -> str:
    """A value as text that no spreadsheet takes for a formula (pure)."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return time_of(value)
    text = json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, Mapping) else str(value)
    return harmless(text)


async def _begun(conn: Connection, actor: str, wanted: Filter, form: Format) -> dict[str, Any]:
    """The parameters of what is exported, its times fixed; it is audited."""
    asked = wanted.parameters()
    (span,) = await (await conn.execute(QUERIES.span, asked)).fetchall()
    told = {"action": wanted.action, "actor": wanted.actor, "object": wanted.object, "format": form}
    times = {"since": time_of(span["since_at"]), "until": time_of(span["until_at"])}
    await audit(conn, actor, "audit.export", "", None, told | times)
    return asked | span | {"limit": AT_ONCE}


async def _rows(database: Database, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    async with database.transaction() as conn:
        return await (await conn.execute(QUERIES.entries_forward, asked)).fetchall()


def time_of(at: datetime) -> str:
    """As files have it, to the microsecond (pure)."""
    return at.astimezone(UTC).isoformat()

"""What waits to be sent, as the database has it."""

from collections.abc import Mapping
from typing import Any, Final

from services.admin.audit_messages.messages import Entry, Study, uids_of
from services.runtime.db import Connection, Database, load_queries

QUERIES: Final = load_queries(__package__, "outbox.sql")
WHOSE_STUDIES: Final = frozenset({"studies.search", "station.query"})
"""Entries whose UIDs are those of studies, be they here or not."""


async def unsent(database: Database) -> dict[str, Any]:
    """How many entries wait for their messages to be sent (100,000 at most are counted), and since when."""
    async with database.transaction() as conn:
        (row,) = await (await conn.execute(QUERIES.unsent)).fetchall()
    return row


def entry_of(row: Mapping[str, Any]) -> Entry:
    """As messages are made of it (pure)."""
    after = row["after"] if isinstance(row["after"], dict) else {}
    return Entry(row["at"], row["actor"], row["action"], row["object"], row["address"], after)


async def studies_of(conn: Connection, entries: Mapping[int, Entry]) -> dict[int, list[Study]]:
    """The studies that each entry is about, by its number."""
    named = [(number, uid) for number, entry in entries.items() for uid in uids_of(entry)]
    asked = {"entries": [number for number, _ in named], "uids": [uid for _, uid in named]}
    found: dict[int, list[Study]] = {}
    for row in await (await conn.execute(QUERIES.studies_of, asked)).fetchall():
        if row["known"] or entries[row["entry"]].action in WHOSE_STUDIES:
            found.setdefault(row["entry"], []).append(Study(row["study"], row["patient"]))
    return found

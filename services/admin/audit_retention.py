"""Audit entries that are older than they have to be are deleted, which the audit tells."""

import hashlib
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from services.admin.audit_entries import QUERIES
from services.admin.audit_export import Format, time_of, written
from services.admin.changes import audit
from services.runtime.app import Runtime
from services.runtime.db import Connection, Database
from services.runtime.errors import GatewayError

LOOK_SECONDS: Final = 3600.0
AT_ONCE: Final = 5000
ACTOR: Final = "gateway"
log = structlog.get_logger(__name__)


async def nightly(runtime: Runtime, days: int) -> None:
    """Look each hour until the process stops; a supervised task. Whole days go, so that it is after midnight, UTC, that
    there is something to delete."""
    stopping = False
    while not stopping:
        try:
            await delete_old(runtime.db, days)
        except GatewayError as error:
            log.warning("old_audit_entries_not_deleted", reason=str(error))
        stopping = await runtime.supervisor.pause(LOOK_SECONDS)


async def delete_old(database: Database, days: int) -> int:
    """Delete what is older than so many whole days, a part in each transaction; the number of entries."""
    deleted = 0
    while count := await database.retry(partial(_delete_some, days=days)):
        deleted += count
        log.info("old_audit_entries_deleted", count=count)
    return deleted


async def _delete_some(conn: Connection, days: int) -> int:
    """Some, the oldest first, with an entry that has their SHA-256 as JSON lines: whoever has exported that time can
    show that it is they."""
    found = await (await conn.execute(QUERIES.delete_oldest, {"days": days, "limit": AT_ONCE})).fetchall()
    if not found:
        return 0
    rows = sorted(found, key=lambda row: (row["at"], row["id"]))
    told = {
        "entries": len(rows),
        "from": time_of(rows[0]["at"]),
        "to": time_of(rows[-1]["at"] + timedelta(microseconds=1)),
        "sha256": hashlib.sha256(written(rows, Format.JSON_LINES).encode()).hexdigest(),
    }
    await audit(conn, ACTOR, "audit.delete", "", told, None)
    return len(rows)

"""Looks at patient data, for the audit."""

from collections.abc import Sequence
from typing import Final, Literal

from services.admin.changes import audit
from services.runtime.db import Connection, Database

Look = Literal["studies.search", "studies.view", "studies.header", "studies.download", "station.query"]
MOST_NAMED: Final = 1000


async def looked(database: Database, actor: str, how: Look, uids: Sequence[str]) -> None:
    """Write down who saw which studies, series or instances, by their UIDs; what was searched for may name people and
    is not kept."""

    async def work(conn: Connection) -> None:
        seen = {"uids": list(uids[:MOST_NAMED]), "found": len(uids)}
        await audit(conn, actor, how, uids[0] if len(uids) == 1 else "", None, seen)

    await database.retry(work)

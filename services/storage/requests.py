"""What people ask storage for: delete, and what retention would do."""

import json
from typing import Any, Final

from psycopg.rows import DictRow

from services.runtime.db import Connection, Database
from services.runtime.requests import CarryOut, Refused
from services.storage import retention
from services.storage.deletion import Uncommitted, delete_instances
from services.storage.records import QUERIES
from services.storage.retention_policy import Policy
from services.storage.settings import StorageSettings

MOST_PREVIEWED: Final = 1000


class Requests(CarryOut):
    """The use cases *delete* and *retention* (a preview). ``commitment``: whether the profile asks for it."""

    def __init__(self, database: Database, settings: StorageSettings, *, commitment: bool) -> None:
        super().__init__(database, QUERIES, {"delete": self._delete, "retention": self._retention})
        self._settings, self._commitment = settings, commitment

    async def _delete(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        found = await connection.execute(QUERIES.select_deletable_uids, {"uids": row["body"]["uids"]})
        uids = [each["sop_instance_uid"] for each in await found.fetchall()]
        override = bool(row["body"].get("even_uncommitted"))
        try:
            hidden = await delete_instances(connection, uids, commitment=self._commitment, even_uncommitted=override)
        except Uncommitted as refused:
            raise Refused(str(refused)) from refused
        after = json.dumps({"instances": hidden, "uids": row["body"]["uids"], "even_uncommitted": override})
        entry = {"actor": row["requested_by"], "request": str(row["id"]), "after": after}
        await connection.execute(QUERIES.record_deletion, entry)
        return {"instances": hidden}

    async def _retention(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        """The oldest studies and what would become of each, by the policy in force or for other days."""
        days, most = row["body"].get("days"), min(int(row["body"]["limit"]), MOST_PREVIEWED)
        policy = await retention.policy(connection, self._settings, commitment=self._commitment)
        if days is not None:
            policy = Policy(int(days), policy.sources, policy.unmatched, policy.commitment)
        if policy.least_days is None:
            raise Refused(
                "retention is off: --days N shows what it would do, GATEWAY_STORAGE_RETENTION_DAYS or 'gateway station "
                "set TITLE --retention-days N' switches it on"
            )
        return {"policy": policy.document(), "studies": await retention.preview(connection, policy, most)}

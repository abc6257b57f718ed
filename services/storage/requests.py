"""What people ask storage for (delete)."""

from typing import Any

from psycopg.rows import DictRow

from services.runtime.db import Connection, Database
from services.runtime.requests import CarryOut, Refused
from services.storage.deletion import Uncommitted, delete_instances
from services.storage.records import QUERIES


class Requests(CarryOut):
    """The use case *delete*. ``commitment``: whether the profile asks for storage commitment."""

    def __init__(self, database: Database, *, commitment: bool) -> None:
        super().__init__(database, QUERIES, {"delete": self._delete})
        self._commitment = commitment

    async def _delete(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        found = await connection.execute(QUERIES.select_deletable_uids, {"uids": row["body"]["uids"]})
        uids = [each["sop_instance_uid"] for each in await found.fetchall()]
        override = bool(row["body"].get("even_uncommitted"))
        try:
            hidden = await delete_instances(connection, uids, commitment=self._commitment, even_uncommitted=override)
        except Uncommitted as refused:
            raise Refused(str(refused)) from refused
        return {"instances": hidden}

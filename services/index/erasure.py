"""Erasing a patient from the query tables, once storage has hidden what is stored.

A study that others share keeps the values that its row took from the patient, so rows of such studies are made anew of
what remains (docs/decisions/0041).
"""

from collections.abc import Sequence
from typing import Any

from psycopg.rows import DictRow

from services.index.removal import remove_contents
from services.index.settings import IndexSettings
from services.index.store import QUERIES as ROWS
from services.index.store import ReceiptKey, index_receipts
from services.runtime.db import Connection, Database, load_queries
from services.runtime.requests import CarryOut

QUERIES = load_queries(__package__, "erasure.sql")


class Requests(CarryOut):
    """The use case *erase*."""

    def __init__(self, database: Database, settings: IndexSettings) -> None:
        super().__init__(database, QUERIES, {"erase": self._erase})
        self._batch = settings.batch

    async def _erase(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        named = {"erasure": row["body"]["erasure"]}
        items = await (await connection.execute(QUERIES.select_items, named)).fetchall()
        removed = await remove_contents(connection, [(each["sop_instance_uid"], each["revision"]) for each in items])
        left = await (await connection.execute(QUERIES.select_studies, named)).fetchall()
        await self._make_anew(connection, [each["study_instance_uid"] for each in left])
        return {"instances": removed, "studies_made_anew": len(left)}

    async def _make_anew(self, connection: Connection, studies: Sequence[str]) -> None:
        """Rows of these studies, of their series, and of patients who have no other, from what is stored of them."""
        named = {"studies": list(studies)}
        receipts = await (await connection.execute(QUERIES.take_instances, named)).fetchall()
        keys = sorted(ReceiptKey(each["received_at"], each["object_key"]) for each in receipts)
        await connection.execute(QUERIES.delete_series, named)
        emptied = await (await connection.execute(QUERIES.delete_studies, named)).fetchall()
        await connection.execute(ROWS.remove_patients_without_study, {"patient": [each["patient"] for each in emptied]})
        for start in range(0, len(keys), self._batch):
            await index_receipts(connection, keys[start : start + self._batch])

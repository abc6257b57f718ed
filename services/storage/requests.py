"""What people ask storage for (delete), carried out once: the answer in ``storage.request_done`` is the effect."""

import json
from collections.abc import Sequence
from uuid import UUID

import structlog

from schemas.messages import Envelope, RequestMade
from services.runtime.db import Database
from services.storage.deletion import Uncommitted, delete_instances
from services.storage.records import QUERIES, Connection

log = structlog.get_logger(__name__)


class Requests:
    """The use case *delete*. ``commitment``: whether the profile asks for storage commitment."""

    def __init__(self, database: Database, *, commitment: bool) -> None:
        self._database, self._commitment = database, commitment

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Carry out what messages name; the kinds of other services are let be."""
        for envelope in envelopes:
            if isinstance(envelope.body, RequestMade):
                await self.carry_out(envelope.body.request)

    async def reconcile(self) -> int:
        """Carry out what no message brought. Returns how many."""
        async with self._database.transaction() as connection:
            rows = await (await connection.execute(QUERIES.select_undone_requests)).fetchall()
        for row in rows:
            await self.carry_out(row["id"])
        return len(rows)

    async def carry_out(self, request: UUID) -> None:
        """Do what a request asks, in one transaction with its answer; nothing if that was done before."""

        async def work(connection: Connection) -> None:
            await connection.execute(QUERIES.lock_request, {"request": request})
            row = await (await connection.execute(QUERIES.select_request, {"request": request})).fetchone()
            if row is None:
                return
            result = await self._delete(connection, row["body"])
            await connection.execute(QUERIES.insert_request_done, {"request": request, "result": json.dumps(result)})
            log.info("request_carried_out", request=str(request), kind="delete", refused="error" in result)

        await self._database.retry(work)

    async def _delete(self, connection: Connection, body: dict[str, object]) -> dict[str, object]:
        found = await connection.execute(QUERIES.select_deletable_uids, {"uids": body["uids"]})
        uids = [row["sop_instance_uid"] for row in await found.fetchall()]
        try:
            hidden = await delete_instances(
                connection, uids, commitment=self._commitment, even_uncommitted=bool(body.get("even_uncommitted"))
            )
        except Uncommitted as refused:
            return {"error": str(refused)}
        return {"instances": hidden}

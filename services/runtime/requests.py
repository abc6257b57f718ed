"""What people ask a service to do (``config.request``), carried out once: its ``request_done`` is the effect row."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from psycopg.rows import DictRow

from schemas.messages import Envelope, RequestMade
from services.runtime.db import Connection, Database
from services.runtime.queries import Queries

Kinds = Mapping[str, Callable[[Connection, DictRow], Awaitable[dict[str, Any]]]]
"""What each kind of request does, in the transaction of its answer. Raises ``Refused``."""

log = structlog.get_logger(__name__)


class Refused(Exception):
    """The request cannot be carried out; the text names the thing, the value and the cure."""


class CarryOut:
    """The use cases of a service that people ask for.

    ``queries`` has ``lock_request``, ``select_request``, ``select_undone`` and ``insert_done`` for the service's own
    answers; ``prepare`` is awaited before each request.
    """

    def __init__(
        self, database: Database, queries: Queries, kinds: Kinds, prepare: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._database, self._queries, self._kinds, self._prepare = database, queries, kinds, prepare

    async def requested(self, envelopes: Sequence[Envelope]) -> None:
        """Handler of ``request.carry-out``; the kinds of other services are let be."""
        for envelope in envelopes:
            if isinstance(envelope.body, RequestMade):
                await self.carry_out(envelope.body.request)

    async def reconcile(self) -> int:
        """Carry out what no message brought. Returns how many."""
        parameters = {"kinds": list(self._kinds)}
        async with self._database.transaction() as connection:
            rows = await (await connection.execute(self._queries.select_undone, parameters)).fetchall()
        for row in rows:
            await self.carry_out(row["id"])
        return len(rows)

    async def carry_out(self, request: UUID) -> None:
        """Do what a request asks, in one transaction with its answer; nothing if that was done before, or is another
        service's."""

        async def work(connection: Connection) -> None:
            await connection.execute(self._queries.lock_request, {"request": request})
            parameters = {"request": request, "kinds": list(self._kinds)}
            row = await (await connection.execute(self._queries.select_request, parameters)).fetchone()
            if row is not None:
                await self._answer(connection, row)

        if self._prepare is not None:
            await self._prepare()
        await self._database.retry(work)

    async def _answer(self, connection: Connection, row: DictRow) -> None:
        try:
            result = await self._kinds[row["kind"]](connection, row)
        except Refused as refused:
            result = {"error": str(refused)}
        await connection.execute(self._queries.insert_done, {"request": row["id"], "result": json.dumps(result)})
        log.info("request_carried_out", request=str(row["id"]), kind=row["kind"], refused="error" in result)

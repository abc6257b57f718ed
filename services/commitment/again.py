"""What is done by itself after a FAILURE where the settings want it; profile xeleris leaves it to people (R112)."""

from typing import Final
from uuid import UUID

from services.commitment import changes, ledger
from services.commitment.carry_out import CANCELED_BY, repeat
from services.commitment.settings import CommitmentSettings
from services.runtime.backoff import LONGEST_SECONDS
from services.runtime.db import Connection, Database, load_queries

QUERIES = load_queries(__package__, "again.sql")
NO_SUCH_OBJECT: Final = 0x0112
"""Failure reason of an instance that the station does not have (PS3.3 C.14.1.1)."""


class Again:
    """Asking again, and letting the forwarder send again."""

    def __init__(self, database: Database, settings: CommitmentSettings) -> None:
        self._database = database
        self._settings = settings

    async def follow(self) -> None:
        """Look for what failed since and was neither followed nor cancelled."""
        if self._settings.send_again:
            async with self._database.transaction() as connection:
                await connection.execute(QUERIES.mark_send_again, {"no_such_object": NO_SUCH_OBJECT})
        if self._settings.request_again:
            await self._database.retry(self._request_again)

    async def _request_again(self, connection: Connection) -> None:
        parameters = {"canceled_by": CANCELED_BY, "most": self._settings.request_again}
        rows = await (await connection.execute(QUERIES.select_repeatable, parameters)).fetchall()
        made: list[UUID] = []
        for row in rows:
            # What is sent again is collected as a delivery of its own, and asked for with that.
            new, instances = await repeat(
                connection, row["id"], requested_by="", delay_seconds=LONGEST_SECONDS, with_sent_again=False
            )
            made += [new] if instances else []
        await changes.announce(connection, made)
        if made:
            await ledger.notify(connection)

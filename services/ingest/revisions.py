"""Stations whose revisions are refused: the only question ingest asks the database, with a short limit (P5)."""

import asyncio
from concurrent.futures import TimeoutError as FutureTimeoutError

from schemas.messages import Receipt
from services.ingest.causes import Cause, Refusal
from services.runtime.db import Database, load_queries
from services.runtime.errors import GatewayError

QUERIES = load_queries(__package__)


class RevisionCheck:
    """Asks from an association's thread."""

    def __init__(self, database: Database, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._database, self._loop, self._seconds = database, loop, seconds

    def check(self, receipt: Receipt) -> None:
        """Raises ``Refusal`` when the UID is stored with other content, or nobody can say in time."""
        asked = asyncio.run_coroutine_threadsafe(self._contents(receipt.sop_instance_uid), self._loop)
        try:
            contents = asked.result(self._seconds)
        except (FutureTimeoutError, GatewayError) as error:
            asked.cancel()
            raise Refusal(Cause.REVISION_UNKNOWN, type(error).__name__) from error
        if contents and receipt.sha256 not in contents:
            raise Refusal(Cause.REVISION_REFUSED)

    async def _contents(self, sop_instance_uid: str) -> set[str]:
        async with self._database.transaction(timeout=self._seconds) as connection:
            found = await connection.execute(QUERIES.known_contents, {"sop_instance_uid": sop_instance_uid})
            return {row["sha256"] for row in await found.fetchall()}

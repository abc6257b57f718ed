"""What the ledger does for the erasure of a patient: it sends no more, and forgets what stations wrote about it.

Rows stay, with UIDs and statuses: who was sent what is what the ledger is for. A station's Error Comment (0000,0902)
may say anything, a name too.
"""

from typing import Any, Final

from psycopg.rows import DictRow

from services.forwarder.many import MOST, Many
from services.forwarder.states import Event, State, sources
from services.runtime.db import Connection, load_queries

QUERIES = load_queries(__package__, "erasure.sql")
FORGET: Final = (
    QUERIES.forget_destinations, QUERIES.forget_outages, QUERIES.forget_attempts, QUERIES.forget_deliveries,
    QUERIES.forget_jobs, QUERIES.forget_moves,
)  # fmt: skip


class Erasing:
    """The use case *erase*."""

    def __init__(self, many: Many) -> None:
        self._many = many

    async def erase(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        """Give up what waits, ``MOST`` deliveries at a time: what is left, or is being sent now, the next request gives
        up. Again does nothing."""
        named = {"erasure": row["body"]["erasure"]}
        cancelable = [state.value for state in sources(Event.CANCEL) - {State.SENDING}]
        waiting = await connection.execute(QUERIES.select_waiting, named | {"states": cancelable, "most": MOST})
        chosen = [[each["received_at"], each["id"]] for each in await waiting.fetchall()]
        told = await self._many.cancel(connection, row | {"body": {"deliveries": chosen}})
        for forget in FORGET:
            await connection.execute(forget, named)
        return told

"""What people ask commitment to do: ask again, give up. Apart from what only asks, which needs no broker's client."""

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from services.admin import requests
from services.admin.commitments import QUERIES, unknown
from services.admin.errors import Refused
from services.admin.requests import Requested
from services.runtime.db import Connection, Database

Kind = Literal["retry-commitment", "cancel-commitment"]


async def retry(database: Database, actor: str, commitment: UUID) -> Requested:
    """Have what is not committed asked for again, as a new commitment (R112).

    Raises ``NotFound``; ``Refused`` unless it is FAILURE.
    """
    return await _request(database, actor, "retry-commitment", commitment)


async def cancel(database: Database, actor: str, commitment: UUID) -> Requested:
    """Have a commitment given up: FAILURE. Raises ``NotFound``; ``Refused`` if nothing of it is open any more."""
    return await _request(database, actor, "cancel-commitment", commitment)


async def _request(database: Database, actor: str, kind: Kind, commitment: UUID) -> Requested:
    async def work(conn: Connection) -> UUID:
        row = await _row(conn, commitment)
        if reason := refusal(kind, row):
            raise Refused(f"commitment {commitment} {reason}")
        before = {"state": row["state"]}
        return await requests.insert(conn, actor, kind, {"commitment": str(commitment)}, before=before)

    return await requests.carried_out(database, await database.retry(work))


async def _row(conn: Connection, commitment: UUID) -> dict[str, Any]:
    row = await (await conn.execute(QUERIES.get_commitment, {"id": commitment})).fetchone()
    if row is not None:
        return row
    if await (await conn.execute(QUERIES.get_received, {"id": commitment})).fetchone() is not None:
        raise Refused(
            f"commitment {commitment} is what a peer asked of us: the answer is reported to the peer by itself, and "
            "only the peer can ask again"
        )
    raise unknown(commitment)


def refusal(kind: Kind, row: Mapping[str, Any]) -> str:
    """Why a commitment cannot be asked for again, or given up; "" if it can (pure)."""
    state = row["state"]
    if kind == "cancel-commitment":
        return f"is {state} already and nothing of it is open" if row["closed_at"] is not None else ""
    if state == "SUCCESS":
        return "is SUCCESS: every instance of it is committed"
    return "" if state == "FAILURE" else f"is {state}: only what ended with FAILURE is asked for again"

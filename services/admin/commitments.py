"""Storage commitment as people see it (R73): what we asked of others, and what others asked of us."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from services.admin.errors import NotFound
from services.admin.status_text import hexadecimal
from services.dicom import commands, status
from services.dicom.commitment import failure_name
from services.runtime.db import Connection, Database, load_queries
from services.runtime.errors import UsageError

QUERIES: Final = load_queries("services.admin", "commitments.sql")

After = Mapping[str, Any]
"""``after_at`` and ``after_key``: made before that one, which is listed already."""
BEGINNING: Final[After] = {"after_at": None, "after_key": None}
STATES: Final = (
    "COLLECTING", "QUEUED", "ASKING", "UNANSWERED", "WAITING FOR COMMITMENT", "SUCCESS", "FAILURE",
)  # fmt: skip
"""Of what we ask for."""
RECEIVED_STATES: Final = ("CHECKING", "READY", "SENDING", "REPORTED", "GIVEN UP", "JOINED")
"""Of what peers ask us for."""
NEVER_REPORTED: Final = "this station never reported anything to us: does it know our title, host and port?"
"""For what ended by time: archives that have no entry for us accept requests and never report (field experience)."""


async def list_commitments(
    database: Database, state: str | None, station: str | None, study: str | None, limit: int, after: After = BEGINNING
) -> list[dict[str, Any]]:
    """What we asked for, the newest first; ``station`` is the destination or who is asked. Raises ``UsageError``."""
    wanted = {"state": _state(state, STATES), "station": station, "study": study, "limit": limit, **after}
    async with database.transaction() as conn:
        return await _rows(conn, QUERIES.list_commitments, wanted)


async def list_received(
    database: Database, state: str | None, station: str | None, study: str | None, limit: int, after: After = BEGINNING
) -> list[dict[str, Any]]:
    """What peers asked us to commit, the newest first; ``station`` is the peer. Raises ``UsageError``."""
    wanted = {"state": _state(state, RECEIVED_STATES), "station": station, "study": study, "limit": limit, **after}
    async with database.transaction() as conn:
        return await _rows(conn, QUERIES.list_received, wanted)


async def show(database: Database, commitment: UUID, limit: int) -> dict[str, Any]:
    """A commitment of ours, or a peer's request, with at most ``limit`` of its instances. Raises ``NotFound``."""
    async with database.transaction() as conn:
        asked = await _rows(conn, QUERIES.get_commitment, {"id": commitment})
        if asked:
            return await _shown(conn, asked[0], limit)
        received = await _rows(conn, QUERIES.get_received, {"id": commitment})
        if received:
            return await _shown_received(conn, received[0], limit)
    raise unknown(commitment)


def ended_by_time(row: Mapping[str, Any]) -> bool:
    """Whether it is FAILURE because its deadline passed (pure)."""
    return row["state"] == "FAILURE" and row["deadline"] is not None and row["finished_at"] >= row["deadline"]


async def _shown(conn: Connection, row: dict[str, Any], limit: int) -> dict[str, Any]:
    key = {"id": row["id"], "limit": limit}
    return row | {
        "status": hexadecimal(row["status"]),
        "meaning": _meaning(row["status"]),
        "hint": await _hint(conn, row),
        "attempts": [
            attempt | {"status": hexadecimal(attempt["status"]), "meaning": _meaning(attempt["status"])}
            for attempt in await _rows(conn, QUERIES.attempts_of_commitment, key)
        ],
        "instances": [_item(item) for item in await _rows(conn, QUERIES.items_of_commitment, key)],
        "reports": await _rows(conn, QUERIES.reports_of_commitment, key),
        "history": await _rows(conn, QUERIES.history_of_commitment, key),
    }


async def _hint(conn: Connection, row: Mapping[str, Any]) -> str | None:
    """What to look at first, when the time passed and its station never reported anything at all."""
    if not ended_by_time(row):
        return None
    (ever,) = await _rows(conn, QUERIES.ever_reported, {"server": row["server"]})
    return None if ever["reported"] else NEVER_REPORTED


async def _shown_received(conn: Connection, row: dict[str, Any], limit: int) -> dict[str, Any]:
    key = {"id": row["id"], "received_at": row["received_at"], "limit": limit}
    return row | {
        "status": hexadecimal(row["status"]),
        "meaning": _meaning(row["status"]),
        "instances": [_item(item) for item in await _rows(conn, QUERIES.items_of_received, key)],
    }


def _item(row: dict[str, Any]) -> dict[str, Any]:
    """An instance with its failure reason as code and as words (R136)."""
    code = row["failure_reason"]
    return row | {"failure_reason": hexadecimal(code), "failure": None if code is None else failure_name(code)}


def _meaning(code: int | None) -> str | None:
    """The name of an N-ACTION or N-EVENT-REPORT status."""
    return None if code is None else status.name(code, commands.N_ACTION) or "Success"


def _state(text: str | None, known: tuple[str, ...]) -> str | None:
    """The state a person means, in whatever case; WAITING is enough for its long name. Raises ``UsageError``."""
    if text is None:
        return None
    wanted = text.strip().upper()
    for state in known:
        if wanted in (state, state.removesuffix(" FOR COMMITMENT")):
            return state
    raise UsageError(f"--state {text[:64]!r} does not exist; name one of {', '.join(known)}")


def unknown(commitment: UUID) -> NotFound:
    """There is none of that id."""
    return NotFound(
        f"commitment {commitment} does not exist; 'gateway commitments list' shows the commitments there are, with "
        "--received what peers asked of us"
    )


async def _rows(conn: Connection, query: Any, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return await (await conn.execute(query, values)).fetchall()

"""What was sent to whom, what waits, and by which channels nothing arrives."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from services.admin.notices.kinds import Channel, Kind, path, told
from services.runtime.db import Connection, Database, load_queries

QUERIES: Final = load_queries(__package__, "history.sql")
STATES: Final = ("WAITING", "SENT", "GIVEN UP")


class Notice(BaseModel):
    """What a contact was, or is to be, told of one event. ``link``: where at the desk it is looked into. ``fault``: why
    it was not sent, or a remark on how."""

    id: int
    kind: Kind
    text: str
    link: str
    at: datetime
    stations: list[str]
    rule: str
    facts: dict[str, Any]
    contact: str
    channel: Channel
    state: str
    made_at: datetime
    ended_at: datetime | None
    fault: str


async def list_notices(
    database: Database, wanted: Mapping[str, str | None], limit: int, after: Mapping[str, Any]
) -> list[Notice]:
    """The newest first. ``wanted``: contact, state and kind; None takes all. ``after``: as cursors tell it."""
    values = {"contact": None, "state": None, "kind": None} | dict(wanted) | dict(after) | {"limit": limit}
    async with database.transaction() as conn:
        rows = await (await conn.execute(QUERIES.list_notices, values)).fetchall()
    return [_notice(row) for row in rows]


def _notice(row: dict[str, Any]) -> Notice:
    kind = Kind(row["kind"])
    return Notice(**row, text=told(kind, row["facts"]), link=path(kind, row["facts"]))


def key(notice: Notice) -> tuple[datetime, str]:
    """Where a list goes on behind it (pure)."""
    return notice.made_at, f"{notice.id} {notice.contact} {notice.channel}"


async def trouble(conn: Connection) -> dict[str, Any]:
    """``failing``: channels of contacts by which nothing arrives, with since when and why; ``given_up``: how many
    notices of 24 hours nobody was told in the end."""
    failing = await (await conn.execute(QUERIES.failing_lines)).fetchall()
    (row,) = await (await conn.execute(QUERIES.given_up)).fetchall()
    return {"failing": failing, "given_up": row["given_up"]}

"""All that is known of what happened to a study, series or instance (P8)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.admin import explanations
from services.runtime.db import Connection, Database, load_queries

QUERIES: Final = load_queries(__package__, "history.sql")
Rows = list[dict[str, Any]]


async def known(database: Database, uid: str, most: int) -> dict[str, Any]:
    """What ``explanations.where`` tells, with ``asked_of_others`` and ``asked_of_us``: the commitments that name one of
    the instances, with all requests, reports and verdicts. Raises as it does."""
    found = await explanations.where(database, uid, most)
    about = {
        "studies": list({found["study"], *(each["study"] for each in found["instances"])}),
        "instances": list({each["uid"] for each in found["instances"]}),
    }
    async with database.transaction() as conn:
        return found | {"asked_of_others": await _of_others(conn, about), "asked_of_us": await _of_us(conn, about)}


async def _of_others(conn: Connection, about: Mapping[str, Any]) -> Rows:
    asked = await _rows(conn, QUERIES.commitments_asked, about)
    about = {**about, "ids": [row["id"] for row in asked]}
    items, attempts, reports = [
        _by_id(await _rows(conn, query, about))
        for query in (QUERIES.items_asked, QUERIES.attempts_asked, QUERIES.reports_asked)
    ]
    return [
        row | {"items": items[row["id"]], "attempts": attempts[row["id"]], "reports": reports[row["id"]]}
        for row in asked
        if row["id"] in items
    ]


async def _of_us(conn: Connection, about: Mapping[str, Any]) -> Rows:
    items = _by_id(await _rows(conn, QUERIES.items_received, about))
    received = await _rows(conn, QUERIES.commitments_received, {"ids": list(items)})
    return [row | {"items": items[row["id"]]} for row in received]


def _by_id(rows: Sequence[dict[str, Any]]) -> Mapping[Any, Rows]:
    found: dict[Any, Rows] = defaultdict(list)
    for row in rows:
        found[row["id"]].append(row)
    return found


async def _rows(conn: Connection, query: Any, values: Mapping[str, Any]) -> Rows:
    return await (await conn.execute(query, values)).fetchall()

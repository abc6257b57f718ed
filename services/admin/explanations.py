"""Where a study, series or instance is: from whom it came, which rules took it, how each delivery went (P8)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.admin.errors import NotFound
from services.admin.sql import SQL
from services.admin.status_text import hexadecimal
from services.runtime.db import Connection, Database
from services.runtime.errors import UsageError

MOST_INSTANCES: Final = 20_000


async def where(database: Database, uid: str, most: int = MOST_INSTANCES) -> dict[str, Any]:
    """``{"study", "instances", "deliveries", "retrievals"}`` as the command line documents it.

    Raises ``NotFound``, and ``UsageError`` without a UID.
    Where there are more than ``most`` instances the list ends with the first ``most`` received, and ``cut_at`` says so.
    """
    if not uid.strip():
        raise UsageError("UID: nothing is given; name a Study, Series or SOP Instance UID")
    async with database.transaction() as conn:
        cursor = await conn.execute(SQL.study_of, {"uid": uid})
        study = await cursor.fetchone()
        if study is None:
            raise NotFound(
                f"no recorded study, series or instance has the UID {uid}; what was received just now is recorded "
                "within seconds, see 'gateway status'"
            )
        asked = {"uid": uid, "study": study["study_instance_uid"], "limit": most + 1}
        found = await (await conn.execute(SQL.instances_at, asked)).fetchall()
        instances = found[:most]
        uids = [row["uid"] for row in instances]
        deliveries, attempts = await _deliveries(conn, asked["study"], uids)
        retrieved = await conn.execute(SQL.retrievals_at, {"study": asked["study"], "instances": uids})
        retrievals = await retrieved.fetchall()
    return {
        "study": asked["study"],
        "instances": [instance(row) for row in instances],
        "deliveries": [delivery(row, attempts.get(row["id"], [])) for row in deliveries],
        "retrievals": [retrieval(row) for row in retrievals],
        **({"cut_at": most} if len(found) > most else {}),
    }


async def _deliveries(
    conn: Connection, study: str, instances: list[str]
) -> tuple[list[dict[str, Any]], Mapping[int, list[dict[str, Any]]]]:
    cursor = await conn.execute(SQL.deliveries_at, {"study": study, "instances": instances})
    deliveries = await cursor.fetchall()
    attempts: dict[int, list[dict[str, Any]]] = defaultdict(list)
    cursor = await conn.execute(SQL.attempts_at, {"deliveries": [row["id"] for row in deliveries]})
    for row in await cursor.fetchall():
        attempts[row["delivery"]].append(row)
    return deliveries, attempts


def instance(row: Mapping[str, Any]) -> dict[str, Any]:
    """One received revision of an instance (pure). ``findings`` holds what was remarkable about it."""
    remarks = [row["disposition"]] if row["disposition"] not in ("NEW", "REVISION") else []
    return {
        "uid": row["uid"],
        "sha256": row["sha256"],
        "source": row["source"],
        "received_at": row["received_at"],
        "status": hexadecimal(row["status"]),
        "findings": [*row["findings"], *row["flags"], *remarks],
        "rule_set": row["rule_set"],
        "matched": [match["rule"] for match in row["matched"] or []],
        "archived": False,
    }


def delivery(row: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One delivery with all its attempts (pure). ``commitment`` is None: nobody asked for one."""
    return {
        "instance": row["instance"],
        "destination": row["destination"],
        "job": row["job"],
        "state": row["state"],
        "attempts": [
            {"at": attempt["at"], "status": hexadecimal(attempt["status"]), "reason": attempt["reason"]}
            for attempt in attempts
        ],
        "commitment": None,
    }


def retrieval(row: Mapping[str, Any]) -> dict[str, Any]:
    """One instance that a C-MOVE or C-GET covered (pure). ``at`` is when its sub-operation ended, or else when the
    request came; ``answered`` is the final status of the request, None while it runs or if it ended without one."""
    result = row["result"]
    if result == "PENDING" and row["ended"]:
        result = "CANCELED"
    return {
        "instance": row["instance"],
        "operation": f"C-{row['operation']}",
        "requester": row["requester"],
        "destination": row["destination"],
        "at": row["finished_at"] or row["started_at"],
        "state": result,
        "status": hexadecimal(row["status"]),
        "reason": row["reason"],
        "answered": hexadecimal(row["answered"]),
    }

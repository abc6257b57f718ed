"""Where a study, series or instance is: from whom it came, which rules took it, how each delivery went (P8)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, LiteralString
from uuid import UUID

from services.admin.errors import NotFound
from services.admin.removals import ended, lived, removals_of, removed
from services.admin.sql import SQL
from services.admin.status_text import held, hexadecimal, shut, waiting
from services.admin.uids import uid_of
from services.dicom.commitment import failure_name
from services.runtime.db import Connection, Database

MOST_INSTANCES: Final = 20_000


async def where(database: Database, text: str, most: int = MOST_INSTANCES) -> dict[str, Any]:
    """``{"study", "instances", "deliveries", "retrievals"}`` as the command line documents it.

    An instance is told with all its revisions, whichever study each lies in; ``study`` is that of the newest one.
    Raises ``NotFound``, and ``UsageError`` for what is no UID.
    Where there are more than ``most`` instances the list ends with the first ``most`` received, and ``cut_at`` says so.
    """
    uid = uid_of(text)
    async with database.transaction() as conn:
        held = await (await conn.execute(SQL.studies_of, {"uid": uid})).fetchall()
        if not held:
            raise NotFound(
                f"no recorded study, series or instance has the UID {uid}; what was received just now is recorded "
                "within seconds, see 'gateway status'"
            )
        studies = [row["study_instance_uid"] for row in held]
        asked = {"uid": uid, "studies": studies, "limit": most + 1}
        found = await (await conn.execute(SQL.instances_at, asked)).fetchall()
        instances = found[:most]
        shown = {"studies": studies, "instances": [row["uid"] for row in instances]}
        receipts = await _by_revision(conn, SQL.receipts_at, shown)
        lives = [life for several in receipts.values() for life in lived(several)]
        removals = await removals_of(conn, instances, lives)
        ends = {(life["uid"], life["received_at"]): ended(life, removals) for life in lives}
        archived = await _by_revision(conn, SQL.archived_at, shown)
        deliveries, attempts = await _deliveries(conn, shown)
        commitments = await _commitments(conn, deliveries)
        retrievals = await (await conn.execute(SQL.retrievals_at, shown)).fetchall()
    return {
        "study": studies[0],
        "instances": [
            instance(
                row,
                [each | {"gone": ends.get((each["uid"], each["received_at"]))} for each in receipts[_revision(row)]],
                archived[_revision(row)],
                removed(row, removals),
            )
            for row in instances
        ],
        "deliveries": [
            delivery(row, attempts.get(row["id"], []), commitment(row, commitments, archived)) for row in deliveries
        ],
        "retrievals": [retrieval(row) for row in retrievals],
        **({"cut_at": most} if len(found) > most else {}),
    }


Revision = tuple[str, int]
"""SOP Instance UID and revision."""


def _revision(row: Mapping[str, Any]) -> Revision:
    return row["uid"], row["revision"]


async def _by_revision(
    conn: Connection, query: LiteralString, shown: Mapping[str, Any]
) -> Mapping[Revision, list[dict[str, Any]]]:
    found: dict[Revision, list[dict[str, Any]]] = defaultdict(list)
    for row in await (await conn.execute(query, shown)).fetchall():
        found[_revision(row)].append(row)
    return found


async def _deliveries(
    conn: Connection, shown: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], Mapping[int, list[dict[str, Any]]]]:
    deliveries = await (await conn.execute(SQL.deliveries_at, shown)).fetchall()
    attempts: dict[int, list[dict[str, Any]]] = defaultdict(list)
    cursor = await conn.execute(SQL.attempts_at, {"deliveries": [row["id"] for row in deliveries]})
    for row in await cursor.fetchall():
        attempts[row["delivery"]].append(row)
    return deliveries, attempts


async def _commitments(conn: Connection, deliveries: Sequence[Mapping[str, Any]]) -> Mapping[UUID, dict[str, Any]]:
    wanted = list({row["commitment"] for row in deliveries if row["commitment"] is not None})
    cursor = await conn.execute(SQL.commitments_at, {"commitments": wanted})
    return {row["id"]: row for row in await cursor.fetchall()}


def instance(
    row: Mapping[str, Any], receipts: Sequence[Mapping[str, Any]], archived: Sequence[Mapping[str, Any]],
    gone: Mapping[str, Any] | None,
) -> dict[str, Any]:  # fmt: skip
    """One received revision of an instance (pure).

    ``findings`` holds what was remarkable about it, ``receipts`` every time this very content came, with the retrieve
    ``job`` that had it sent, if one had, and how it was ``gone`` before it came anew, ``archived_by`` each station that
    committed it (R109), ``not_sent`` where rules did not send it though they name the station. ``corrected_by`` and
    ``corrected_why``: who had it made here, if it is a correction; ``source`` sent what was corrected then. ``gone``:
    how, when and by whom it was deleted or erased, None if it is here.
    """
    remarks = [row["disposition"]] if row["disposition"] not in ("NEW", "REVISION") else []
    return {
        "uid": row["uid"],
        "study": row["study"],
        "revision": row["revision"],
        "sha256": row["sha256"],
        "source": row["source"],
        "received_at": row["received_at"],
        "status": hexadecimal(row["status"]),
        "findings": [*row["findings"], *row["flags"], *remarks],
        "rule_set": row["rule_set"],
        "matched": [match["rule"] for match in row["matched"] or []],
        "not_sent": [
            {"rule": match["rule"], "destination": title, "reason": reason}
            for match in row["matched"] or []
            for title, reason in match.get("not_sent", {}).items()
        ],
        "corrected_by": row["corrected_by"],
        "corrected_why": row["corrected_why"],
        "gone": gone,
        "archived": bool(archived),
        "archived_by": [{name: each[name] for name in ("station", "at")} for each in archived],
        "receipts": [
            {name: each[name] for name in ("received_at", "source", "disposition", "job", "gone")} for each in receipts
        ],
    }


def delivery(
    row: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]], committing: Mapping[str, Any] | None
) -> dict[str, Any]:
    """One delivery with all its attempts (pure). ``committing`` is None: nobody asked for its commitment.
    ``transformation`` is there where a rule changed what was sent.

    ``reason`` is why it is in its state, also where nothing was tried: its station was disabled for too long, say, or
    others have to commit the instance first, it is held, or waits for a schedule.
    """
    return {
        "instance": row["instance"],
        "revision": row["revision"],
        "sha256": row["sha256"],
        "destination": row["destination"],
        "job": row["job"],
        "state": row["state"],
        "finished_at": row["finished_at"],
        "reason": held(row["held"]) or shut(row["shut"]) or waiting(row["awaited"]) or row["reason"],
        "attempts": [
            {"at": attempt["at"], "status": hexadecimal(attempt["status"]), "reason": attempt["reason"]}
            for attempt in attempts
        ],
        "commitment": committing,
        **({"transformation": transformation(row)} if row["transformation"] is not None else {}),
    }


def transformation(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a rule changed of what was sent (pure).

    ``sha256``, ``size``, ``transfer_syntax`` and ``uids`` (new ones by old ones) are of the last attempt, and missing
    before the first.
    """
    steps = list(dict.fromkeys(step["do"] for step in row["steps"] or []))
    return {"number": row["transformation"], "steps": steps, **(row["sent"] or {})}


def commitment(
    row: Mapping[str, Any],
    commitments: Mapping[UUID, Mapping[str, Any]],
    archived: Mapping[Revision, Sequence[Mapping[str, Any]]],
) -> dict[str, Any] | None:
    """The newest commitment of a delivery, and what it means for the instance (pure); None: nobody asked for one.

    ``transaction`` is the Transaction UID it was asked under last, ``status`` that of its N-ACTION.
    """
    asked = commitments.get(row["commitment"]) if row["commitment"] is not None else None
    if asked is None:
        return None
    code = row["failure_reason"]
    since = {each["station"]: each["at"] for each in archived.get((row["instance"], row["revision"]), ())}
    return {name: asked[name] for name in ("id", "server", "state", "transaction", "deadline")} | {
        "status": hexadecimal(asked["status"]),
        "failure_reason": None if code is None else failure_name(code),
        "archived_at": since.get(asked["server"]),
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

"""What peers report: each report is applied exactly once, in one transaction with its effect row (R82, R109, R110)."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow

from schemas.commitment import CommitmentReport
from services.commitment.changes import announce
from services.commitment.judging import Asked, Item, Judgement, judge
from services.commitment.settings import CommitmentSettings
from services.commitment.states import Event, ItemState, State, following
from services.commitment.stations import Stations
from services.dicom.commitment import failure_name
from services.runtime.db import Connection, Database, load_queries

QUERIES = load_queries(__package__, "hearing.sql")


@dataclass(frozen=True)
class Heard:
    """A report that was recorded, and whose it was: ``commitment`` and ``server`` are None where nobody asked."""

    object_key: str
    report: CommitmentReport
    judgement: Judgement
    commitment: UUID | None = None
    server: str | None = None


class Hearing:
    """The use case of applying a report, for messages and for the sweep."""

    def __init__(self, database: Database, stations: Stations, settings: CommitmentSettings) -> None:
        self._database, self._stations, self._settings = database, stations, settings

    async def apply(self, object_key: str, report: CommitmentReport) -> Heard | None:
        """Record the report and what it changes; None if it was recorded before.

        Raises ``Unavailable``, ``Conflict``; ``RefusedData`` if PostgreSQL refuses what it says.
        """

        async def work(connection: Connection) -> Heard | None:
            return await self._apply(connection, object_key, report)

        return await self._database.retry(work)

    async def _apply(self, connection: Connection, object_key: str, report: CommitmentReport) -> Heard | None:
        await self._stations.refresh_within(connection)
        told = digest(report)
        row = await _one(connection, "lock_commitment", _about(report))
        asked = None if row is None else await self._asked(connection, object_key, report, told, row)
        judgement = judge(report, asked, repair_late=self._settings.repair_late)
        commitment, server = (None, None) if row is None else (row["id"], row["server"])
        recorded = {
            **_about(report), "object_key": object_key, "digest": told, "commitment": commitment,
            "verdict": judgement.verdict, "remark": judgement.remark,
        }  # fmt: skip
        if await _one(connection, "insert_report", recorded) is None:
            return None
        if row is not None and judgement.changes:
            await self._change(connection, object_key, report, row, judgement)
        return Heard(object_key, report, judgement, commitment, server)

    async def _asked(
        self, connection: Connection, object_key: str, report: CommitmentReport, told: str, row: DictRow
    ) -> Asked:
        """What is known of the locked commitment."""
        parameters = {
            **_about(report), "object_key": object_key, "digest": told, "repair_late": self._settings.repair_late
        }  # fmt: skip
        known = await _one(connection, "select_known", parameters)
        items = await connection.execute(QUERIES.select_items, {"commitment": row["id"]})
        return Asked(
            titles=self._titles(row["server"]),
            state=State(row["state"]),
            closed=row["closed"],
            known=known is not None and known["known"],
            items=[
                Item(item["sop_instance_uid"], item["sop_class_uid"], ItemState(item["state"]))
                for item in await items.fetchall()
            ],
        )

    def _titles(self, server: str) -> frozenset[str]:
        """Also of a station that was removed since it was asked."""
        station = self._stations.get(server)
        return frozenset((server, *(station.report_titles if station else ())))

    async def _change(
        self, connection: Connection, object_key: str, report: CommitmentReport, row: DictRow, judgement: Judgement
    ) -> None:
        changes = judgement.changes
        parameters = {
            "commitment": row["id"], "server": row["server"], "object_key": object_key,
            "transaction_uid": report.transaction_uid, "archive_history": self._settings.archive_history,
            "sop_instance_uid": [change.sop_instance_uid for change in changes],
            "state": [change.state for change in changes],
            "failure_reason": [change.failure_reason for change in changes],
        }  # fmt: skip
        await connection.execute(QUERIES.change_items, parameters)
        await self._move(connection, row, judgement.event)
        await announce(connection, [row["id"]])

    async def _move(self, connection: Connection, row: DictRow, event: Event | None) -> None:
        """Bring the commitment to where its instances are now; the reason tells of all that failed."""
        state = State(row["state"]) if event is None else following(State(row["state"]), event)
        failed = await connection.execute(QUERIES.select_failures, {"commitment": row["id"]})
        failures = [(each["failure_reason"], each["count"]) for each in await failed.fetchall()]
        moved = {"commitment": row["id"], "state": state, "reason": reason_of(failures)}
        await connection.execute(QUERIES.update_commitment, moved)


def digest(report: CommitmentReport) -> str:
    """SHA-256 of what a report says, whoever says it and in whatever order (pure)."""
    said = [
        report.event_type,
        sorted((each.sop_class_uid, each.sop_instance_uid) for each in report.committed),
        sorted((each.sop_class_uid, each.sop_instance_uid, each.failure_reason or 0) for each in report.failed),
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def reason_of(failures: Iterable[tuple[int | None, int]]) -> str:
    """Why a commitment failed, in words: each failure reason by name (R136), how often each (pure)."""
    return ", ".join(f"{failure_name(reason or 0)} ({count})" for reason, count in failures)


def _about(report: CommitmentReport) -> dict[str, Any]:
    return {
        **report.model_dump(exclude={"called_aet", "committed", "failed"}),
        "committed": len(report.committed),
        "failed": len(report.failed),
    }


async def _one(connection: Connection, query: str, parameters: dict[str, Any]) -> DictRow | None:
    return await (await connection.execute(getattr(QUERIES, query), parameters)).fetchone()

"""The job browser: what is sent where and how far it is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.admin.errors import NotFound
from services.admin.sql import SQL
from services.admin.status_text import collecting, complete, held, hexadecimal, shut, waiting
from services.admin.when import NEVER, When
from services.dicom.status import name
from services.runtime.db import Database

STATES: Final = ("QUEUED", "ACTIVE", "COMPLETED", "FAILED", "CANCELED")


@dataclass(frozen=True)
class Filter:
    """Which jobs; None takes all. ``ended``: ended since then; ``after_at`` and ``after_key``: made before that job,
    which is listed already."""

    state: str | None = None
    destination: str | None = None
    kind: str | None = None
    study: str | None = None
    ended: When = NEVER
    after_at: datetime | None = None
    after_key: UUID | None = None

    def parameters(self) -> dict[str, Any]:
        """For SQL."""
        plain = {name: value for name, value in vars(self).items() if name != "ended"}
        return plain | self.ended.parameters("ended")


async def list_jobs(database: Database, wanted: Filter, limit: int) -> list[dict[str, Any]]:
    """The newest jobs."""
    async with database.transaction() as conn:
        # Planned for these very values: a plan for any values would read all jobs for a few.
        cursor = await conn.execute(SQL.list_jobs, wanted.parameters() | {"limit": limit}, prepare=False)
        return [_listed(row) for row in await cursor.fetchall()]


async def show(database: Database, job: UUID, limit: int) -> dict[str, Any]:
    """A job with its deliveries, at most ``limit`` of them, and the commitments asked about them (notes A14); a
    retrieve job with its C-MOVEs.

    Raises ``NotFound``.
    """
    async with database.transaction() as conn:
        cursor = await conn.execute(SQL.get_job, {"id": job})
        found = await cursor.fetchone()
        if found is None:
            raise NotFound(f"job {job} does not exist; 'gateway jobs list' shows the jobs there are")
        cursor = await conn.execute(SQL.deliveries_of_job, {"id": job, "limit": limit})
        deliveries = await cursor.fetchall()
        commitments = await (await conn.execute(SQL.commitments_of_job, {"id": job})).fetchall()
        moves = await (await conn.execute(SQL.moves_of_job, {"id": job, "limit": limit})).fetchall()
    return _job(found) | {
        "deliveries": [_delivery(row) for row in deliveries],
        "commitments": commitments,
        "moves": [row | {"status": hexadecimal(row["status"])} for row in moves],
    }


def _listed(row: dict[str, Any]) -> dict[str, Any]:
    """In a list the reason tells by what the series or study was complete, where there is no other."""
    job = _job(row)
    level, completed_by = job.pop("level"), job.pop("completed_by")
    return job | {"reason": job["reason"] or complete(level, completed_by)}


def _job(row: dict[str, Any]) -> dict[str, Any]:
    """While deliveries of it are held or wait for a schedule, or it collects, that is its reason; that it goes first
    stands there too."""
    collects = collecting(row.pop("collecting"))
    why = held(row.pop("held")) or shut(row.pop("shut")) or row["reason"] or collects
    return row | {"reason": "; ".join(filter(None, ("goes first" if row.pop("goes_first") else "", why)))}


def _delivery(row: dict[str, Any]) -> dict[str, Any]:
    reason = held(row.pop("held")) or shut(row.pop("shut")) or waiting(row.pop("awaited")) or row["reason"]
    words = "" if row["status"] is None else name(row["status"]) or "Success"
    return row | {"status": hexadecimal(row["status"]), "status_name": words, "reason": reason}

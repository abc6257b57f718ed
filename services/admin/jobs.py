"""The job browser: what is sent where and how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.admin.errors import NotFound
from services.admin.sql import SQL
from services.admin.status_text import collecting, complete, held, hexadecimal, shut, waiting
from services.admin.when import NEVER, When
from services.dicom.status import name
from services.runtime.db import Connection, Database

STATES: Final = ("QUEUED", "ACTIVE", "COMPLETED", "FAILED", "CANCELED")
LARGEST_ID: Final = 2**63 - 1


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


@dataclass(frozen=True)
class Part:
    """Which deliveries of a job, at most ``limit``: in that state (None: in any), behind one that is listed already.
    ``after_key``: whether that one had not failed, and its number."""

    limit: int
    state: str | None = None
    after_at: datetime | None = None
    after_key: tuple[bool, int] | None = None

    def parameters(self) -> dict[str, Any]:
        """For SQL."""
        rest, number = self.after_key or (None, None)
        return {
            "limit": self.limit, "state": self.state, "after_at": self.after_at, "after_rest": rest, "after_id": number,
        }  # fmt: skip


def place(delivery: Mapping[str, Any]) -> tuple[datetime, str]:
    """Where a delivery stands among those of its job, for the cursor behind it (pure)."""
    return delivery["received_at"], f"{int(delivery['state'] != 'FAILED')} {delivery['id']}"


def place_of(key: str) -> tuple[bool, int]:
    """The key of a ``place``, read (pure). Raises ``ValueError``."""
    rest, number = (int(word) for word in key.split(" "))
    if rest not in (0, 1) or not 0 < number <= LARGEST_ID:
        raise ValueError(f"{key!r} is no key of a delivery")
    return bool(rest), number


async def list_jobs(database: Database, wanted: Filter, limit: int) -> list[dict[str, Any]]:
    """The newest jobs."""
    async with database.transaction() as conn:
        # Planned for these very values: a plan for any values would read all jobs for a few.
        cursor = await conn.execute(SQL.list_jobs, wanted.parameters() | {"limit": limit}, prepare=False)
        return [_listed(row) for row in await cursor.fetchall()]


async def show(database: Database, job: UUID, limit: int, part: Part | None = None) -> dict[str, Any]:
    """A job with its deliveries, those of ``part`` or the first ``limit``, and the commitments asked about them (notes
    A14); a retrieve job with its C-MOVEs. What failed comes first.

    Raises ``NotFound``.
    """
    async with database.transaction() as conn:
        found = await _found(conn, job)
        deliveries = await _deliveries(conn, job, part or Part(limit))
        commitments = await (await conn.execute(SQL.commitments_of_job, {"id": job})).fetchall()
        moves = await (await conn.execute(SQL.moves_of_job, {"id": job, "limit": limit})).fetchall()
    return _job(found) | {
        "deliveries": deliveries,
        "commitments": commitments,
        "moves": [row | {"status": hexadecimal(row["status"])} for row in moves],
    }


async def list_deliveries(database: Database, job: UUID, part: Part) -> list[dict[str, Any]]:
    """Deliveries of a job, what failed first. Raises ``NotFound``."""
    async with database.transaction() as conn:
        await _found(conn, job)
        return await _deliveries(conn, job, part)


async def _found(conn: Connection, job: UUID) -> dict[str, Any]:
    row = await (await conn.execute(SQL.get_job, {"id": job})).fetchone()
    if row is None:
        raise NotFound(f"job {job} does not exist; 'gateway jobs list' shows the jobs there are")
    return row


async def _deliveries(conn: Connection, job: UUID, part: Part) -> list[dict[str, Any]]:
    cursor = await conn.execute(SQL.deliveries_of_job, {"id": job} | part.parameters())
    return [_delivery(row) for row in await cursor.fetchall()]


async def delivery_states(database: Database, job: UUID) -> dict[str, int]:
    """How many of its deliveries are in each state, FAILED first."""
    async with database.transaction() as conn:
        rows = await (await conn.execute(SQL.delivery_states_of_job, {"id": job})).fetchall()
    return {row["state"]: row["deliveries"] for row in rows}


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

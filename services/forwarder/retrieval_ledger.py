"""Retrieve jobs in PostgreSQL. Every function runs in its caller's transaction."""

from dataclasses import asdict, dataclass
from uuid import UUID

from schemas.dicom.query_keys import Level
from services.dicom.pending import Progress
from services.forwarder.retrieval_states import JobEnd, MoveEnd, MoveState, job_end
from services.runtime.db import Connection, load_queries

QUERIES = load_queries(__package__, "retrievals.sql")


@dataclass(frozen=True)
class Claimed:
    """A retrieve job that this process carries out. ``takeovers``: how many workers were lost with it before."""

    job: UUID
    source: str
    destination: str
    takeovers: int


@dataclass(frozen=True)
class Move:
    """One C-MOVE to be sent; upper UIDs, and those below its level, are "" where it has none."""

    position: int
    level: Level
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str


class LeaseLost(Exception):
    """Somebody else may carry the job out: nothing may be written about it any more."""


async def claim(connection: Connection, holder: str, lease: float, busy: list[str]) -> Claimed | None:
    """The next job with its lease, of a source that is not ``busy``; C-MOVEs whose answer was lost are asked again."""
    parameters = {"holder": holder, "lease": lease, "busy": busy}
    row = await (await connection.execute(QUERIES.claim, parameters)).fetchone()
    if row is None:
        return None
    await connection.execute(QUERIES.lost_answers, {"job": row["job"]})
    return Claimed(**row)


async def renew(connection: Connection, job: UUID, holder: str, lease: float) -> bool:
    """Push the lease out; whether the job was cancelled. Raises ``LeaseLost``."""
    parameters = {"job": job, "holder": holder, "lease": lease}
    row = await (await connection.execute(QUERIES.renew, parameters)).fetchone()
    if row is None:
        raise LeaseLost
    return bool(row["canceled"])


async def canceled(connection: Connection, jobs: list[UUID]) -> list[UUID]:
    """Those of the jobs that a person cancelled."""
    return [row["id"] for row in await (await connection.execute(QUERIES.canceled_of, {"jobs": jobs})).fetchall()]


async def open_moves(connection: Connection, job: UUID, holder: str) -> list[Move]:
    """What is to be asked, in its order. Raises ``LeaseLost``."""
    await hold(connection, job, holder)
    rows = await (await connection.execute(QUERIES.open_moves, {"job": job})).fetchall()
    return [Move(**row) for row in rows]


async def hold(connection: Connection, job: UUID, holder: str) -> None:
    """Lock the job and its lease. Raises ``LeaseLost``."""
    await connection.execute(QUERIES.lock_job, {"job": job})
    if await (await connection.execute(QUERIES.holds, {"job": job, "holder": holder})).fetchone() is None:
        raise LeaseLost


async def begin_move(connection: Connection, job: UUID, holder: str, move: Move) -> None:
    """Committed before the C-MOVE goes out, so that what comes is known to be wanted. Raises ``LeaseLost``."""
    await hold(connection, job, holder)
    await connection.execute(QUERIES.begin_move, {"job": job, "position": move.position})


async def progress(connection: Connection, job: UUID, move: Move, seen: Progress) -> None:
    """What the source told of its sub-operations."""
    await connection.execute(QUERIES.progress, {"job": job, "position": move.position, **asdict(seen)})


async def end_move(connection: Connection, job: UUID, holder: str, move: Move, end: MoveEnd, seen: Progress) -> None:
    """The last word about one C-MOVE. Raises ``LeaseLost``."""
    await hold(connection, job, holder)
    await progress(connection, job, move, seen)
    parameters = {"state": end.state, "status": end.status, "reason": end.reason[:500]}
    await connection.execute(QUERIES.end_move, {"job": job, "position": move.position, **parameters})
    if end.state is MoveState.CANCELED:
        await connection.execute(QUERIES.end_open_moves, {"job": job, "state": end.state, "reason": end.reason[:500]})


async def fail_open_moves(connection: Connection, job: UUID, holder: str, reason: str) -> None:
    """None of what is left can be asked. Raises ``LeaseLost``."""
    await hold(connection, job, holder)
    parameters = {"job": job, "state": MoveState.FAILED, "reason": reason[:500]}
    await connection.execute(QUERIES.end_open_moves, parameters)


async def give_back(connection: Connection, job: UUID, holder: str) -> JobEnd | None:
    """End or hand over: set the job's state if all its C-MOVEs ended, and let the lease go. Raises ``LeaseLost``."""
    await hold(connection, job, holder)
    await connection.execute(QUERIES.lost_answers, {"job": job})
    rows = await (await connection.execute(QUERIES.moves, {"job": job})).fetchall()
    end = job_end([(MoveState(row["state"]), row["reason"]) for row in rows])
    if end is not None:
        await connection.execute(QUERIES.end_job, {"job": job, "state": end.state, "reason": end.reason[:500]})
    await connection.execute(QUERIES.give_back, {"job": job, "holder": holder})
    return end


async def activate(connection: Connection, job: UUID) -> None:
    """An association is about to open for it (R64)."""
    await connection.execute(QUERIES.activate, {"job": job})

"""Jobs in PostgreSQL. Every function runs in its caller's transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from services.forwarder.states import JobState, Tally, job_state
from services.runtime.db import load_queries

Connection = AsyncConnection[DictRow]
CANCELED_CHANNEL: Final = "routing_canceled"
LONGEST_REASON: Final = 500
QUERIES = load_queries(__package__, "jobs.sql")


@dataclass(frozen=True)
class Completed:
    """A collecting job whose series or study is complete, and by what."""

    job: UUID
    destination: str
    by: str


async def lock(connection: Connection, jobs: Collection[UUID]) -> None:
    """Lock rows in one order. Whoever changes deliveries of a job, or adds to it, does this first."""
    if jobs:
        await connection.execute(QUERIES.lock_jobs, {"jobs": sorted(jobs)})


async def activate(connection: Connection, jobs: Collection[UUID]) -> None:
    """An association is about to open for them."""
    await connection.execute(QUERIES.activate_jobs, {"jobs": sorted(jobs)})


async def recompute(connection: Connection, jobs: Collection[UUID], reasons: Mapping[UUID, str] | None = None) -> None:
    """Set the state of jobs from their deliveries. ``reasons``: what went wrong lately, shown while a job waits."""
    if not jobs:
        return
    await lock(connection, jobs)
    rows = await (await connection.execute(QUERIES.tally_jobs, {"jobs": sorted(jobs)})).fetchall()
    states = [_state(row) for row in rows]
    parameters = {
        "id": [row["id"] for row in rows],
        "state": [state.value for state in states],
        "reason": [reason(state, row, (reasons or {}).get(row["id"])) for state, row in zip(states, rows, strict=True)],
        "finished": [state in (JobState.COMPLETED, JobState.FAILED, JobState.CANCELED) for state in states],
    }
    await connection.execute(QUERIES.update_jobs, parameters)


def reason(state: JobState, tally: Mapping[str, Any], lately: str | None) -> str | None:
    """What a person reads beside the state; None leaves what is there.

    Of what ended otherwise than delivered it says how many and why, in both states that can have both.
    """
    total = tally["total"]
    failed = [f"{tally['failed']} of {total} failed: {tally['reason']}"] if tally["failed"] else []
    withdrawn = [why if count == total else f"{count} of {total} {why}" for why, count in tally["withdrawn"]]
    if state is JobState.FAILED:
        return "; ".join(failed + withdrawn)[:LONGEST_REASON]
    if state is JobState.CANCELED:
        return "; ".join(withdrawn + failed)[:LONGEST_REASON] or None
    return "" if state is JobState.COMPLETED else lately


def _state(row: DictRow) -> JobState:
    """What a person cancelled stays so, whatever becomes of what was being sent."""
    return JobState.CANCELED if row["state"] == JobState.CANCELED else job_state(_tally(row))


def _tally(row: DictRow) -> Tally:
    return Tally(row["waiting"], row["failed"], row["canceled"], row["total"], row["started"])


async def came_by(connection: Connection, associations: Collection[tuple[UUID, str]]) -> None:
    """By which associations, whose release completes what came by them, came what jobs collect."""
    known = sorted(each for each in associations if each[1])
    if known:
        parameters = {"job": [job for job, _ in known], "association": [association for _, association in known]}
        await connection.execute(QUERIES.insert_associations, parameters)


async def release(connection: Connection) -> list[Completed]:
    """Let the deliveries of collecting jobs go that are complete: those whose quiet time has passed below the
    watermark."""
    rows = await (await connection.execute(QUERIES.select_releasable)).fetchall()
    completed = [Completed(row["id"], row["destination"], row["completed_by"]) for row in rows]
    if completed:
        await let_go(connection, completed)
    return completed


async def let_go(connection: Connection, completed: Sequence[Completed]) -> int:
    """Release these locked jobs: from now on their deliveries are due. Returns how many."""
    released = [each.job for each in completed]
    parameters = {"jobs": released, "completed_by": [each.by for each in completed]}
    await connection.execute(QUERIES.release_jobs, parameters)
    await connection.execute(QUERIES.delete_associations, parameters)
    await connection.execute(QUERIES.delete_questions, parameters)
    due = (await connection.execute(QUERIES.release_deliveries, parameters)).rowcount
    await recompute(connection, set(released))
    await notify(connection, {each.destination for each in completed})
    return due


async def notify(connection: Connection, destinations: Collection[str]) -> None:
    """Wake the senders of destinations in every process when this transaction commits."""
    if destinations:
        await connection.execute(QUERIES.notify, {"titles": sorted(destinations)})


async def notify_canceled(connection: Connection) -> None:
    """Have every process that sends look for what was cancelled when this transaction commits."""
    await connection.execute(QUERIES.notify_canceled)

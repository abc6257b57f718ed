"""What people ask about retrieve jobs: make one, cancel it, try it again. Each in its caller's transaction."""

from typing import Any
from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from services.forwarder.configuration import Configuration
from services.forwarder.planning import PRIORITIES
from services.forwarder.retrieval_ledger import QUERIES
from services.runtime.requests import Refused

Connection = AsyncConnection[DictRow]
JOB_LEVELS = {"STUDY": "study", "SERIES": "series", "IMAGE": "instance"}


async def retrieve(connection: Connection, row: DictRow, configuration: Configuration) -> dict[str, Any]:
    """A job with a C-MOVE for each UID (R63, R65), of high priority if a person waits for it. Raises ``Refused``."""
    body = row["body"]
    _check_source(configuration, str(body["from"]))
    job = await insert(
        connection, row["id"], body["from"], body["to"], bool(body["to_us"]), body["level"], body["study"],
        body["series"], body["uids"], str(body.get("priority", "high")),
    )  # fmt: skip
    return {"job": str(job), "requests": len(body["uids"])}


async def insert(
    connection: Connection,
    request: UUID | None,
    source: str,
    destination: str,
    to_us: bool,
    level: str,
    study: str,
    series: str,
    uids: list[str],
    priority: str,
) -> UUID:
    """The rows of a job; ``uids`` are of the level, ``study`` and ``series`` the UIDs above it."""
    job = uuid4()
    studies = uids if level == "STUDY" else [study] * len(uids)
    parameters = {
        "job": job, "request": request, "source": source, "destination": destination, "to_us": to_us,
        "priority": PRIORITIES[priority], "level": level, "job_level": JOB_LEVELS[level],
    }  # fmt: skip
    only = studies[0] if len(set(studies)) == 1 else ""
    await connection.execute(QUERIES.insert_job, parameters | {"study": only})
    await connection.execute(QUERIES.insert_retrieval, parameters)
    none = [""] * len(uids)
    moves = {
        "study": studies,
        "series": {"STUDY": none, "SERIES": uids}.get(level, [series] * len(uids)),
        "instance": uids if level == "IMAGE" else none,
    }
    await connection.execute(QUERIES.insert_moves, parameters | moves)
    await connection.execute(QUERIES.notify)
    return job


async def cancel(connection: Connection, job: UUID, reason: str) -> int:
    """Give up what was not asked yet; who carries the job out sends a C-CANCEL for the rest (R67). How many ended."""
    ended = await connection.execute(QUERIES.cancel_moves, {"job": job, "reason": reason})
    await connection.execute(QUERIES.notify)
    return len(await ended.fetchall())


async def retry(connection: Connection, job: UUID) -> int:
    """Ask for what failed or was cancelled once more. How many."""
    again = await connection.execute(QUERIES.retry_moves, {"job": job})
    await connection.execute(QUERIES.reset_takeovers, {"job": job})
    await connection.execute(QUERIES.notify)
    return len(await again.fetchall())


def _check_source(configuration: Configuration, title: str) -> None:
    station = configuration.stations.get(title)
    if station is None:
        raise Refused(f"station {title} is not defined: add it with --query-retrieve")
    if not station.enabled or not station.query_retrieve:
        raise Refused(f"station {title} is disabled or no query source; 'gateway station set {title} --query-retrieve'")

"""Writing jobs and deliveries. Every function runs in its caller's transaction."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from services.dicom.transforming.transformation import Transformation
from services.forwarder import jobs, openings, transformations
from services.forwarder.delivery import GONE
from services.forwarder.planning import JobKey, Planned, SentAs
from services.forwarder.precedence import FIRST
from services.runtime.db import load_queries

Connection = AsyncConnection[DictRow]
QUERIES = load_queries(__package__, "evaluation.sql")
_INSTANCE_COLUMNS = (
    "received_at",
    "sop_instance_uid",
    "revision",
    "study_instance_uid",
    "object_key",
    "data_set_offset",
    "size",
    "sha256",
    "sop_class_uid",
    "transfer_syntax_uid",
)


async def write(connection: Connection, planned: Sequence[Planned], reopen_seconds: float) -> None:
    """Make or extend the jobs, insert the deliveries, supersede older revisions, wake the senders."""
    if not planned:
        return
    studies = sorted({each.instance.study_instance_uid for each in planned})
    await connection.execute(QUERIES.lock_studies, {"studies": studies})
    found = await _instance_jobs(connection, planned, reopen_seconds)
    found |= await _collecting_jobs(connection, planned)
    inserted = await insert_deliveries(connection, planned, [found[each.job] for each in planned])
    await jobs.came_by(connection, {(found[each.job], each.association) for each in planned if each.job.collects})
    ended = {row["job"] for row in inserted if row["state"] == "FAILED"}
    ended |= await _supersede(connection, {each.instance.sop_instance_uid for each in planned})
    await jobs.recompute(connection, ended)
    await jobs.notify(connection, {row["destination"] for row in inserted if row["due"]})


async def insert_deliveries(
    connection: Connection, planned: Sequence[Planned], job_ids: Sequence[UUID], request: UUID | None = None
) -> list[DictRow]:
    """Insert what is not there yet; returns (job, state, destination, due) of the inserted.

    The transaction has locked the ledger (``lock_ledger``, ``lock_studies``).
    """
    parameters: dict[str, Any] = {
        column: [getattr(each.instance, column) for each in planned] for column in _INSTANCE_COLUMNS
    }
    await openings.know(connection, {each.schedule for each in planned if each.schedule})
    sent = await _sent_as(connection, planned)
    parameters |= {
        "destination": [each.job.destination for each in planned],
        "request": [request] * len(planned),
        "job": list(job_ids),
        "priority": [each.priority for each in planned],
        "first": FIRST,
        "gone_reason": GONE,
        "state": ["FAILED" if each.refusal else "PENDING" for each in planned],
        "reason": [each.refusal or waits_for(each.awaits) for each in planned],
        "collecting": [each.job.collects for each in planned],
        "commit": [each.commit for each in planned],
        "awaits": [json.dumps(each.awaits) if each.awaits else None for each in planned],
        "rule": [each.job.rule for each in planned],
        "source": [each.source for each in planned],
        "back": [each.back for each in planned],
        "schedule": [json.dumps(each.schedule) if each.schedule else None for each in planned],
        "transformation": [each.transformation for each in sent],
        "sent_sop_instance_uid": [each.sop_instance_uid for each in sent],
    }
    return await (await connection.execute(QUERIES.insert_deliveries, parameters)).fetchall()


async def _sent_as(connection: Connection, planned: Sequence[Planned]) -> list[SentAs]:
    changes = await transformations.store(connection, [each.transform for each in planned])
    return [each.sent_as or _changed(change, each) for change, each in zip(changes, planned, strict=True)]


def _changed(change: Transformation | None, planned: Planned) -> SentAs:
    if change is None:
        return SentAs(None, None)
    return SentAs(change.number, transformations.sent_uid(change, planned.instance.sop_instance_uid))


def waits_for(titles: Sequence[str]) -> str:
    """What a person reads of a delivery that waits for commitment (pure)."""
    return f"waits until {' and '.join(titles)} committed the instance" if titles else ""


async def _instance_jobs(
    connection: Connection, planned: Sequence[Planned], reopen_seconds: float
) -> dict[JobKey, UUID]:
    wanted = {each.job: each for each in planned if not each.job.collects}
    if not wanted:
        return {}
    parameters = _job_parameters(wanted) | {"reopen_seconds": reopen_seconds}
    rows = await (await connection.execute(jobs.QUERIES.open_instance_jobs, parameters)).fetchall()
    by_identity = {(row["rule_set"], row["rule"], row["destination"], row["study_instance_uid"]): row for row in rows}
    found = {key: by_identity[_identity(key)]["id"] for key in wanted if _identity(key) in by_identity}
    if found:
        await connection.execute(jobs.QUERIES.reopen_jobs, {"jobs": sorted(found.values())})
    missing = {key: each for key, each in wanted.items() if key not in found}
    if missing:
        made = {key: uuid4() for key in missing}
        parameters = _job_parameters(missing) | {
            "id": list(made.values()),
            "priority": [each.priority for each in missing.values()],
        }
        await connection.execute(jobs.QUERIES.insert_instance_jobs, parameters)
        found |= made
    return found


async def _collecting_jobs(connection: Connection, planned: Sequence[Planned]) -> dict[JobKey, UUID]:
    gathered: dict[JobKey, list[Planned]] = {}
    for each in planned:
        if each.job.collects:
            gathered.setdefault(each.job, []).append(each)
    if not gathered:
        return {}
    newest = {key: max(mine, key=lambda each: each.rule_set) for key, mine in gathered.items()}
    parameters = _job_parameters(newest) | {
        "id": [uuid4() for _ in newest],
        "group_uid": [key.group_uid for key in newest],
        "level": [key.level for key in newest],
        "priority": [each.priority for each in newest.values()],
        "quiet": [each.quiet_seconds for each in newest.values()],
        "required": [json.dumps(sorted(each.required)) for each in newest.values()],
        "last_received_at": [max(each.instance.received_at for each in mine) for mine in gathered.values()],
        "met": [json.dumps(sorted(frozenset().union(*(each.meets for each in mine)))) for mine in gathered.values()],
        "by_release": [all(each.association for each in mine) for mine in gathered.values()],
        "counted_at": [_counted_at(mine) for mine in gathered.values()],
    }
    rows = await (await connection.execute(jobs.QUERIES.collect_jobs, parameters)).fetchall()
    by_identity = {(row["rule"], row["level"], row["destination"], row["group_uid"]): row["id"] for row in rows}
    return {key: by_identity[key.rule, key.level, key.destination, key.group_uid] for key in gathered}


def _counted_at(gathered: Sequence[Planned]) -> str:
    """The one source that says how many there are; "" if there is none, or several (pure)."""
    sources = {each.source if each.counts else "" for each in gathered}
    return sources.pop() if len(sources) == 1 else ""


async def _supersede(connection: Connection, uids: Collection[str]) -> set[UUID]:
    rows = await (await connection.execute(QUERIES.supersede, {"uids": sorted(uids)})).fetchall()
    return {row["job"] for row in rows}


def _identity(key: JobKey) -> tuple[int, str, str, str]:
    return key.rule_set, key.rule, key.destination, key.study_instance_uid


def _job_parameters(wanted: Mapping[JobKey, Planned]) -> dict[str, Any]:
    return {
        "rule_set": [each.rule_set for each in wanted.values()],
        "rule": [key.rule for key in wanted],
        "destination": [key.destination for key in wanted],
        "study": [key.study_instance_uid for key in wanted],
    }

"""What comes after its series or study was complete. Every function runs in its caller's transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from services.forwarder.lateness import Course, decide
from services.forwarder.planning import Instance, JobKey, Planned
from services.forwarder.precedence import FIRST
from services.runtime.db import load_queries

Connection = AsyncConnection[DictRow]
QUERIES = load_queries(__package__, "latecomers.sql")
LOCK = load_queries(__package__, "evaluation.sql").lock_studies

Withheld: TypeAlias = Mapping[Instance, Mapping[str, Mapping[str, str]]]
"""By instance and rule the destinations that it came too late for, and why."""


@dataclass
class Sifted:
    """What is sent; in the jobs of ``again`` also all that was sent before."""

    planned: list[Planned] = field(default_factory=list)
    again: set[JobKey] = field(default_factory=set)
    withheld: dict[Instance, dict[str, dict[str, str]]] = field(default_factory=dict)


async def sift(connection: Connection, planned: Sequence[Planned]) -> Sifted:
    """Take out what its rule does not send because it came late."""
    heeded = [each for each in planned if each.job.collects and not each.lateness.indifferent]
    if not heeded:
        return Sifted(list(planned))
    await connection.execute(LOCK, {"studies": sorted({each.instance.study_instance_uid for each in planned})})
    released = await _released(connection, {each.job for each in heeded})
    sifted = Sifted()
    for each in planned:
        decision = decide(each.lateness, each.instance.received_at, released.get(each.job))
        if decision.course is Course.WITHHOLD:
            rules = sifted.withheld.setdefault(each.instance, {})
            rules.setdefault(each.job.rule, {})[each.job.destination] = decision.reason
            continue
        sifted.planned.append(each)
        if decision.course is Course.ALL_AGAIN and not each.refusal:
            sifted.again.add(each.job)
    return sifted


async def send_again(connection: Connection, again: Collection[JobKey]) -> None:
    """What was sent of a series or study before goes again, with what came late: in the jobs that collect that now."""
    if again:
        parameters = _columns(again)
        await connection.execute(QUERIES.insert_again, parameters | {"first": FIRST})
        await connection.execute(QUERIES.carry_met, parameters)


async def _released(connection: Connection, jobs: Collection[JobKey]) -> dict[JobKey, datetime]:
    """When what each of the jobs gathers was released last. None of it is, until the transaction ends."""
    parameters = _columns(jobs)
    await connection.execute(QUERIES.lock_collecting, parameters)
    rows = await (await connection.execute(QUERIES.select_released, parameters)).fetchall()
    found = {(row["rule"], row["destination"], row["group_uid"]): row["released_at"] for row in rows}
    return {job: found[key] for job in jobs if (key := (job.rule, job.destination, job.group_uid)) in found}


def _columns(jobs: Collection[JobKey]) -> dict[str, list[Any]]:
    names = ("rule", "destination", "study_instance_uid", "group_uid")
    return {name: [getattr(job, name) for job in jobs] for name in names}

"""This one first: jobs, or all that waits of a patient, before everything else that waits."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from services.admin import requests
from services.admin.errors import NotFound, Refused
from services.admin.sql import SQL
from services.runtime.db import Connection, Database
from services.runtime.errors import UsageError

MOST_JOBS: Final = 1000


async def put_first(database: Database, actor: str, jobs: Sequence[UUID]) -> requests.Requested:
    """Have what these jobs have waiting, and what will join them, sent first.

    Raises ``NotFound`` for a job that does not exist, ``Refused`` for one of which nothing waits, ``UsageError``
    for too many.
    """
    wanted = sorted(set(jobs))
    if len(wanted) > MOST_JOBS:
        raise UsageError(f"{len(wanted)} jobs: at most {MOST_JOBS} in one request")

    async def work(conn: Connection) -> UUID:
        rows = await (await conn.execute(SQL.states_of_jobs, {"jobs": wanted})).fetchall()
        _refuse({row["id"]: row for row in rows}, wanted)
        return await _insert(conn, actor, wanted)

    return await requests.carried_out(database, await database.retry(work))


async def put_patient_first(database: Database, actor: str, patient_id: str) -> requests.Requested:
    """The same for every job that waits with something of a patient. The request, and so the audit, names the jobs and
    never the patient. Raises ``NotFound``, and ``Refused`` for too many."""

    async def work(conn: Connection) -> UUID:
        parameters = {"patient_id": patient_id, "limit": MOST_JOBS + 1}
        rows = await (await conn.execute(SQL.waiting_jobs_of_patient, parameters)).fetchall()
        if not rows:
            raise NotFound(
                "nothing waits of a patient with the ID given; 'gateway studies list --patient-id ID' shows what is "
                "stored, 'gateway where STUDY' what became of it"
            )
        if len(rows) > MOST_JOBS:
            raise Refused(f"more than {MOST_JOBS} jobs wait with something of that patient: name some of them instead")
        return await _insert(conn, actor, [row["job"] for row in rows])

    return await requests.carried_out(database, await database.retry(work))


def _refuse(known: dict[UUID, dict[str, Any]], wanted: Sequence[UUID]) -> None:
    for job in wanted:
        if job not in known:
            raise NotFound(f"job {job} does not exist; 'gateway jobs list' shows the jobs there are")
        if known[job]["kind"] != "send":
            raise Refused(f"job {job} retrieves and stands in no line; only jobs that send can be put first")
        if known[job]["state"] not in requests.OPEN_STATES:
            raise Refused(
                f"job {job} is {known[job]['state']}: nothing of it waits; 'gateway jobs retry {job}' has it wait again"
            )


async def _insert(conn: Connection, actor: str, jobs: Sequence[UUID]) -> UUID:
    return await requests.insert(conn, actor, "first", {"jobs": [str(job) for job in jobs]})

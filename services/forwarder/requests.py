"""What people ask for (send, retry, cancel), carried out once: the answer in ``routing.request_done`` is the effect."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

import structlog
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from services.forwarder import jobs, plans
from services.forwarder.configuration import Configuration
from services.forwarder.planning import PRIORITIES, JobKey, Planned, instance
from services.runtime.db import Database, load_queries

Connection = AsyncConnection[DictRow]
QUERIES = load_queries(__package__, "requests.sql")
RETRIABLE = frozenset({"QUEUED", "ACTIVE", "FAILED", "CANCELED"})
CANCELABLE = frozenset({"QUEUED", "ACTIVE"})

log = structlog.get_logger(__name__)


class Refused(Exception):
    """The request cannot be carried out; the text names the thing, the value and the cure."""


class Requests:
    """The use cases *send*, *retry* and *cancel*."""

    def __init__(self, database: Database, configuration: Configuration) -> None:
        self._database = database
        self._configuration = configuration
        self._kinds: dict[str, Callable[[Connection, DictRow], Awaitable[dict[str, Any]]]] = {
            "send": self._send,
            "retry": self._retry,
            "cancel": self._cancel,
        }

    async def carry_out(self, request: UUID) -> None:
        """Do what a request asks, in one transaction with its answer; nothing if that was done before, or if it is not
        the forwarder's."""

        async def work(connection: Connection) -> None:
            await connection.execute(QUERIES.lock_request, {"request": request})
            parameters = {"request": request, "kinds": list(self._kinds)}
            row = await (await connection.execute(QUERIES.select_request, parameters)).fetchone()
            if row is not None:
                await self._answer(connection, row)

        await self._configuration.refresh()
        await self._database.retry(work)

    async def reconcile(self) -> int:
        """Carry out what no message brought. Returns how many."""
        async with self._database.transaction() as connection:
            rows = await (await connection.execute(QUERIES.select_undone, {"kinds": list(self._kinds)})).fetchall()
        for row in rows:
            await self.carry_out(row["id"])
        return len(rows)

    async def _answer(self, connection: Connection, row: DictRow) -> None:
        try:
            result = await self._kinds[row["kind"]](connection, row)
        except Refused as refusal:
            result = {"error": str(refusal)}
        parameters = {"request": row["id"], "result": json.dumps(result)}
        await connection.execute(QUERIES.insert_done, parameters)
        log.info("request_carried_out", request=str(row["id"]), kind=row["kind"], refused="error" in result)

    async def _send(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        """A job of its own, so that instances delivered before are sent again."""
        destination, uids = str(row["body"]["to"]), [str(uid) for uid in row["body"]["uids"]]
        self._check_destination(destination)
        found = await (await connection.execute(QUERIES.select_instances, {"uids": uids})).fetchall()
        if not found:
            raise Refused(
                f"{', '.join(uids)}: no stored study, series or instance has this UID; look with 'gateway studies list'"
            )
        studies = sorted({receipt["study_instance_uid"] for receipt in found})
        study = studies[0] if len(studies) == 1 else ""
        job = uuid4()
        priority = PRIORITIES["high"]  # a person waits for it
        parameters = {
            "job": job, "destination": destination, "study": study, "priority": priority, "request": row["id"],
        }  # fmt: skip
        await connection.execute(QUERIES.insert_request_job, parameters)
        key = JobKey(0, "", destination, study, study, "instance")
        planned = [
            Planned(instance(receipt), key, priority, 0, self._configuration.unsendable(receipt["sop_class_uid"]))
            for receipt in found
        ]
        await plans.insert_deliveries(connection, planned, [job] * len(planned), row["id"])
        await jobs.recompute(connection, {job} if any(each.refusal for each in planned) else set())
        await jobs.notify(connection, {destination})
        known = {
            receipt[name]
            for receipt in found
            for name in ("study_instance_uid", "series_instance_uid", "sop_instance_uid")
        }
        return {"job": str(job), "instances": len(found), "missing": [uid for uid in uids if uid not in known]}

    async def _retry(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        job = await self._job(connection, row["body"], RETRIABLE, "retried")
        self._check_destination(job["destination"])
        parameters = {"job": job["id"], "destination": job["destination"]}
        retried = await (await connection.execute(QUERIES.retry_deliveries, parameters)).fetchall()
        await connection.execute(QUERIES.reopen_job, parameters)
        await connection.execute(QUERIES.probe_now, parameters)
        await jobs.recompute(connection, {job["id"]})
        await jobs.notify(connection, {job["destination"]})
        return {"job": str(job["id"]), "deliveries": len(retried)}

    async def _cancel(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        job = await self._job(connection, row["body"], CANCELABLE, "cancelled")
        parameters = {"job": job["id"], "reason": f"cancelled by {row['requested_by']}"[:500]}
        canceled = await (await connection.execute(QUERIES.cancel_deliveries, parameters)).fetchall()
        await connection.execute(QUERIES.cancel_job, parameters)
        return {"job": str(job["id"]), "deliveries": len(canceled)}

    async def _job(self, connection: Connection, body: Mapping[str, Any], states: frozenset[str], verb: str) -> DictRow:
        try:
            number = UUID(str(body["job"]))
        except ValueError:
            raise Refused(f"job {body['job']!r} is no job id; look with 'gateway jobs list'") from None
        job = await (await connection.execute(QUERIES.select_job, {"job": number})).fetchone()
        if job is None:
            raise Refused(f"job {number} does not exist; look with 'gateway jobs list'")
        if job["state"] not in states:
            cure = f"; 'gateway send UID --to {job['destination']}' sends it again" if verb == "retried" else ""
            raise Refused(
                f"job {number} is {job['state']}: only jobs that are {', '.join(sorted(states))} can be {verb}{cure}"
            )
        return job

    def _check_destination(self, title: str) -> None:
        refusal = self._configuration.refusal(title)
        if refusal is not None:
            raise Refused(refusal)

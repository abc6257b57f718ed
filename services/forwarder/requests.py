"""What people ask for, carried out once: the answer in ``routing.request_done`` is the effect."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from psycopg.rows import DictRow

from services.forwarder import jobs, metrics, plans, retrieval_requests
from services.forwarder.configuration import Configuration
from services.forwarder.erasure import Erasing
from services.forwarder.evaluation import Evaluator
from services.forwarder.many import Many
from services.forwarder.planning import PRIORITIES, JobKey, Planned, SentAs, instance
from services.forwarder.precedence import put_first
from services.forwarder.routing_again import RoutingAgain
from services.runtime.db import Connection, Database, load_queries
from services.runtime.requests import CarryOut, Refused

QUERIES = load_queries(__package__, "requests.sql")
RETRIABLE = frozenset({"QUEUED", "ACTIVE", "FAILED", "CANCELED"})
CANCELABLE = frozenset({"QUEUED", "ACTIVE"})


class Requests(CarryOut):
    """The use cases *send*, *retrieve*, *retry*, *cancel*, *complete*, *route*, *first* and
    *erase*; those of many at once."""

    def __init__(self, database: Database, configuration: Configuration, evaluator: Evaluator) -> None:
        self._many = many = Many(configuration)
        kinds = {
            "send": self._send,
            "retrieve": self._retrieve,
            "retry": self._retry,
            "cancel": self._cancel,
            "complete": self._complete,
            "route": RoutingAgain(configuration, evaluator).route,
            "first": put_first,
            "retry-deliveries": many.retry,
            "cancel-deliveries": many.cancel,
            "reroute-deliveries": many.reroute,
            "erase": Erasing(many).erase,
        }
        super().__init__(database, QUERIES, kinds, configuration.refresh)
        self._configuration = configuration

    async def _send(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        """A job of its own, so that instances delivered before are sent again. Why, stands where a rule's name does.

        They go as they are stored; ``as_sent``: changed as they were when they went there last. ``skip_present``: only
        what the station has not got already, or all the same; left out: as the station says.
        """
        destination, uids = str(row["body"]["to"]), [str(uid) for uid in row["body"]["uids"]]
        self._check_destination(destination)
        if not self._configuration.stations[destination].store:
            raise Refused(
                f"station {destination} may not be sent to; 'gateway station set {destination} --store' allows it"
            )
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
            "why": str(row["body"].get("reason", "")), "skip_present": row["body"].get("skip_present"),
        }  # fmt: skip
        await connection.execute(QUERIES.insert_request_job, parameters)
        key = JobKey(0, "", destination, study, study, "instance")
        sent_as = await _sent_as(connection, destination, found) if row["body"].get("as_sent") else {}
        by_class = self._configuration.by_class
        planned = [
            Planned(
                instance(receipt), key, priority, 0, refusal=by_class.refusal(receipt["sop_class_uid"]),
                sent_as=sent_as.get(receipt["sop_instance_uid"]),
            )
            for receipt in found
        ]  # fmt: skip
        await connection.execute(plans.QUERIES.lock_ledger)
        made = await plans.insert_deliveries(connection, planned, [job] * len(planned), row["id"])
        await jobs.recompute(connection, {each["job"] for each in made if each["state"] == "FAILED"})
        await jobs.notify(connection, {destination})
        known = {
            receipt[name]
            for receipt in found
            for name in ("study_instance_uid", "series_instance_uid", "sop_instance_uid")
        }
        return {"job": str(job), "instances": len(found), "missing": [uid for uid in uids if uid not in known]}

    async def _retrieve(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        return await retrieval_requests.retrieve(connection, row, self._configuration)

    async def _retry(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        job = await self._job(connection, row["body"], RETRIABLE, "retried")
        if job["kind"] == "retrieve":
            again = await retrieval_requests.retry(connection, job["id"])
            await connection.execute(QUERIES.reopen_job, {"job": job["id"]})
            return {"job": str(job["id"]), "requests": again}
        self._check_destination(job["destination"])
        return {"job": str(job["id"])} | await self._many.retry_job(connection, job)

    async def _cancel(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        job = await self._job(connection, row["body"], CANCELABLE, "cancelled")
        parameters = {"job": job["id"], "reason": f"cancelled by {row['requested_by']}"[:500]}
        if job["kind"] == "retrieve":
            ended = await retrieval_requests.cancel(connection, job["id"], parameters["reason"])
            await connection.execute(QUERIES.cancel_job, parameters)
            return {"job": str(job["id"]), "requests": ended}
        canceled = await (await connection.execute(QUERIES.cancel_deliveries, parameters)).fetchall()
        await connection.execute(QUERIES.cancel_job, parameters)
        await jobs.recompute(connection, {job["id"]})
        await jobs.notify_canceled(connection)
        return {"job": str(job["id"]), "deliveries": len(canceled)}

    async def _complete(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        job = await self._found(connection, row["body"])
        if job["released_at"] is not None:
            done = f"and is complete already ({job['completed_by']})" if job["completed_by"] else "and collects nothing"
            raise Refused(
                f"job {job['id']} is {job['state']} {done}: only what waits for its series or study to be complete can "
                f"be completed; 'gateway jobs show {job['id']}' says how far it is, and what it waits for"
            )
        completed = jobs.Completed(job["id"], job["destination"], f"by {row['requested_by']}")
        due = await jobs.let_go(connection, [completed])
        metrics.RELEASED.inc()
        return {"job": str(job["id"]), "deliveries": due}

    async def _found(self, connection: Connection, body: Mapping[str, Any]) -> DictRow:
        """The job, locked."""
        try:
            number = UUID(str(body["job"]))
        except ValueError:
            raise Refused(f"job {body['job']!r} is no job id; look with 'gateway jobs list'") from None
        job = await (await connection.execute(QUERIES.select_job, {"job": number})).fetchone()
        if job is None:
            raise Refused(f"job {number} does not exist; look with 'gateway jobs list'")
        return job

    async def _job(self, connection: Connection, body: Mapping[str, Any], states: frozenset[str], verb: str) -> DictRow:
        """The job, locked, if it is in one of the states."""
        job = await self._found(connection, body)
        if job["state"] not in states:
            cure = _again(job) if verb == "retried" else ""
            raise Refused(
                f"job {job['id']} is {job['state']}: only jobs that are {', '.join(sorted(states))} can be {verb}{cure}"
            )
        return job

    def _check_destination(self, title: str) -> None:
        refusal = self._configuration.refusal(title)
        if refusal is not None:
            raise Refused(refusal)


def _again(job: Mapping[str, Any]) -> str:
    """How to have done once more what a job has done (pure)."""
    to = f"--to {job['destination']}"
    if job["kind"] == "retrieve":
        return f"; 'gateway retrieve UID --from {job['source']} {to}' fetches it again"
    return f"; 'gateway send UID {to}' sends it again"


async def _sent_as(connection: Connection, destination: str, found: Sequence[DictRow]) -> dict[str, SentAs]:
    """How instances went to the destination last, by SOP Instance UID."""
    parameters = {"uids": [receipt["sop_instance_uid"] for receipt in found], "destination": destination}
    rows = await (await connection.execute(QUERIES.select_sent_as, parameters)).fetchall()
    return {row["sop_instance_uid"]: SentAs(row["transformation"], row["sent_sop_instance_uid"]) for row in rows}

"""What commitments do to deliveries: let those go that waited for one, fail those that wait in vain, send again what a
station has refused to commit because it does not have it (0112)."""

from collections import defaultdict
from typing import Any
from uuid import UUID

import structlog

from services.forwarder import jobs, plans
from services.forwarder.configuration import Configuration
from services.forwarder.planning import PRIORITIES, JobKey, Planned, SentAs, instance
from services.runtime.db import Connection, Database, load_queries

QUERIES = load_queries(__package__, "commitments.sql")
MOST = 1000
SEND_AGAIN_RULE = "refused with 0112"
"""What such a job shows as its rule."""

log = structlog.get_logger(__name__)


class Commitments:
    """The use cases *let go*, *fail* and *send again*; each is idempotent."""

    def __init__(self, database: Database, configuration: Configuration) -> None:
        self._database = database
        self._configuration = configuration

    async def awaited(self, study: str | None = None) -> None:
        """Decide about what waits for a commitment, of one study or (None) of all."""
        while await self._database.retry(lambda connection: let_go(connection, study)) == MOST:
            continue
        failed = await self._database.retry(lambda connection: fail_hopeless(connection, study))
        if failed:
            log.warning("deliveries_wait_in_vain", count=failed)

    async def send_again(self) -> int:
        """Make the deliveries of what is to be sent again. Returns how many."""
        await self._configuration.refresh()
        return await self._database.retry(self._send_again)

    async def _send_again(self, connection: Connection) -> int:
        await connection.execute(QUERIES.lock_commitment)
        await connection.execute(plans.QUERIES.lock_ledger)
        parameters = {"rule": SEND_AGAIN_RULE, "most": MOST}
        rows = await (await connection.execute(QUERIES.select_send_again, parameters)).fetchall()
        by_job: dict[tuple[UUID, str], list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            by_job[row["request"], row["destination"]].append(row)
        for (request, destination), refused in by_job.items():
            await self._insert(connection, request, destination, refused)
        return len(rows)

    async def _insert(
        self, connection: Connection, request: UUID, destination: str, refused: list[dict[str, Any]]
    ) -> None:
        study = refused[0]["study_instance_uid"]
        priority = PRIORITIES["normal"]
        job = {"request": request, "destination": destination, "study": study, "priority": priority}
        await connection.execute(QUERIES.insert_job, job | {"rule": SEND_AGAIN_RULE})
        refusal = self._configuration.refusal(destination) or ""
        planned = [
            Planned(
                instance(row), JobKey(0, row["rule"], destination, study, study, "instance"), priority, 0,
                refusal=refusal, commit=row["commit"], source=row["source"], back=row["back"],
                sent_as=SentAs(row["transformation"], row["sent_sop_instance_uid"]),
                schedule=tuple(row["schedule"] or ()),
            )
            for row in refused
        ]  # fmt: skip
        await plans.insert_deliveries(connection, planned, [request] * len(planned), request)
        await jobs.recompute(connection, {request})
        await jobs.notify(connection, {destination})


async def let_go(connection: Connection, study: str | None) -> int:
    """Let deliveries go that every awaited station has committed; how many."""
    parameters = {"study": study, "most": MOST}
    rows = await (await connection.execute(QUERIES.select_committed, parameters)).fetchall()
    if rows:
        # The release of a collecting job locks it too: either it, or this, sees what the other did.
        await jobs.lock(connection, {row["job"] for row in rows})
        gone = await (await connection.execute(QUERIES.let_go, _keys(rows))).fetchall()
        await jobs.notify(connection, {row["destination"] for row in gone})
    return len(rows)


async def fail_hopeless(connection: Connection, study: str | None) -> int:
    """End deliveries FAILED that wait for a commitment which nothing brings any more; how many."""
    parameters = {"study": study, "most": MOST}
    rows = await (await connection.execute(QUERIES.select_hopeless, parameters)).fetchall()
    if not rows:
        return 0
    await jobs.lock(connection, {row["job"] for row in rows})
    reasons = [in_vain(row["server"], row["commitment"], row["refusal"]) for row in rows]
    ended = await (await connection.execute(QUERIES.fail, _keys(rows) | {"reason": reasons})).fetchall()
    await jobs.recompute(connection, {row["job"] for row in ended})
    return len(ended)


def in_vain(server: str, commitment: str, refusal: str) -> str:
    """Why a delivery that waits for a commitment has failed, with the cure (pure)."""
    if commitment:
        return (
            f"{server} has not committed the instance (commitment {commitment}: {refusal or 'closed'}); "
            f"'gateway commitments retry {commitment}', then retry the job"
        )
    return f"nothing that {server} commits was sent of the instance; retry the job that sends it, then this one"


def _keys(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"received_at": [row["received_at"] for row in rows], "id": [row["id"] for row in rows]}

"""Retention: deletes studies that are old enough, delivered and committed, through the same door as a person does.

It keeps one row a study with the time at which the study has to be looked at next, so that nothing is ever searched for
among all instances (docs/decisions/0034).
"""

import json
from typing import Any, Final

import structlog

from services.runtime.db import Connection, Database, load_queries
from services.runtime.errors import GatewayError
from services.runtime.supervise import Supervisor
from services.storage import metrics
from services.storage.deletion import held, hide, lock_contents
from services.storage.leadership import Leadership
from services.storage.retention_policy import Content, Policy, Source, Verdict, judge
from services.storage.settings import StorageSettings

QUERIES = load_queries(__package__, "retention.sql")
ACTOR: Final = "retention"
"""Who deletes, in the audit."""
RECEIPTS_AT_ONCE: Final = 5000
ADOPTED_AT_ONCE: Final = 10_000
INSTANCES_AT_ONCE: Final = 2000
"""Of a larger study so many go in a transaction; the rest follows at once."""
SETTLE_SECONDS: Final = 600.0

log = structlog.get_logger(__name__)


class Retention:
    """The policy in force is the setting's and the stations'. ``commitment``: the profile asks for it."""

    def __init__(
        self, database: Database, leadership: Leadership, settings: StorageSettings, *, commitment: bool
    ) -> None:
        self._database, self._leadership, self._settings = database, leadership, settings
        self._commitment = commitment

    async def run(self, supervisor: Supervisor) -> None:
        """Work until the process stops; a supervised task."""
        while not await supervisor.pause(self._settings.retention_poll_seconds):
            if not self._leadership.held:
                metrics.RETENTION_STUDIES.clear()  # whoever leads now tells how many
            if not self._leadership.held or not self._database.available:
                continue
            try:
                while await self.run_once() and not supervisor.stopping.is_set() and self._leadership.held:
                    pass
                await self._measure()
            except GatewayError as error:
                log.warning("retention_postponed", reason=str(error))

    async def run_once(self) -> bool:
        """Follow the policy and the receipts a step, look at the studies that are due; whether there is more to do."""
        policy = await self.policy()
        behind = await self._database.retry(lambda connection: self._follow(connection, policy))
        parameters = {"most": self._settings.retention_studies}
        async with self._database.transaction() as connection:
            due = await (await connection.execute(QUERIES.select_due, parameters)).fetchall()
        outcomes = [await self._look(row["study_instance_uid"], policy) for row in due]
        return behind or "deleted" in outcomes or len(due) == self._settings.retention_studies

    async def policy(self) -> Policy:
        """As settings and stations have it now."""
        async with self._database.transaction() as connection:
            return await policy(connection, self._settings, commitment=self._commitment)

    async def _follow(self, connection: Connection, policy: Policy) -> bool:
        """Learn of studies that were received and give them their time; whether there is more."""
        progress = await (await connection.execute(QUERIES.lock_progress)).fetchone()
        if progress is None:
            raise LookupError("storage.retention_progress has no row: the database was not migrated")
        if progress["policy"] != policy.document():
            await connection.execute(QUERIES.adopt_policy, {"policy": json.dumps(policy.document())})
            log.info("retention_policy_adopted", **policy.document())
            return True
        if progress["adopting"] is not None:
            parameters = {"adopting": progress["adopting"], "days": policy.least_days, "most": ADOPTED_AT_ONCE}
            await connection.execute(QUERIES.adopt_next, parameters)
            return True
        parameters = {
            "recorded_at": progress["recorded_at"],
            "object_key": progress["object_key"],
            "days": policy.least_days,
            "settle": SETTLE_SECONDS,
            "most": RECEIPTS_AT_ONCE,
        }
        last = await (await connection.execute(QUERIES.track_studies, parameters)).fetchone()
        if last is not None:
            await connection.execute(QUERIES.advance_progress, last)
        return last is not None and last["receipts"] == RECEIPTS_AT_ONCE

    async def _look(self, study: str, policy: Policy) -> str:
        """Delete a study, or write down why it stays, in one transaction; what was done of it."""

        async def work(connection: Connection) -> str:
            row = await (await connection.execute(QUERIES.lock_study, {"study": study})).fetchone()
            if row is None:
                return ""
            verdict, contents = await examine(connection, policy, study, row["at"], lock=True)
            if not contents:
                await connection.execute(QUERIES.forget_study, {"study": study})
                return "gone"
            if verdict.kept:
                await connection.execute(QUERIES.look_later, {"study": study, **vars(verdict)})
                return "kept"
            await self._delete(connection, policy, study, contents[:INSTANCES_AT_ONCE])
            return "deleted"

        if outcome := await self._database.retry(work):
            metrics.RETENTION.labels(outcome).inc()
        return outcome

    async def _delete(self, connection: Connection, policy: Policy, study: str, contents: list[Content]) -> None:
        hidden = await hide(connection, [(content.sop_instance_uid, content.revision) for content in contents])
        after = {"instances": hidden, "bytes": sum(content.size for content in contents), "policy": policy.document()}
        await connection.execute(QUERIES.record_deletion, {"actor": ACTOR, "study": study, "after": json.dumps(after)})
        log.info("study_deleted_by_retention", study=study, instances=hidden)

    async def _measure(self) -> None:
        async with self._database.transaction() as connection:
            row = await (await connection.execute(QUERIES.count_kept)).fetchone()
        for name, value in (row or {}).items():
            metrics.RETENTION_STUDIES.labels(name).set(value)


async def policy(connection: Connection, settings: StorageSettings, *, commitment: bool) -> Policy:
    """What is in force, by the settings and the stations of the database."""
    rows = await (await connection.execute(QUERIES.select_policies)).fetchall()
    sources = {row["title"]: row["retention_days"] for row in rows}
    return Policy(settings.retention_days, sources, settings.retention_unmatched, commitment)


async def examine(
    connection: Connection, policy: Policy, study: str, at: Any, *, lock: bool
) -> tuple[Verdict, list[Content]]:
    """The verdict on a study and what it has stored; ``lock``: nobody else deletes of it meanwhile."""
    if lock:
        uids = [content.sop_instance_uid for content in await _contents(connection, study)]
        await lock_contents(connection, uids)
    contents = await _contents(connection, study)
    keys = {
        "sop_instance_uid": [content.sop_instance_uid for content in contents],
        "revision": [content.revision for content in contents],
    }
    rows = await (await connection.execute(QUERIES.select_sources, keys)).fetchall()
    against = await held(connection, keys["sop_instance_uid"], commitment=policy.commitment)  # type: ignore[arg-type]
    return judge(policy, at, [Source(**row) for row in rows], contents, against), contents


async def _contents(connection: Connection, study: str) -> list[Content]:
    rows = await (await connection.execute(QUERIES.select_contents, {"study": study})).fetchall()
    return [Content(**row | {"waiting": tuple(row["waiting"])}) for row in rows]


async def preview(connection: Connection, policy: Policy, most: int) -> list[dict[str, Any]]:
    """The studies that were received longest ago, at most so many, each with the verdict on it. Changes nothing."""
    parameters = {"days": policy.least_days, "most": most}
    rows = await (await connection.execute(QUERIES.select_oldest, parameters)).fetchall()
    found = []
    for row in rows:
        verdict, contents = await examine(connection, policy, row["study_instance_uid"], row["at"], lock=False)
        found.append(
            {
                "study": row["study_instance_uid"],
                "last_received_at": row["last_received_at"].isoformat(),
                "instances": len({content.sop_instance_uid for content in contents}),
                "bytes": sum(content.size for content in contents),
                "kept": verdict.kept,
            }
        )
    return found

"""Reporting to peers what we commit to, each report on a new association (PS3.4 J.3.3), until they take it."""

import asyncio
import random
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import uuid4

import structlog
from psycopg.rows import DictRow

from services.commitment import metrics
from services.commitment.ground import Ground
from services.commitment.inbound_transfer import Report, ReportCall
from services.commitment.stations import Station
from services.dicom import outgoing
from services.dicom.errors import AssociationError
from services.runtime.backoff import delay_seconds
from services.runtime.db import load_queries
from services.runtime.errors import GatewayError

QUERIES = load_queries(__package__, "inbound_reporting.sql")
SLOT_WAIT_SECONDS: Final = 10.0
RENEWALS_PER_LEASE: Final = 3
LONGEST_REASON: Final = 500
UNCONFIGURED: Final = (
    "the station is not configured any more, or not enabled: 'gateway station set' gives it an address"
)

log = structlog.get_logger(__name__)


class Stopping(GatewayError):
    """No association is waited for any more."""


@dataclass(frozen=True)
class Result:
    """How an attempt ended. ``status`` None: no answer came; ``reached``: the peer had an association for it."""

    status: int | None
    reason: str
    reached: bool


class Reporter:
    """Sends what is due: one report at a time to a peer, several peers at once."""

    def __init__(self, ground: Ground) -> None:
        self._ground, self._settings = ground, ground.settings
        self._database = ground.runtime.db
        self._busy: set[str] = set()
        self._ended = asyncio.Event()  # of an attempt
        self._claiming = asyncio.Lock()  # what is claimed is begun

    async def run_due(self) -> None:
        """Begin every report that is due, as far as there are threads."""
        supervisor = self._ground.runtime.supervisor
        await self._ground.stations.refresh()
        while len(self._busy) < self._settings.reports_at_once and not supervisor.stopping.is_set():
            holder = f"commitment {uuid4()}"
            async with self._claiming:
                row = await self._claim(holder)
                if row is None:
                    return
                self._busy.add(row["calling_aet"])
                supervisor.spawn(f"report {row['id']}", partial(self._attempt, row, holder), restart=False)

    async def drained(self) -> None:
        """Wait for what is under way: the stop of the process has aborted it, a connection may still be tried."""
        async with self._claiming:
            pass
        while self._busy:
            self._ended.clear()
            await self._ended.wait()

    async def _claim(self, holder: str) -> DictRow | None:
        parameters = {"busy": sorted(self._busy), "holder": holder, "lease": self._settings.lease_seconds}
        async with self._database.transaction() as connection:
            return await (await connection.execute(QUERIES.claim, parameters)).fetchone()

    async def _attempt(self, row: DictRow, holder: str) -> None:
        """One attempt and its record. While the database is away the lease ends it."""
        key = {"received_at": row["received_at"], "id": row["id"], "holder": holder}
        try:
            result = await self._send(row, key)
            await self._record(row, key, result)
        except GatewayError as error:
            log.warning("commitment_report_not_recorded", inbound=str(row["id"]), reason=str(error))
        finally:
            self._busy.discard(row["calling_aet"])
            self._ended.set()

    async def _send(self, row: DictRow, key: dict[str, Any]) -> Result:
        station = self._ground.stations.get(row["calling_aet"])
        if station is None or not station.enabled:
            return Result(None, UNCONFIGURED, reached=False)
        call = ReportCall(self._ground.profile, station, row["called_aet"], self._settings.connect_seconds)
        report = await self._report(row, key)
        try:
            async with outgoing.slot(
                self._database, self._wanted(station), wait_seconds=SLOT_WAIT_SECONDS, on_wait=self._going_on,
                on_lost=call.abort,
            ):  # fmt: skip
                with self._ground.runtime.supervisor.calling_on_stop(call.abort):
                    work = asyncio.get_running_loop().run_in_executor(self._ground.threads, call.run, report)
                    status = await self._holding(key, work)
        except (outgoing.NoSlot, Stopping) as error:
            return Result(None, str(error), reached=True)
        except AssociationError as error:
            return Result(None, str(error), reached=error.phase in ("request", "response"))
        except GatewayError:
            raise
        except Exception as error:
            log.exception("commitment_report_failed", inbound=str(row["id"]))
            return Result(None, f"a fault of our own: {type(error).__name__}", reached=True)
        return Result(status, "" if status == 0 else f"the peer answered the report with {status:04X}", reached=True)

    async def _going_on(self) -> None:
        if self._ground.runtime.supervisor.stopping.is_set():
            raise Stopping("the process stops")

    def _wanted(self, station: Station) -> outgoing.Wanted:
        holder, lease = outgoing.holder("commitment"), self._settings.lease_seconds
        return outgoing.Wanted(station.title, holder, station.associations, self._ground.profile.outgoing, lease)

    async def _report(self, row: DictRow, key: dict[str, Any]) -> Report:
        async with self._database.transaction() as connection:
            items = await (await connection.execute(QUERIES.select_items, key)).fetchall()
        named = [(item["sop_class_uid"], item["sop_instance_uid"], item["failure_reason"]) for item in items]
        committed = [(sop_class, instance) for sop_class, instance, reason in named if reason is None]
        return Report(row["transaction_uid"], committed, [each for each in named if each[2] is not None])

    async def _holding(self, key: dict[str, Any], work: asyncio.Future[int]) -> int:
        """Renew the lease until the thread ends. One that is lost costs a second report, which peers must bear."""
        lease = self._settings.lease_seconds
        while not (await asyncio.wait({work}, timeout=lease / RENEWALS_PER_LEASE))[0]:
            try:
                async with self._database.transaction() as connection:
                    await connection.execute(QUERIES.renew, key | {"lease": lease})
            except GatewayError as error:
                log.warning("commitment_report_lease_not_renewed", inbound=str(key["id"]), reason=str(error))
        return work.result()

    async def _record(self, row: DictRow, key: dict[str, Any], result: Result) -> None:
        delay = delay_seconds(row["attempts"], random.random())  # noqa: S311 - spreads rivals, no secret
        parameters = key | {"status": result.status, "reason": result.reason[:LONGEST_REASON], "delay": delay}
        parameters["calling_aet"] = row["calling_aet"]
        async with self._database.transaction() as connection:
            ended = await (await connection.execute(QUERIES.record_result, parameters)).fetchone()
            if not result.reached:
                await connection.execute(QUERIES.postpone_others, parameters)
            elif result.status == 0:
                await connection.execute(QUERIES.hurry_others, parameters)
        if ended is not None:
            _tell(row, ended, result)


def _tell(row: DictRow, ended: DictRow, result: Result) -> None:
    facts = {
        "inbound": str(row["id"]), "calling": row["calling_aet"], "transaction": row["transaction_uid"],
        "attempts": ended["attempts"], "committed": ended["committed"], "failed": ended["failed"],
    }  # fmt: skip
    if ended["state"] == "READY":
        log.warning("commitment_report_postponed", reason=result.reason, **facts)
        return
    metrics.INBOUND.labels(ended["state"]).inc()
    if ended["state"] == "GIVEN UP":
        log.error("commitment_report_given_up", reason=result.reason, **facts)
    else:
        log.info("commitment_reported_to_peer", same_association=False, **facts)

"""Message handlers and reconcilers of the forwarder, and its loops over time."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog

from schemas.messages import CommitmentChanged, Envelope, InstanceStored
from services.forwarder import destinations, jobs, ledger, metrics, precedence
from services.forwarder.commitments import Commitments
from services.forwarder.configuration import Configuration
from services.forwarder.evaluation import Evaluator, ReceiptKey
from services.forwarder.holds import Holds
from services.forwarder.plans import QUERIES
from services.forwarder.requests import Requests
from services.forwarder.settings import ForwarderSettings
from services.runtime.db import Connection, Database
from services.runtime.errors import RefusedData

OVERLAP_SECONDS = 600.0
SHORT_OVERLAP_SECONDS = 60.0
FULL_EVERY = 6  # every sixth run looks at the whole overlap: under load each run would read 200,000 receipts again
FIRST = (datetime(2000, 1, 1, tzinfo=UTC), "")
HELD_BACK = timedelta(days=7)  # for a receipt that cannot be evaluated: each run looks through all since
UNKNOWN_STATION_RETRY_HOURS = 72

log = structlog.get_logger(__name__)


class Handlers:
    """What comes by message, and by asking for what no message brought."""

    def __init__(
        self,
        database: Database,
        evaluator: Evaluator,
        requests: Requests,
        commitments: Commitments,
        settings: ForwarderSettings,
    ) -> None:
        self._database = database
        self._commitments = commitments
        self._evaluator = evaluator
        self.requests = requests
        self._settings = settings
        self._runs = 0

    async def stored(self, envelopes: Sequence[Envelope]) -> None:
        """Evaluate the receipts of a batch of ``instance.stored``."""
        bodies = [envelope.body for envelope in envelopes if isinstance(envelope.body, InstanceStored)]
        await self._evaluator.evaluate([ReceiptKey(body.received_at, body.object_key) for body in bodies], by="message")

    async def committed(self, envelopes: Sequence[Envelope]) -> None:
        """Decide about what waits for the commitments that changed."""
        bodies = [envelope.body for envelope in envelopes if isinstance(envelope.body, CommitmentChanged)]
        for study in sorted({body.study_instance_uid for body in bodies if body.state in ("SUCCESS", "FAILURE")}):
            await self._commitments.awaited(study)

    async def reconcile(self, *, age_seconds: float) -> int:
        """Do what no message brought. Returns how many receipts and requests."""
        done = await self.requests.reconcile() + await self._commitments.send_again()
        overlap = OVERLAP_SECONDS if self._runs % FULL_EVERY == 0 else SHORT_OVERLAP_SECONDS
        async with self._database.transaction() as connection:
            parameters = {"overlap": overlap, "age": age_seconds}
            window = await (await connection.execute(QUERIES.begin_reconcile, parameters)).fetchone()
        if window is None:
            raise LookupError("routing.reconciled has no row: the database was not migrated")
        count, through = await self._evaluate_window(window["lower"], window["upper"])
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES.advance_reconciled, {"through": through})
        self._runs += 1
        return done + count

    async def _evaluate_window(self, lower: datetime, upper: datetime) -> tuple[int, datetime]:
        """How many were evaluated, and the time up to which nothing is left (object away, rule set unreadable)."""
        count, through = 0, upper
        after = FIRST
        while True:
            parameters = {
                "lower": lower,
                "upper": upper,
                "after_recorded_at": after[0],
                "after_object_key": after[1],
                "most": self._settings.batch,
            }
            async with self._database.transaction() as connection:
                rows = await (await connection.execute(QUERIES.select_unevaluated, parameters)).fetchall()
            left = await self._evaluate([ReceiptKey(row["received_at"], row["object_key"]) for row in rows])
            through = max(min([through, *left]), upper - HELD_BACK)
            count += len(rows) - len(left)
            if len(rows) < self._settings.batch:
                return count, through
            after = (rows[-1]["recorded_at"], rows[-1]["object_key"])

    async def _evaluate(self, keys: list[ReceiptKey]) -> list[datetime]:
        """Evaluate; when those that could not be were recorded."""
        if not keys:
            return []
        try:
            await self._evaluator.evaluate(keys, by="reconciler")
        except RefusedData as error:
            log.error("receipts_not_evaluated", count=len(keys), error=str(error))
        parameters = {"received_at": [key.received_at for key in keys], "object_key": [key.object_key for key in keys]}
        async with self._database.transaction() as connection:
            left = await (await connection.execute(QUERIES.select_left, parameters)).fetchall()
        return [row["recorded_at"] for row in left]


class Clocks:
    """What happens because time passed. All times are the database's."""

    def __init__(
        self, database: Database, configuration: Configuration, holds: Holds, settings: ForwarderSettings
    ) -> None:
        self._database = database
        self._configuration = configuration
        self._holds = holds
        self._settings = settings

    async def release(self) -> None:
        """Let jobs go whose series or study is complete."""
        released = await self._database.retry(jobs.release)
        metrics.RELEASED.inc(len(released))

    async def expire(self) -> None:
        """Deliveries of workers that are gone become UNKNOWN; which stations hold those is read first."""
        await self._configuration.refresh()
        held = [station.title for station in self._configuration.stations.values() if station.policy.hold]
        lease = self._settings.lease_seconds
        async with self._database.transaction() as connection:
            expired = await ledger.expire_leases(connection, held, lease)
            await jobs.notify(connection, expired.keys())
        for title, count in expired.items():
            metrics.LEASES_EXPIRED.inc(count)
            log.warning("leases_expired", destination=title, count=count)

    async def give_up(self) -> None:
        """Deliveries that waited for their station's retry hours have FAILED; not what should have been parked."""
        await self._configuration.refresh()
        await self._holds.keep()
        async with self._database.transaction() as connection:
            titles = await ledger.waiting_destinations(connection)
        for title in titles:
            station = self._configuration.stations.get(title)
            await self._give_up(title, station.retry_hours if station else UNKNOWN_STATION_RETRY_HOURS)

    async def _give_up(self, title: str, retry_hours: int) -> None:
        async def work(connection: ledger.Connection) -> int:
            return await ledger.give_up(connection, title, retry_hours)

        if await self._database.retry(work):
            log.warning("deliveries_given_up", destination=title, retry_hours=retry_hours)

    async def end_deleted(self) -> None:
        """What waits for an instance that was deleted has FAILED, also where no claim comes to it."""
        seconds = self._settings.reconcile_age_seconds
        ended = Counter(await self._database.retry(lambda connection: ledger.end_deleted(connection, seconds)))
        for title, count in ended.items():
            log.warning("deliveries_of_deleted_instances_ended", destination=title, count=count)

    async def age(self) -> None:
        """What has waited long behind what is more urgent rises by a priority."""
        seconds, titles = self._settings.aging_seconds, self._configuration.not_held()
        while seconds and await self._database.retry(partial(_raise, titles, seconds)) == precedence.MOST_RAISED:
            continue

    async def measure(self) -> None:
        """Metrics of every configured destination; one that is removed is told of no more."""
        held, shut = await self._holds.count(), await self._holds.count_shut()
        measured: dict[str, tuple[float, ...]] = {}
        for title in list(self._configuration.stations):
            async with self._database.transaction() as connection:
                age, count = await ledger.backlog(connection, title)
                circuit = await destinations.circuit(connection, title)
            measured[title] = age, count, circuit.open, *held.get(title, (0, 0.0)), shut.get(title, 0)
        for place, gauge in enumerate(metrics.OF_DESTINATIONS):
            gauge.clear()
            for title, values in measured.items():
                gauge.labels(title).set(values[place])
        for title in measured:
            metrics.REJECTED.labels(title)  # counts from 0


async def _raise(titles: Sequence[str], seconds: float, connection: Connection) -> int:
    return await precedence.raise_waiting(connection, titles, seconds)

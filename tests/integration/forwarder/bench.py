"""A forwarder of the test's own on real PostgreSQL, sending to real receivers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from services.dicom.profile import Profile, profile_of
from services.dicom.settings import DicomSettings
from services.forwarder.associations import Associations
from services.forwarder.commitments import Commitments
from services.forwarder.configuration import Configuration
from services.forwarder.counting import Counting
from services.forwarder.evaluation import Evaluator, ReceiptKey
from services.forwarder.failover import Failover
from services.forwarder.handlers import Clocks, Handlers
from services.forwarder.holds import Holds
from services.forwarder.lanes import Lanes
from services.forwarder.loops import spawn_loops
from services.forwarder.means import Means
from services.forwarder.preparation import Preparation
from services.forwarder.probes import Probes
from services.forwarder.requests import Requests
from services.forwarder.retrievals import Retrievals
from services.forwarder.retrieving import Means as RetrievingMeans
from services.forwarder.settings import ForwarderSettings
from services.runtime.db import Database
from services.runtime.loops import Loops
from services.runtime.supervise import Supervisor
from tests.recorded import Recorded, Recorder
from tests.waiting import until_async

GATEWAY = profile_of("gateway", DicomSettings())
SETTINGS: dict[str, Any] = {"poll_seconds": 0.2, "idle_seconds": 0.5, "slow_retry_seconds": 2.0}


@dataclass
class Forwarder:
    """The parts of one running forwarder."""

    database: Database
    configuration: Configuration
    evaluator: Evaluator
    handlers: Handlers
    requests: Requests
    clocks: Clocks
    commitments: Commitments
    failover: Failover
    associations: Associations
    lanes: Lanes
    retrievals: Retrievals
    supervisor: Supervisor

    async def evaluate(self, recorded: Sequence[Recorded]) -> None:
        """What the message handler does with ``instance.stored`` of these."""
        await self.evaluator.evaluate([ReceiptKey(each.received_at, each.object_key) for each in recorded], by="test")


@asynccontextmanager
async def forwarder(
    recorder: Recorder, *, sending: bool = True, drain_seconds: float = 5, profile: Profile = GATEWAY, **settings: Any
) -> AsyncIterator[Forwarder]:
    """Entered when it knows the configuration; ``sending`` False: evaluates only, no loop runs."""
    chosen = ForwarderSettings(**SETTINGS | settings)
    supervisor = Supervisor()
    async with AsyncExitStack() as stack:
        database = Database(recorder.database_url, application="test-forwarder")
        await database.open()
        stack.push_async_callback(database.close)
        async with asyncio.timeout(10):
            await database.wait_available()
        threads = stack.enter_context(ThreadPoolExecutor(profile.outgoing))
        configuration = Configuration(database, chosen.rule_sets, profile)
        await configuration.refresh()
        preparation = Preparation(recorder.objects, recorder.folder, 1 << 30)
        means = Means(database, preparation, chosen, profile, supervisor, threads)
        lanes = Lanes(means, configuration, "GATEWAY")
        lanes.adjust()
        probes = Probes(means, configuration, lanes.line)
        evaluator = Evaluator(configuration, recorder.objects, chosen.reopen_seconds)
        requests = Requests(database, configuration, evaluator)
        holds = Holds(database)
        clocks = Clocks(database, configuration, holds, chosen)
        commitments = Commitments(database, configuration)
        handlers = Handlers(database, evaluator, requests, commitments, chosen)
        failover = Failover(database, configuration)
        associations = Associations(database, configuration)
        asking = RetrievingMeans(database, configuration, chosen, profile, "GATEWAY", supervisor, threads)
        retrievals = Retrievals(asking)
        if sending:
            loops = Loops(database, supervisor)
            await spawn_loops(
                loops,
                configuration,
                lanes,
                probes,
                clocks,
                commitments,
                holds,
                failover,
                retrievals,
                associations,
                Counting(asking),
                chosen,
            )
        try:
            yield Forwarder(
                database,
                configuration,
                evaluator,
                handlers,
                requests,
                clocks,
                commitments,
                failover,
                associations,
                lanes,
                retrievals,
                supervisor,
            )
        finally:  # else a test that fails waits for the threads for ever
            supervisor.stop()
            await lanes.drained(drain_seconds)
            await retrievals.drained(drain_seconds)
            await supervisor.drain(5)


class Ledger:
    """Looks into the schema ``routing``."""

    def __init__(self, database_url: str) -> None:
        self.url = database_url

    def rows(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """All rows of a statement."""
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(statement.encode(), parameters or None).fetchall()

    def execute(self, statement: str, *parameters: object) -> None:
        """Run a statement."""
        with psycopg.connect(self.url) as connection:
            connection.execute(statement.encode(), parameters or None)

    async def try_now(self, destination: str = "%") -> None:
        """Resting destinations are tried at once. Not in the loop: a transaction there may hold their rows."""
        statement = "update routing.destination set retry_at = now() where title like %s and circuit = 'OPEN'"
        await asyncio.to_thread(self.execute, statement, destination)

    def deliveries(self, destination: str | None = None) -> list[dict[str, Any]]:
        """Deliveries by id, without the times that may be infinite."""
        return self.rows(
            "select id, sop_instance_uid, revision, destination, job, state, status, reason, attempts, lease_holder, "
            "next_attempt_at = 'infinity' as waits_for_ever from routing.delivery "
            "where %s::text is null or destination = %s order by id",
            destination,
            destination,
        )

    def states(self, destination: str | None = None) -> dict[str, int]:
        """How many deliveries are in each state."""
        counts: dict[str, int] = {}
        for row in self.deliveries(destination):
            counts[row["state"]] = counts.get(row["state"], 0) + 1
        return counts

    def attempts(self, delivery: int) -> list[dict[str, Any]]:
        """Attempts of a delivery in order."""
        return self.rows("select * from routing.attempt where delivery = %s order by id", delivery)

    def attempts_made(self, destination: str) -> int:
        """How often deliveries to a station were tried."""
        return sum(row["attempts"] for row in self.deliveries(destination))

    def failures(self, destination: str = "ARCHIVE1") -> int:
        """How often the destination has failed in a row."""
        found = self.rows("select consecutive_failures from routing.destination where title = %s", destination)
        return int(found[0]["consecutive_failures"]) if found else 0

    def jobs(self) -> list[dict[str, Any]]:
        """Jobs as people see them."""
        return self.rows("select * from routing.job_view order by created_at, id")

    def request(self, kind: str, body: dict[str, Any]) -> UUID:
        """A person's request, as admin writes it."""
        number = uuid4()
        self.execute(
            "insert into config.request (id, kind, body, requested_by) values (%s, %s, %s, 'operator')",
            number,
            kind,
            Jsonb(body),
        )
        return number

    def result(self, request: UUID) -> dict[str, Any]:
        """What the forwarder answered."""
        found: dict[str, Any] = self.rows("select result from routing.request_done where request = %s", request)[0][
            "result"
        ]
        return found

    async def until_states(
        self, expected: dict[str, int], destination: str | None = None, *, limit: float = 15
    ) -> None:
        """Wait until the deliveries are in exactly these states."""
        try:
            await until_async(lambda: self.states(destination) == expected, limit=limit)
        except AssertionError:
            raise AssertionError(
                f"{self.states(destination)} instead of {expected}: {self.deliveries(destination)[:5]}"
            ) from None

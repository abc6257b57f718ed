"""The outgoing half of commitment on real PostgreSQL, and an archive of the test's own that is asked."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from services.commitment.ground import Ground
from services.commitment.scu import asking
from services.commitment.settings import CommitmentSettings
from services.commitment.stations import Stations
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.runtime.app import Runtime
from services.runtime.bus import Bus
from services.runtime.db import Database
from services.runtime.health import Health
from services.runtime.objects import Watermark
from services.runtime.objects_local import LocalStore
from services.runtime.outbox import Outbox
from services.runtime.settings import RuntimeSettings
from services.runtime.supervise import Supervisor
from tests.recorded import add_station
from tests.stations.messages import COMMAND, N_ACTION, Message, parsed, references, respond
from tests.stations.raw_acceptor import RawAcceptor, Served
from tests.stations.raw_association import Items
from tests.stations.raw_sender import pdu
from tests.waiting import until_async

NOWHERE = "amqp://guest:guest@127.0.0.1:9/"
CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY = "1.2.826.0.1.3680043.10.999.7"
QUICK: dict[str, Any] = {"quiet_seconds": 0, "poll_seconds": 0.1, "reconcile_seconds": 0.3, "linger_seconds": 0}
REJECTED = pdu(3, bytes((0, 2, 3, 2)))


class Archive(RawAcceptor):
    """Answers N-ACTIONs with ``status``; None: never, as long as it is None. ``asked`` is what came, in its order."""

    def __init__(self, port: int = 0, status: int | None = 0) -> None:
        super().__init__(port)
        self.status = status
        self.drops: set[int] = set()
        """Numbers of requests (from 0) that are read and never answered: the connection is closed."""
        self.rejects = False
        self.meanwhile: Callable[[str], object] = lambda _: None
        """Called with the Transaction UID before the answer."""
        self.asked: list[tuple[str, tuple[tuple[str, str], ...]]] = []
        self.arrived = threading.Event()

    def admit(self, proposed: Items) -> bytes | None:
        """Not while it rejects."""
        return REJECTED if self.rejects else None

    def serve(self, association: Served, message: Message) -> bool:
        """Answer an N-ACTION."""
        assert message.number(COMMAND) == N_ACTION
        data = parsed(message.data, association.syntaxes[message.context])
        number = len(self.asked)
        self.asked.append((str(data.TransactionUID), references(data)))
        self.arrived.set()
        self.meanwhile(str(data.TransactionUID))
        if number in self.drops:
            return False
        while self.status is None:
            if self.closing.wait(0.02):
                return False
        respond(association.socket, message, self.status)
        return True


class Desk:
    """Rows as the forwarder and people write them, and looks into the schema ``commitment``."""

    def __init__(self, database_url: str) -> None:
        self.url = database_url
        self._numbers = iter(range(1, 1_000_000))

    def rows(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """All rows of a statement."""
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(statement.encode(), parameters or None).fetchall()

    def execute(self, statement: str, *parameters: object) -> None:
        """Run a statement."""
        with psycopg.connect(self.url) as connection:
            connection.execute(statement.encode(), parameters or None)

    def server(self, title: str, port: int, **columns: object) -> None:
        """A commit server."""
        add_station(self.url, title, port, commit_server=True, **columns)

    def job(self, *, ended: bool = True, destination: str = "ARCHIVE1", study: str = STUDY) -> UUID:
        """A send job."""
        number = uuid4()
        self.execute(
            "insert into routing.job (id, kind, state, destination, study_instance_uid, finished_at) "
            "values (%s, 'send', %s, %s, %s, case when %s then now() end)",
            number, "COMPLETED" if ended else "ACTIVE", destination, study, ended,
        )  # fmt: skip
        return number

    def deliver(
        self,
        count: int = 1,
        *,
        job: UUID | None = None,
        destination: str = "ARCHIVE1",
        server: str | None = "ARCHIVE1",
        study: str = STUDY,
        state: str = "DELIVERED",
        first: int = 0,
        age: str = "0 s",
    ) -> list[str]:
        """Deliveries that ended; their SOP Instance UIDs."""
        number = job or self.job(destination=destination, study=study)
        uids = [f"{study}.{first + place}" for place in range(count)]
        self.execute(
            "insert into routing.delivery (received_at, sop_instance_uid, revision, destination, request, job, "
            "study_instance_uid, object_key, data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, state, "
            "finished_at, commit_on) "
            "select now(), uid, 1, %s, %s, %s, %s, 'key', "
            "0, 1, 'sha', %s, '1.2.840.10008.1.2', %s, now() - %s::interval, %s from unnest(%s::text[]) as uid",
            destination, uuid4(), number, study, CT, state, age, server, uids,
        )  # fmt: skip
        return uids

    def request(self, kind: str, commitment: object) -> UUID:
        """A person's request, as admin writes it."""
        number = uuid4()
        self.execute(
            "insert into config.request (id, kind, body, requested_by) values (%s, %s, %s, 'operator')",
            number, kind, Jsonb({"commitment": str(commitment)}),
        )  # fmt: skip
        return number

    def result(self, request: UUID) -> dict[str, Any] | None:
        """What commitment answered."""
        found = self.rows("select result from commitment.request_done where request = %s", request)
        return found[0]["result"] if found else None

    def commitments(self) -> list[dict[str, Any]]:
        """Those that are not COLLECTING, in their order, with their counts."""
        return self.rows(
            "select c.*, next_attempt_at::text as next_attempt from (select id, study_instance_uid, destination, "
            "server, state, repeats, requested_by, attempts, unanswered, status, reason, accepted_at, deadline, "
            "finished_at, closed_at, created_at, lease_holder, total, committed, failed, pending, "
            "nullif(next_attempt_at, 'infinity') as next_attempt_at from commitment.commitment_view) c "
            "where state <> 'COLLECTING' order by created_at, id"
        )

    def states(self) -> dict[str, int]:
        """How many commitments are in each state."""
        rows = self.rows("select state, count(*) as n from commitment.commitment group by state")
        return {row["state"]: row["n"] for row in rows}

    def attempts(self) -> list[dict[str, Any]]:
        """All attempts in their order."""
        return self.rows("select * from commitment.attempt order by started_at, transaction_uid")

    def told(self) -> list[str]:
        """States of all ``commitment.changed``, in their order."""
        rows = self.rows(
            "select body::jsonb -> 'body' ->> 'state' as state from runtime.outbox "
            "where routing_key = 'commitment.changed.v1' order by id"
        )
        return [row["state"] for row in rows]

    async def until_states(self, expected: dict[str, int], *, limit: float = 15) -> None:
        """Wait until the commitments are in exactly these states."""
        try:
            await until_async(lambda: self.states() == expected, limit=limit)
        except AssertionError:
            raise AssertionError(f"{self.states()} instead of {expected}: {self.commitments()[:3]}") from None


@asynccontextmanager
async def commitment(
    database_url: str,
    folder: Path,
    *,
    profile: Literal["gateway", "xeleris"] = "gateway",
    amqp_url: str = NOWHERE,
    drain_seconds: float = 6,
    **settings: Any,
) -> AsyncIterator[Runtime]:
    """The outgoing half in this process, entered and drained as services.runtime.app does; by default no broker."""
    chosen = CommitmentSettings(**QUICK | settings)
    runtime_settings = RuntimeSettings(
        database_url=database_url, amqp_url=amqp_url, drain_seconds=drain_seconds, profile=profile, home=folder
    )
    supervisor = Supervisor()
    database = Database(database_url, application="test-commitment")
    bus = Bus(amqp_url, supervisor)
    runtime = Runtime(
        runtime_settings, database, bus, Outbox(database, bus, supervisor), LocalStore(str(folder), Watermark(0, 0)),
        Health(supervisor), supervisor, "test", asyncio.get_running_loop(),
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        await database.open()
        stack.push_async_callback(database.close)
        await bus.open()
        stack.push_async_callback(bus.close)
        stack.push_async_callback(supervisor.drain, 0.2)
        async with asyncio.timeout(10):
            await database.wait_available()
        threads = stack.enter_context(ThreadPoolExecutor(chosen.associations))
        ground = Ground(runtime, chosen, profile_of(profile, DicomSettings()), Stations(database), threads)
        await stack.enter_async_context(asking(ground))
        yield runtime
        supervisor.stop()


def instances(asked: Sequence[tuple[str, tuple[tuple[str, str], ...]]]) -> list[list[str]]:
    """SOP Instance UIDs of each request."""
    return [[uid for _, uid in named] for _, named in asked]

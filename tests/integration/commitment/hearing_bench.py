"""The incoming half of commitment on real PostgreSQL and real files: what was asked as rows, reports as objects."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from schemas.commitment import COMPLETE, REPORTS, WITH_FAILURES, CommitmentReport, ReportedInstance
from schemas.messages import CommitmentReported, Envelope
from services.commitment.hearing import Hearing
from services.commitment.reports import Reports
from services.commitment.settings import CommitmentSettings
from services.commitment.stations import Stations
from services.commitment.sweep import Sweep
from services.runtime.app import Runtime
from services.runtime.bus import Bus
from services.runtime.clock import now
from services.runtime.db import Database
from services.runtime.health import Health
from services.runtime.objects import ObjectStore, Watermark, new_key
from services.runtime.objects_local import LocalStore
from services.runtime.outbox import Outbox
from services.runtime.settings import RuntimeSettings
from services.runtime.supervise import Supervisor

NOWHERE = "amqp://guest:guest@127.0.0.1:9/"
NM, STUDY, SERVER = "1.2.840.10008.5.1.4.1.1.20", "1.2.826.0.1.3680043.10.999.8", "ARCHIVE1"


class Asked:
    """Rows of what was asked, as the other half writes them, and looks at what became of them."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.url, self.folder = database_url, folder
        self.objects: ObjectStore = LocalStore(folder, Watermark(0, 0.0))

    def rows(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """All rows of a statement, or none."""
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            found = connection.execute(statement.encode(), parameters or None)
            return found.fetchall() if found.description else []

    def ask(
        self, count: int, transaction: str, *, state: str = "WAITING FOR COMMITMENT", deadline: str = "1 day",
        closed: bool = False,
    ) -> UUID:  # fmt: skip
        """A commitment of instances <transaction>.0, .1, …, asked under one Transaction UID."""
        number = uuid4()
        self.rows(
            "insert into commitment.commitment (id, study_instance_uid, destination, server, state, attempts, "
            "accepted_at, deadline, closed_at) "
            "values (%s, %s, %s, %s, %s, 1, now(), now() + %s::interval, case when %s then now() end)",
            number, STUDY, SERVER, SERVER, state, deadline, closed,
        )  # fmt: skip
        self.rows("insert into commitment.attempt (transaction_uid, commitment) values (%s, %s)", transaction, number)
        self.rows(
            "insert into commitment.item (received_at, delivery, commitment, job, sop_instance_uid, revision, "
            "sop_class_uid, study_instance_uid) select now(), n, %s, %s, %s || '.' || n, 1, %s, %s "
            "from generate_series(0, %s - 1) n",
            number, uuid4(), transaction, NM, STUDY, count,
        )  # fmt: skip
        return number

    def receive(
        self, transaction: str, committed: Sequence[int] = (), failed: Mapping[int, int] | None = None, *,
        calling: str = SERVER, at: datetime | None = None,
    ) -> str:  # fmt: skip
        """What ingest leaves of a report; its key."""
        received_at = at or now()
        report = CommitmentReport(
            received_at=received_at, peer_address="127.0.0.1", calling_aet=calling, called_aet="GATEWAY",
            association="a" * 32, transaction_uid=transaction, event_type=WITH_FAILURES if failed else COMPLETE,
            committed=[_instance(f"{transaction}.{place}") for place in committed],
            failed=[_instance(f"{transaction}.{place}", reason) for place, reason in (failed or {}).items()],
        )  # fmt: skip
        return self.put(report.encode(), received_at)

    def put(self, data: bytes, at: datetime | None = None) -> str:
        """Any object below reports/."""
        key = new_key(REPORTS, at or now(), "json")
        self.objects.put_bytes(key, data)
        return key

    def verdicts(self) -> list[str]:
        """In the order in which the reports came."""
        return [row["verdict"] for row in self.rows("select verdict from commitment.report order by object_key")]

    def commitment(self, number: UUID) -> dict[str, Any]:
        """Its row with its counts."""
        return self.rows(
            "select state, reason, closed_at, finished_at, committed, failed, pending "
            "from commitment.commitment_view where id = %s",
            number,
        )[0]

    def archived(self) -> set[str]:
        """Instances with the flag."""
        rows = self.rows("select sop_instance_uid, server, revision from commitment.archived_view")
        assert {(row["server"], row["revision"]) for row in rows} <= {(SERVER, 1)}
        return {row["sop_instance_uid"] for row in rows}

    def told(self) -> list[tuple[str, int, int, int]]:
        """(state, committed, failed, pending) of each ``commitment.changed``."""
        rows = self.rows(
            "select body::jsonb -> 'body' as body from runtime.outbox "
            "where routing_key = 'commitment.changed.v1' order by id"
        )
        names = ("state", "committed", "failed", "pending")
        return [tuple(row["body"][name] for name in names) for row in rows]  # type: ignore[misc]


class Hearer:
    """One process that hears reports."""

    def __init__(self, runtime: Runtime, settings: CommitmentSettings) -> None:
        hearing = Hearing(runtime.db, Stations(runtime.db), settings)
        self.reports = Reports(runtime.db, runtime.objects, hearing)
        self.sweep = Sweep(runtime, self.reports.inbox, settings)

    async def handle(self, *keys: str) -> None:
        """Messages, as one batch."""
        await self.reports.handle([Envelope.wrap(CommitmentReported(object_key=key), "ingest") for key in keys])


@asynccontextmanager
async def hearer(asked: Asked, **settings: Any) -> AsyncIterator[Hearer]:
    """A process of its own connections; the broker is away."""
    supervisor = Supervisor()
    database = Database(asked.url, application="test-hearing")
    bus = Bus(NOWHERE, supervisor)
    runtime_settings = RuntimeSettings(database_url=asked.url, amqp_url=NOWHERE, home=asked.folder)
    runtime = Runtime(
        runtime_settings, database, bus, Outbox(database, bus, supervisor), asked.objects, Health(supervisor),
        supervisor, "test", asyncio.get_running_loop(),
    )  # fmt: skip
    await database.open()
    try:
        async with asyncio.timeout(10):
            await database.wait_available()
        yield Hearer(runtime, CommitmentSettings(**settings))
    finally:
        await database.close()


def long_ago(days: int) -> datetime:
    """So many days before now."""
    return datetime.now(UTC) - timedelta(days=days)


def _instance(uid: str, reason: int | None = None) -> ReportedInstance:
    return ReportedInstance(sop_class_uid=NM, sop_instance_uid=uid, failure_reason=reason)

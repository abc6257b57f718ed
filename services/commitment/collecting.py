"""From deliveries to requests: what one destination was sent of one study is collected, then released to be asked.

Only what was delivered with success, and where somebody is to be asked (``commit_on``), is collected (R71). A message
only wakes: the rows of ``routing.delivery_view`` say what was delivered.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from psycopg.rows import DictRow

from schemas.messages import Envelope, InstanceDelivered
from services.commitment import changes
from services.commitment.settings import CommitmentSettings
from services.commitment.stations import Station, Stations
from services.runtime.db import Connection, Database, load_queries

QUERIES = load_queries(__package__, "collecting.sql")
OVERLAP_SECONDS = 600.0
SHORT_OVERLAP_SECONDS = 60.0
FULL_EVERY = 6  # every sixth run looks at the whole overlap: it would read the same deliveries again and again
MOST_RELEASED = 100  # in one transaction


class Group(NamedTuple):
    """What one commitment is about."""

    destination: str
    server: str
    study_instance_uid: str


class Collector:
    """The use cases *collect* and *release*."""

    def __init__(self, database: Database, stations: Stations, settings: CommitmentSettings) -> None:
        self._database = database
        self._stations = stations
        self._settings = settings
        self._runs = 0

    async def delivered(self, envelopes: Sequence[Envelope]) -> None:
        """Collect what a batch of ``instance.delivered`` names."""
        bodies = [envelope.body for envelope in envelopes if isinstance(envelope.body, InstanceDelivered)]
        parameters = {"job": [body.job for body in bodies], "delivery": [body.delivery for body in bodies]}

        async def work(connection: Connection) -> int:
            rows = await (await connection.execute(QUERIES.select_named, parameters)).fetchall()
            return await collect(connection, rows)

        if bodies:
            await self._database.retry(work)

    async def reconcile(self, *, age_seconds: float) -> int:
        """Collect what ended up to ``age_seconds`` ago and no message brought. Returns how many instances."""
        overlap = OVERLAP_SECONDS if self._runs % FULL_EVERY == 0 else SHORT_OVERLAP_SECONDS
        async with self._database.transaction() as connection:
            parameters = {"overlap": overlap, "age": age_seconds}
            window = await (await connection.execute(QUERIES.begin_reconcile, parameters)).fetchone()
        if window is None:
            raise LookupError("commitment.reconciled has no row: the database was not migrated")
        count = await self._collect_window(window["lower"], window["upper"])
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES.advance_reconciled, {"through": window["upper"]})
        self._runs += 1
        return count

    async def release(self) -> None:
        """Queue what is complete: its quiet time has passed and the jobs of its instances have ended."""
        await self._stations.refresh()
        while await self._database.retry(self._release) == MOST_RELEASED:
            continue

    async def _collect_window(self, lower: datetime, upper: datetime) -> int:
        after: tuple[datetime, int] = (lower, -1)
        count = 0
        while True:
            rows = await self._collect_page(lower, upper, after)
            count += len(rows)
            if len(rows) < self._settings.batch:
                return count
            after = (rows[-1]["finished_at"], rows[-1]["id"])

    async def _collect_page(self, lower: datetime, upper: datetime, after: tuple[datetime, int]) -> list[DictRow]:
        parameters = {
            "lower": lower,
            "upper": upper,
            "after_finished_at": after[0],
            "after_id": after[1],
            "most": self._settings.batch,
        }

        async def work(connection: Connection) -> list[DictRow]:
            rows = await (await connection.execute(QUERIES.select_missed, parameters)).fetchall()
            await collect(connection, rows)
            return rows

        return await self._database.retry(work)

    async def _release(self, connection: Connection) -> int:
        known = list(self._stations.known.values())
        parameters = {
            "servers": [station.title for station in known],
            "quiet": [station.quiet_seconds(self._settings) for station in known],
            "default_quiet": self._settings.quiet_seconds,
            "most": MOST_RELEASED,
        }
        rows = await (await connection.execute(QUERIES.select_releasable, parameters)).fetchall()
        released = [row["id"] for row in rows]
        if not released:
            return 0
        released += await self._split(connection, {row["id"]: self._stations.get(row["server"]) for row in rows})
        await connection.execute(QUERIES.release, {"commitments": released})
        await changes.announce(connection, released)
        await connection.execute(QUERIES.notify)
        return len(rows)

    async def _split(self, connection: Connection, servers: dict[UUID, Station | None]) -> list[UUID]:
        """Make further commitments of those with more instances than their server takes in one request."""
        sizes = {number: server.commit_size for number, server in servers.items() if server and server.commit_size}
        parameters = {"commitments": list(sizes)}
        rows = await (await connection.execute(QUERIES.count_instances, parameters)).fetchall() if sizes else []
        made: list[UUID] = []
        for row in rows:
            number, size = row["commitment"], sizes[row["commitment"]]
            parts = [uuid4() for _ in range((row["instances"] - 1) // size)]
            if parts:
                await connection.execute(QUERIES.insert_parts, {"parts": parts, "commitment": number})
                await connection.execute(QUERIES.move_items, {"parts": parts, "commitment": number, "size": size})
                made += parts
        return made


async def collect(connection: Connection, deliveries: Sequence[DictRow]) -> int:
    """Make items of deliveries, and the commitments they belong to. Returns how many are new."""
    if not deliveries:
        return 0
    latest: dict[Group, datetime] = {}
    for row in deliveries:
        group = _group(row)
        latest[group] = max(row["finished_at"], latest.get(group, row["finished_at"]))
    groups = sorted(latest)  # one order for all replicas, so that they do not wait for each other in a circle
    parameters = {
        "id": [uuid4() for _ in groups],
        "destination": [group.destination for group in groups],
        "server": [group.server for group in groups],
        "study": [group.study_instance_uid for group in groups],
        "last_delivered_at": [latest[group] for group in groups],
    }
    found = await (await connection.execute(QUERIES.collect, parameters)).fetchall()
    commitments = {_group(row): row["id"] for row in found}
    inserted = await _insert_items(connection, deliveries, commitments)
    await connection.execute(QUERIES.remove_empty, {"commitments": list(commitments.values())})
    return inserted


async def _insert_items(connection: Connection, deliveries: Sequence[DictRow], commitments: dict[Group, UUID]) -> int:
    parameters = {
        "received_at": [row["received_at"] for row in deliveries],
        "delivery": [row["id"] for row in deliveries],
        "commitment": [commitments[_group(row)] for row in deliveries],
        "job": [row["job"] for row in deliveries],
        "sop_instance_uid": [row["sop_instance_uid"] for row in deliveries],
        "named_uid": [row["named_uid"] for row in deliveries],
        "revision": [row["revision"] for row in deliveries],
        "sop_class_uid": [row["sop_class_uid"] for row in deliveries],
        "study": [row["study_instance_uid"] for row in deliveries],
    }
    return len(await (await connection.execute(QUERIES.insert_items, parameters)).fetchall())


def _group(row: DictRow) -> Group:
    return Group(row["destination"], row["server"], row["study_instance_uid"])

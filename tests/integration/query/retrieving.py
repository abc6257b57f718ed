"""A process ``ingest query`` over instances that storage and index have recorded, and what it wrote down."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from schemas.snapshot import SnapshotStation
from services.index.handlers import Indexer
from services.index.settings import IndexSettings
from services.runtime.db import Database
from tests.factories import Instance
from tests.ingest_process import IngestProcess, snapshot
from tests.recorded import Recorder, add_station
from tests.stations.finder import Finder, identifier
from tests.stations.retriever import Retriever
from tests.waiting import until

REQUESTERS = ("SCANNER1", "WS2")


class Archive:
    """The process, its database and its objects."""

    def __init__(self, process: IngestProcess, database_url: str) -> None:
        self.process, self.url = process, database_url
        self.recorder = Recorder(database_url, process.home / "unused")
        self.recorder.objects = process.objects  # type: ignore[assignment]

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.process.port

    def hold(self, *instances: Instance) -> list[Instance]:
        """Store, record and index instances."""
        messages = [each.message() for each in self.recorder.record(*instances)]

        async def index() -> None:
            database = Database(self.url, application="test-index")
            await database.open()
            try:
                async with asyncio.timeout(10):
                    await database.wait_available()
                await Indexer(database, IndexSettings()).handle(messages)
            finally:
                await database.close()

        asyncio.run(index())
        return list(instances)

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """What the database answers."""
        with psycopg.connect(self.url, row_factory=dict_row, autocommit=True) as connection:
            found = connection.execute(statement.encode(), values)
            return found.fetchall() if found.description else []

    def station(self, title: str, port: int, **columns: object) -> None:
        """A station that may be a destination, in force at once: query asks the database."""
        add_station(self.url, title, port, **columns)

    def retriever(self, calling_aet: str = "SCANNER1", **how: Any) -> Retriever:
        """An association with it."""
        return Retriever(self.port, calling_aet, **how)

    def recorded(self) -> dict[str, Any]:
        """The newest retrieval's row, once it has ended."""

        def newest() -> dict[str, Any] | None:
            rows = self.rows("select * from query.retrieval order by started_at desc limit 1")
            return rows[0] if rows and rows[0]["finished_at"] else None

        return until(newest, what="the retrieval to end")

    def suboperations(self) -> list[dict[str, Any]]:
        """Rows of the newest retrieval."""
        newest = self.recorded()["id"]
        return self.rows("select * from query.suboperation where retrieval = %s order by position", newest)

    def slots(self) -> int:
        """Outgoing associations and places in line."""
        rows = self.rows("select name from runtime.lease")
        return sum(row["name"].startswith(("association/", "wanted")) for row in rows)


@contextmanager
def archive(home: Path, database_url: str, **settings: str) -> Iterator[Archive]:
    """A running one that knows the REQUESTERS. ``settings`` without GATEWAY_, in lower case."""
    environment = {f"GATEWAY_{name.upper()}": value for name, value in settings.items()}
    environment["GATEWAY_DATABASE_URL"] = database_url
    process = IngestProcess(home, environment, services=("ingest", "query"))
    try:
        process.configure(snapshot(stations=[SnapshotStation(title=title) for title in REQUESTERS]))
        process.start()
        until(lambda: _answers(process), limit=20, what="the database to be reached")
        yield Archive(process, database_url)
    finally:
        process.end()


def _answers(process: IngestProcess) -> bool:
    with Finder(process.port) as finder:
        return finder.find(identifier("STUDY", {0x0020000D: "1.2.3"}))[-1].status == 0

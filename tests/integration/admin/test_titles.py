"""Titles and stations reach the running ingest by the snapshot that storage writes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from schemas.snapshot import KEY, Snapshot
from services.admin import stations, titles
from services.admin.errors import NotFound, Refused
from services.admin.station import build
from services.admin.title import build as build_title
from services.runtime.db import Database
from services.runtime.supervise import Supervisor
from services.storage.snapshot_writer import SnapshotWriter
from tests.ingest_process import IngestProcess, ingest_process
from tests.stations import RawSender


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, application="test")
    await database.open()
    await database.wait_available()
    yield database
    await database.close()


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[IngestProcess]:
    with ingest_process(tmp_path) as ingest:
        yield ingest


def known(snapshot: IngestProcess) -> Snapshot:
    return Snapshot.decode(snapshot.objects.get_bytes(KEY))


async def answer(ingest: IngestProcess, calling: str, called: str) -> str:
    """The codes of the rejection; "" when accepted."""

    def call() -> str:
        try:
            with RawSender(ingest.port, calling, called):
                return ""
        except ConnectionRefusedError as error:
            return str(error).partition("rejected: ")[2]

    return await asyncio.to_thread(call)


async def in_force(ingest: IngestProcess, calling: str, called: str, codes: str) -> None:
    """Within two seconds."""
    async with asyncio.timeout(2):
        while await answer(ingest, calling, called) != codes:
            pass


async def test_a_changed_title_is_in_force_within_two_seconds(database: Database, ingest: IngestProcess) -> None:
    supervisor = Supervisor()
    writer = SnapshotWriter(database, ingest.objects, "gateway")
    supervisor.spawn("snapshot", lambda: writer.run(supervisor))
    for title in ("SCANNER1", "SCANNER2"):
        await stations.add(database, "anna", build({"title": title, "host": "127.0.0.1", "port": 104}))
    await in_force(ingest, "SCANNER2", "GATEWAY", "")
    assert await answer(ingest, "SCANNER1", "RESEARCH") == "(1, 1, 7)"
    await titles.add(database, "anna", build_title({"title": "RESEARCH", "stations": ["SCANNER2"]}), "gateway")
    await in_force(ingest, "SCANNER2", "RESEARCH", "")
    assert await answer(ingest, "SCANNER1", "RESEARCH") == "(1, 1, 3)"
    await titles.set_fields(database, "anna", "RESEARCH", {"stations": ["SCANNER1"], "associations": 1}, "gateway")
    await in_force(ingest, "SCANNER1", "RESEARCH", "")
    with RawSender(ingest.port, "SCANNER1", "RESEARCH"):
        assert await answer(ingest, "SCANNER1", "RESEARCH") == "(2, 3, 2)"
    await titles.remove(database, "anna", "RESEARCH")
    await in_force(ingest, "SCANNER1", "RESEARCH", "(1, 1, 7)")
    await supervisor.drain(2)


async def test_flags_of_stations_are_in_the_snapshot(database: Database, ingest: IngestProcess) -> None:
    flagged = {"title": "PETRECON", "host": "pet.example", "port": 104, "pet_raw": True}
    strict = {"title": "STRICT", "host": "127.0.0.1", "port": 104, "refuse_findings": True}
    await stations.add(database, "anna", build(strict))
    assert (await SnapshotWriter(database, ingest.objects, "gateway").write()).pet_raw_station is None
    await stations.add(database, "anna", build(flagged))
    await titles.add(database, "anna", build_title({"title": "ALIAS"}), "gateway")
    await SnapshotWriter(database, ingest.objects, "gateway").write()
    snapshot = known(ingest)
    assert snapshot.pet_raw_station == "PETRECON"
    assert {station.title: station.refuse_findings for station in snapshot.stations} == {
        "PETRECON": False,
        "STRICT": True,
    }
    assert [title.title for title in snapshot.titles] == ["ALIAS"]
    assert (await SnapshotWriter(database, ingest.objects, "xeleris").write()).titles == []


async def test_what_names_or_is_named_twice_is_refused(database: Database) -> None:
    await stations.add(database, "anna", build({"title": "WS1", "host": "127.0.0.1", "port": 104}))
    title = build_title({"title": "RESEARCH", "stations": ["WS1"]})
    await titles.add(database, "anna", title, "gateway")
    with pytest.raises(Refused, match="already defined"):
        await titles.add(database, "anna", title, "gateway")
    with pytest.raises(Refused, match="title RESEARCH lists it"):
        await stations.remove(database, "anna", "WS1")
    with pytest.raises(NotFound):
        await titles.remove(database, "anna", "OTHER")
    await titles.set_fields(database, "anna", "RESEARCH", {"stations": []}, "gateway")
    await stations.remove(database, "anna", "WS1")
    assert [each.title for each in await titles.list_all(database)] == ["RESEARCH"]


async def test_changes_of_titles_are_counted_and_audited(database: Database, database_url: str) -> None:
    await titles.add(database, "anna", build_title({"title": "ALIAS"}), "gateway")
    await titles.set_fields(database, "bert", "ALIAS", {"associations": 2}, "gateway")
    await titles.remove(database, "carl", "ALIAS")
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        entries = connection.execute("select actor, action, before, after from audit.entry order by at, id").fetchall()
        (generation,) = connection.execute("select number from config.generation").fetchall()
    whole = {"title": "ALIAS", "stations": [], "associations": None}
    assert [tuple(entry.values()) for entry in entries] == [
        ("anna", "title.add", None, whole),
        ("bert", "title.set", whole, whole | {"associations": 2}),
        ("carl", "title.remove", whole | {"associations": 2}, None),
    ]
    assert generation == {"number": 4}

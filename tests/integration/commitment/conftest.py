"""Fixtures of commitment."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas.snapshot import SnapshotStation
from tests.ingest_process import IngestProcess, snapshot
from tests.integration.commitment.scp_bench import Site


@pytest.fixture
def start(tmp_path: Path, database_url: str) -> Iterator[Callable[..., Site]]:
    """Makes a site and starts its ingest process with these settings, unless the test is what leaves the objects."""
    processes: list[IngestProcess] = []

    def started(settings: dict[str, str] | None = None, url: str = database_url, *, ingest: bool = True) -> Site:
        process = IngestProcess(tmp_path / "home", {"GATEWAY_DATABASE_URL": url} | (settings or {}))
        processes.append(process)
        process.configure(snapshot(stations=[SnapshotStation(title="SCANNER1"), SnapshotStation(title="ARCHIVE1")]))
        if ingest:
            process.start()
        return Site(database_url, process)

    yield started
    for process in processes:
        process.end()

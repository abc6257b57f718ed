"""A real process ``ingest query`` on a database with 10,000 generated studies, in either profile."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.ingest_process import IngestProcess, snapshot
from tests.integration.query.generated import fill
from tests.stations.finder import Finder, identifier
from tests.waiting import until

STUDIES = 10_000


@contextmanager
def query_process(home: Path, database_url: str, **settings: str) -> Iterator[IngestProcess]:
    """A process that answers queries, with its database reached. ``settings`` without GATEWAY_, in lower case."""
    environment = {f"GATEWAY_{name.upper()}": value for name, value in settings.items()}
    environment["GATEWAY_DATABASE_URL"] = database_url
    process = IngestProcess(home, environment, services=("ingest", "query"))
    try:
        process.configure(snapshot())
        process.start()
        until(lambda: answers(process), limit=20, what="the database to be reached")
        yield process
    finally:
        process.end()


def answers(process: IngestProcess) -> bool:
    """Whether a query without matches ends with Success."""
    with Finder(process.port) as finder:
        return finder.find(identifier("STUDY", {0x0020000D: "1.2.3"}))[-1].status == 0


@pytest.fixture(scope="module")
def database(module_database_url: str) -> str:
    """A database with the generated studies."""
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        fill(connection, STUDIES)
    return module_database_url


@pytest.fixture(scope="module")
def gateway(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IngestProcess]:
    """Profile gateway on them."""
    with query_process(tmp_path_factory.mktemp("gateway"), database) as process:
        yield process


@pytest.fixture(scope="module")
def xeleris(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IngestProcess]:
    """Profile xeleris on them."""
    with query_process(tmp_path_factory.mktemp("xeleris"), database, profile="xeleris", aet="GATEWAY") as process:
        yield process

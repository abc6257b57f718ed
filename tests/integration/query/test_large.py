"""100,000 studies: plans, times, memory, and what ends a query early."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from schemas.dicom.query_keys import Level, Root
from services.dicom.identifiers import Identifier
from services.dicom.query_models import Model
from services.query.questions import question
from services.query.store import statement_of
from tests.ingest_process import IngestProcess
from tests.integration.query.conftest import query_process
from tests.integration.query.generated import fill
from tests.stations.finder import CANCELLED, MATCH, SUCCESS, Finder, identifier
from tests.waiting import until

STUDIES = 100_000
NAME, PATIENT_ID, DATE, ACCESSION, STUDY_ID, STUDY, MODALITIES, DESCRIPTION = (
    0x00100010, 0x00100020, 0x00080020, 0x00080050, 0x00200010, 0x0020000D, 0x00080061, 0x00081030,
)  # fmt: skip
MODALITY, SERIES, INSTANCE = 0x00080060, 0x0020000E, 0x00080018
EVERYTHING = dict.fromkeys(
    [NAME, PATIENT_ID, DATE, 0x00080030, ACCESSION, STUDY_ID, STUDY, MODALITIES, DESCRIPTION], ""
)
BUSY = "\\".join(f"*{number}x{number}*" for number in range(100))
"""A key that takes PostgreSQL seconds: none matches, each is looked for in every description."""


@pytest.fixture(scope="module")
def large(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        fill(connection, STUDIES, series=1, instances=1)
        yield connection


@pytest.fixture(scope="module")
def gateway(
    large: psycopg.Connection[Any], module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IngestProcess]:
    with query_process(tmp_path_factory.mktemp("gateway"), module_database_url) as process:
        yield process


PLANS: dict[str, tuple[Root, Level, dict[int, str]]] = {
    "patient id": ("STUDY", "STUDY", {PATIENT_ID: "PAT0000077"}),
    "patient id, beginning": ("STUDY", "STUDY", {PATIENT_ID: "PAT000007*"}),
    "name": ("STUDY", "STUDY", {NAME: "NAME0000077^GIVEN0"}),
    "name, beginning": ("STUDY", "STUDY", {NAME: "name000007*"}),
    "name, ideographic": ("STUDY", "STUDY", {NAME: "=山田*"}),
    "name of patients": ("PATIENT", "PATIENT", {NAME: "name000007*"}),
    "study date": ("STUDY", "STUDY", {DATE: "20010203"}),
    "study dates": ("STUDY", "STUDY", {DATE: "20010203-20010206"}),
    "accession number": ("STUDY", "STUDY", {ACCESSION: "ACC0000077"}),
    "accession number, beginning": ("STUDY", "STUDY", {ACCESSION: "ACC000007*"}),
    "study id": ("STUDY", "STUDY", {STUDY_ID: "ID77"}),
    "study id, beginning": ("STUDY", "STUDY", {STUDY_ID: "ID7777*"}),
    "description": ("STUDY", "STUDY", {DESCRIPTION: "Study number 77"}),
    "description, beginning": ("STUDY", "STUDY", {DESCRIPTION: "Study number 7777*"}),
    "study": ("STUDY", "STUDY", {STUDY: "1.2.826.1.77"}),
    "studies": ("STUDY", "STUDY", {STUDY: "\\".join(f"1.2.826.1.{number}" for number in range(1, 50))}),
    "modality on a day": ("STUDY", "STUDY", {MODALITIES: "NM", DATE: "20010203"}),
    "series of a study": ("STUDY", "SERIES", {STUDY: "1.2.826.1.77", MODALITY: ""}),
    "series, relational": ("STUDY", "SERIES", {SERIES: "1.2.826.1.77.1"}),
    "images of a series": ("STUDY", "IMAGE", {STUDY: "1.2.826.1.77", SERIES: "1.2.826.1.77.1"}),
    "image, relational": ("STUDY", "IMAGE", {INSTANCE: "1.2.826.1.77.1.1"}),
}


@pytest.mark.parametrize("name", PLANS)
def test_hot_queries_use_indexes(large: psycopg.Connection[Any], name: str) -> None:
    root, level, keys = PLANS[name]
    asked = Identifier(level, (EVERYTHING if level == "STUDY" else {}) | keys)
    statement, values = statement_of(question(asked, Model(root), xeleris=False, relational=True))
    explain = sql.SQL("explain (analyze, format json) declare matches cursor for ") + statement
    found = large.execute(explain, values).fetchone()
    assert found is not None
    plan = found[0][0]
    scans = [node for node in _nodes(plan["Plan"]) if node["Node Type"] == "Seq Scan"]
    read = {node["Relation Name"]: node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in scans}
    assert not {table: count for table, count in read.items() if count > 1000}, plan
    assert plan["Execution Time"] < 100, plan


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


@pytest.mark.large
def test_a_study_query_takes_less_than_50_ms(gateway: IngestProcess) -> None:
    """p95 over patient ID, beginning of a name, date and accession number, at most 20 matches each."""
    chosen = random.Random(7)
    times: dict[str, list[float]] = {}
    with Finder(gateway.port) as finder:
        for _ in range(50):
            number = chosen.randrange(1, STUDIES // 2)
            for name, key in (
                ("patient id", {PATIENT_ID: f"PAT{number:07}"}),
                ("name", {NAME: f"NAME{number // 10:06}*"}),
                ("date", {DATE: f"{chosen.randrange(2000, 2016)}0611"}),
                ("accession", {ACCESSION: f"ACC{number:07}"}),
            ):
                began = time.perf_counter()
                found = finder.find(identifier("STUDY", EVERYTHING | key))
                times.setdefault(name, []).append(time.perf_counter() - began)
                assert [each.status for each in found] == [MATCH] * (len(found) - 1) + [SUCCESS]
                assert 2 <= len(found) <= 21, (name, len(found))
    p95 = {name: sorted(taken)[int(len(taken) * 0.95)] for name, taken in times.items()}
    assert max(p95.values()) < 0.05, p95


@pytest.mark.large
def test_memory_is_flat_and_2000_responses_a_second_leave(gateway: IngestProcess) -> None:
    """200,000 matches, each with nine elements; no more memory at the last than soon after the first."""
    with Finder(gateway.port) as finder:
        began, before = time.perf_counter(), 0
        for _ in range(2):
            finder.ask(identifier("STUDY", EVERYTHING))
            for place, response in enumerate(finder.responses()):  # noqa: B007 - the last one is looked at below
                if place == 5000 and not before:
                    before = resident(gateway)
        rate = 2 * place / (time.perf_counter() - began)
    assert (response.status, place) == (SUCCESS, STUDIES)
    assert resident(gateway) - before < 16 << 20
    assert rate > 2000


def resident(process: IngestProcess) -> int:
    """Resident memory of the process in bytes."""
    assert process.process is not None
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def test_a_cancel_between_responses_ends_with_fe00(gateway: IngestProcess) -> None:
    with Finder(gateway.port) as finder:
        finder.ask(identifier("STUDY", EVERYTHING))
        responses = finder.responses()
        next(responses)
        finder.cancel()
        found = list(responses)
        assert found[-1].status == CANCELLED
        assert len(found) < STUDIES // 2
        assert finder.echo() == SUCCESS


def test_a_cancel_while_the_database_works_ends_with_fe00(
    gateway: IngestProcess, large: psycopg.Connection[Any]
) -> None:
    with Finder(gateway.port) as finder:
        finder.ask(identifier("STUDY", {DESCRIPTION: BUSY}))
        until(lambda: working(large), what="the database to work")
        finder.cancel()
        began = time.perf_counter()
        assert [each.status for each in finder.responses()] == [CANCELLED]
        assert time.perf_counter() - began < 2
    until(lambda: not working(large), limit=2, what="the database to stop")


def working(connection: psycopg.Connection[Any]) -> int:
    """How many connections of query have a statement under way."""
    row = connection.execute(
        "select count(*) from pg_stat_activity "
        "where application_name = 'gateway-query' and state = 'active' and datname = current_database()"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_peer_that_leaves_while_the_database_works_stops_it(
    gateway: IngestProcess, large: psycopg.Connection[Any]
) -> None:
    finder = Finder(gateway.port).__enter__()
    with finder.socket:
        finder.ask(identifier("STUDY", {DESCRIPTION: BUSY}))
        until(lambda: working(large), what="the database to work")
    until(lambda: not working(large), limit=2, what="the database to stop")


def test_a_peer_that_leaves_stops_the_database(gateway: IngestProcess, large: psycopg.Connection[Any]) -> None:
    finder = Finder(gateway.port).__enter__()
    with finder.socket:
        finder.ask(identifier("STUDY", EVERYTHING))
        next(finder.responses())
    until(lambda: not working(large), limit=10, what="the database to stop")
    with Finder(gateway.port) as another:
        assert another.find(identifier("STUDY", {STUDY: "1.2.826.1.77"}))[-1].status == SUCCESS


def test_limits_end_a_query_with_a700(large: psycopg.Connection[Any], module_database_url: str, tmp_path: Path) -> None:
    settings = {"query_result_limit": "50000", "query_statement_seconds": "0.1", "query_concurrent": "1",
                "query_wait_seconds": "0.3"}  # fmt: skip
    with query_process(tmp_path, module_database_url, **settings) as process, Finder(process.port) as finder:
        found = finder.find(identifier("STUDY", {DESCRIPTION: BUSY}))
        assert [(each.status, each.comment) for each in found] == [(0xA700, "query takes too long, narrow it")]
        finder.ask(identifier("STUDY", {STUDY: ""}))
        responses = finder.responses()
        next(responses)  # the rest is not read: this query keeps its connection to the database
        with Finder(process.port) as another:
            found = another.find(identifier("STUDY", {STUDY: "1.2.826.1.77"}))
            assert [(each.status, each.comment) for each in found] == [(0xA700, "database is away or busy")]
        rest = list(responses)
        assert len(rest) == 50_000
        assert (rest[-1].status, rest[-1].comment) == (0xA700, "more than 50000 matches, narrow the query")
        assert [each.status for each in finder.find(identifier("STUDY", {STUDY: "1.2.826.1.77"}))] == [MATCH, SUCCESS]

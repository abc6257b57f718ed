"""C-FIND at study level on an open association: one patient, and a range of dates with about 1,000 matches."""

import random
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import psycopg
import pytest

from tests.bench import orthanc
from tests.bench.conftest import Measured
from tests.bench.figures import Figure, median
from tests.bench.gateway_under_test import GatewayUnderTest
from tests.bench.orthanc import Orthanc
from tests.bench.rounds import ROUNDS, percentiles
from tests.integration.query.generated import Study, fill
from tests.stations.finder import SUCCESS, Finder, identifier

STUDIES: Final = 100_000
MANY_STUDIES: Final = 1_000_000
QUERIES: Final = 60
"""Of one patient each, in a round."""
P95_MILLISECONDS: Final = 10.0
BY_ORTHANC: Final = 10.0
RESPONSES_A_SECOND: Final = 2000.0
PATIENT_ID, PATIENT_NAME, BIRTH_DATE = 0x00100020, 0x00100010, 0x00100030
STUDY_DATE, STUDY_TIME, ACCESSION, STUDY_ID, DESCRIPTION, STUDY_UID = (
    0x00080020, 0x00080030, 0x00080050, 0x00200010, 0x00081030, 0x0020000D,
)  # fmt: skip
KEYS: Final = dict.fromkeys(
    [STUDY_DATE, STUDY_TIME, ACCESSION, DESCRIPTION, PATIENT_NAME, PATIENT_ID, BIRTH_DATE, STUDY_UID, STUDY_ID], ""
)
RANGE: Final = "20050101-20050301"
"""60 of the 6,000 days that the studies lie on."""
STATEMENTS: Final = (Path(__file__).parent / "orthanc_index.sql").read_text(encoding="utf-8").split(";\n")

pytestmark = pytest.mark.timeout(2400)


@pytest.fixture
def gateway(on_disk: Path) -> Iterator[GatewayUnderTest]:
    """A gateway without studies yet."""
    with GatewayUnderTest(on_disk / "gateway", ingest_processes=2) as running:
        running.cli("station", "set", "SCANNER1", "--query-retrieve")
        yield running


@pytest.mark.bench("find", show=True)
def test_100_000_studies(gateway: GatewayUnderTest, on_disk: Path, measured: Measured) -> None:
    filled(gateway, STUDIES)
    with ExitStack() as stack:
        finders = {"gateway": stack.enter_context(Finder(gateway.dicom_port))}
        if not orthanc.absent():
            server = stack.enter_context(orthanc_with(STUDIES, on_disk / "orthanc"))
            finders["Orthanc SQLite"] = stack.enter_context(Finder(server.port).calling(orthanc.TITLE))
        found = rounds(finders, STUDIES)
    figures = [figure for name in found for figure in of(name, *found[name])]
    by_name = {figure.name: figure.value for figure in figures}
    ratios = [
        Figure(
            "one patient, p95: Orthanc SQLite by gateway",
            by_name["Orthanc SQLite: one patient: p95"] / by_name["gateway: one patient: p95"],
            "x",
            least=BY_ORTHANC,
        )
        for name in found
        if name != "gateway"
    ]
    measured(*figures, *ratios, left_out=orthanc.absent())


@pytest.mark.bench("matrix")
def test_a_million_studies_by_key(gateway: GatewayUnderTest, measured: Measured) -> None:
    filled(gateway, MANY_STUDIES)
    figures = []
    with Finder(gateway.dicom_port) as finder:
        for name, query in by_key(MANY_STUDIES).items():
            took = [milliseconds(finder, query)[0] for _ in range(QUERIES)]
            figures += percentiles(name, took)
    measured(*figures)


def by_key(studies: int) -> Mapping[str, Mapping[int, str]]:
    """A query for each key and kind of matching."""
    one = Study(studies // 3, studies)
    return {
        "patient ID": {PATIENT_ID: one.patient_id},
        "accession number": {ACCESSION: one.accession},
        "Study Instance UID": {STUDY_UID: one.uid},
        "study ID": {STUDY_ID: f"ID{one.number}"},
        "name, its beginning": {PATIENT_NAME: f"{one.patient_name[:10]}*"},
        "name, anywhere": {PATIENT_NAME: f"*{one.patient_name[3:11]}*"},
        "one date": {STUDY_DATE: one.date},
        "one date and patient ID": {STUDY_DATE: one.date, PATIENT_ID: one.patient_id},
        "range of dates": {STUDY_DATE: "20050101-20050103"},
    }


def filled(gateway: GatewayUnderTest, studies: int) -> None:
    """Write the query tables."""
    with psycopg.connect(gateway.database_url, autocommit=True) as connection:
        fill(connection, studies, series=1, instances=1)
        connection.execute("vacuum analyze")


def orthanc_with(studies: int, folder: Path) -> Orthanc:
    """An Orthanc, to be started, whose index holds the same studies."""
    server = Orthanc(folder)
    with server:
        pass  # it makes its tables
    values = {"patients": studies // 2, "studies": studies}
    with closing(sqlite3.connect(folder / "index" / "index")) as connection, connection:
        for statement in filter(str.strip, STATEMENTS):
            connection.execute(statement, values)
    return server


def rounds(finders: Mapping[str, Finder], studies: int) -> dict[str, tuple[list[float], list[float]]]:
    """Milliseconds of each query for a patient, and responses a second to each query for the range, in turn."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in finders}
    chance = random.Random(1)
    for _ in range(ROUNDS):
        asked = [Study(chance.randrange(studies), studies).patient_id for _ in range(QUERIES)]
        for name, finder in finders.items():
            patients, ranges = found[name]
            patients += [milliseconds(finder, {PATIENT_ID: patient}, matches=2)[0] for patient in asked]
            took, matches = milliseconds(finder, {STUDY_DATE: RANGE})
            ranges.append(matches * 1000 / took)
    return found


def milliseconds(finder: Finder, query: Mapping[int, str], matches: int | None = None) -> tuple[float, int]:
    """How long a query took to its last response, and its matches."""
    data = identifier("STUDY", {**KEYS, **query})
    began = time.perf_counter()
    *found, last = finder.find(data)
    took = (time.perf_counter() - began) * 1000
    assert last.status == SUCCESS
    assert found
    assert matches in (None, len(found))
    return took, len(found)


def of(name: str, patients: Sequence[float], ranges: Sequence[float]) -> list[Figure]:
    """The figures of one system; those of the gateway have budgets."""
    ours = name == "gateway"
    return [
        *percentiles(f"{name}: one patient", patients, {95: P95_MILLISECONDS} if ours else {}),
        median(f"{name}: range of dates", ranges, "responses/s", least=RESPONSES_A_SECOND if ours else None),
    ]

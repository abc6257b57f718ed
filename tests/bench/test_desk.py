"""Patients, Jobs and Now over 200,000 studies and as many jobs, by HTTP from the process of ``gateway run admin``."""

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import quantiles
from typing import Final
from urllib.parse import urlencode

import httpx
import psycopg
import pytest
from private_servers.postgresql import PrivatePostgresql

from tests.bench.conftest import Measured
from tests.bench.figures import Figure
from tests.bench.history import QUICK
from tests.conftest import migrate
from tests.running_gateway import RunningGateway, Servers
from tests.waiting import until

STUDIES: Final = 200_000
TIMES: Final = 30
COLD: Final = 3
"""Requests before those that are measured."""
LIMIT_MILLISECONDS: Final = 200
UNLIMITED: Final = frozenset({"patients, two letters", "patients, all at once"})
"""Without a budget: two letters are in no index of trigrams, and several keys together are no key alone."""
AWAY: Final = "amqp://guest:guest@127.0.0.1:1/"
STATEMENTS: Final = (Path(__file__).parent / "desk.sql").read_text(encoding="utf-8").split(";\n")
PATIENTS: Final[Mapping[str, Mapping[str, str]]] = {
    "nothing": {},
    "name begins": {"patient_name": "zimmermann"},
    "name anywhere": {"patient_name": "*berg*"},
    "name anywhere, rare": {"patient_name": "*mannlein uwe*"},
    "name, nobody's": {"patient_name": "xylander"},
    "patient ID": {"patient_id": "P007919"},
    "patient ID anywhere": {"patient_id": "*0079*"},
    "issuer": {"issuer": "HOSPITAL"},
    "accession number": {"accession": "A5123456"},
    "study ID": {"study_id": "S123456"},
    "study date": {"date_from": "2026-10-01", "date_to": "2026-10-07"},
    "a long time ago": {"date_to": "2026-08-01"},
    "modality": {"modality": "DX"},
    "modality, none's": {"modality": "US"},
    "description, common": {"description": "scan"},
    "description, rare": {"description": "ref. 12345"},
    "description, nobody's": {"description": "appendix"},
    "two letters": {"description": "qx"},
    "referring physician": {"referring_physician": "öztürk"},
    "birth date": {"birth_date": "1950-02-03"},
    "sex": {"sex": "F"},
    "Study Instance UID": {"study": "1.2.826.4.77777"},
    "all at once": {"patient_name": "müller*", "description": "bone", "modality": "NM", "date_from": "2026-08-01"},
}
JOBS: Final[Mapping[str, Mapping[str, str]]] = {
    "all": {},
    "failed": {"state": "FAILED"},
    "active": {"state": "ACTIVE"},
    "canceled": {"state": "CANCELED"},
    "to a station": {"destination": "ARCHIVE3"},
    "failed, ended within 24 hours": {"state": "FAILED", "ended": "1d"},
    "failed to a station": {"state": "FAILED", "destination": "ARCHIVE2"},
    "to nobody": {"destination": "NOWHERE"},
    "retrieve jobs": {"kind": "retrieve"},
    "of a study": {"study": "1.2.826.4.88888"},
}
_NEXT: Final = re.compile(r'href="(/[^"]+cursor=[^"]+)">Older')


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[httpx.Client]:
    """A browser that is logged in at a gateway of which only admin runs."""
    server = PrivatePostgresql(tmp_path / "postgresql", QUICK)
    server.start()
    migrate(server.url)
    _fill(server.url)
    gateway = RunningGateway(tmp_path / "gateway", shared=Servers(server.url, AWAY))
    gateway.start_servers()
    made = gateway.json("user", "add", "bench", "--role", "admin")
    gateway.launch("admin")
    until(lambda: gateway.health("admin", "/login") == 200, limit=60, what="the login page")
    with httpx.Client(base_url=gateway.http_address("admin") or "", timeout=30) as browser:
        answer = browser.post("/login", data={"name": "bench", "password": made["password"]})
        assert answer.status_code == 303, answer.text
        yield browser
    gateway.end()
    server.kill()


def _fill(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        for statement in filter(str.strip, STATEMENTS):
            connection.execute(statement.encode(), {"studies": STUDIES} if "%" in statement else None)
        connection.execute("vacuum analyze")


@pytest.mark.bench("desk")
@pytest.mark.timeout(3600)
def test_200_000_studies_and_jobs(desk: httpx.Client, measured: Measured) -> None:
    figures = [Figure("studies", STUDIES, ""), Figure("jobs", STUDIES, ""), *_page(desk, "now", "/now")]
    for page, searches in (("/patients", PATIENTS), ("/jobs", JOBS)):
        for name, query in searches.items():
            figures += _page(desk, f"{page[1:]}, {name}", f"{page}?{urlencode(query)}")
        later = f"{page}?"
        for _ in range(20):
            found = _NEXT.search(desk.get(later).text)
            assert found is not None, "the list ends early"
            later = found[1].replace("&amp;", "&")
        figures += _page(desk, f"{page[1:]}, the twentieth page", later)
    measured(*figures)


def _page(desk: httpx.Client, name: str, address: str) -> list[Figure]:
    for _ in range(COLD):
        _milliseconds(desk, address)
    took = sorted(_milliseconds(desk, address) for _ in range(TIMES))
    cuts = quantiles(took, n=20)
    limit = None if name in UNLIMITED else LIMIT_MILLISECONDS
    return [Figure(f"{name}: p50", cuts[9], "ms"), Figure(f"{name}: p95", cuts[18], "ms", limit)]


def _milliseconds(desk: httpx.Client, address: str) -> float:
    began = time.perf_counter()
    answer = desk.get(address)
    took = (time.perf_counter() - began) * 1000
    assert answer.status_code == 200, answer.text
    return took

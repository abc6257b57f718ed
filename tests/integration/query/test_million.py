"""A million matches of one query (``tests/run --bench``)."""

import time
from pathlib import Path

import psycopg
import pytest

from tests.integration.query.conftest import query_process
from tests.integration.query.generated import fill
from tests.integration.query.test_large import resident
from tests.stations.finder import STUDY_ROOT, SUCCESS, Finder, identifier

STUDIES, INSTANCES = 100_000, 10
KEYS = dict.fromkeys([0x00080018, 0x00200013, 0x00080008, 0x00540400, 0x00280010, 0x00280011, 0x00100010], "")


@pytest.mark.bench("query-million")
@pytest.mark.timeout(900)
def test_a_million_matches_in_flat_memory(
    module_database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        fill(connection, STUDIES, series=1, instances=INSTANCES)
    relational = {STUDY_ROOT: b"\1"}
    with (
        query_process(tmp_path, module_database_url) as process,
        Finder(process.port, extended=relational) as finder,
    ):
        finder.ask(identifier("IMAGE", KEYS))
        began, memory = time.perf_counter(), list[int]()
        for count, response in enumerate(finder.responses()):  # noqa: B007 - the last ones are looked at below
            if count % 100_000 == 50_000:
                memory.append(resident(process) >> 20)
        seconds = time.perf_counter() - began
    assert (count, response.status) == (STUDIES * INSTANCES, SUCCESS)
    with capsys.disabled():
        print(f"\n{count} matches, {count / seconds:.0f} a second; MiB resident: {memory}")  # noqa: T201
    assert max(memory) - memory[0] < 16

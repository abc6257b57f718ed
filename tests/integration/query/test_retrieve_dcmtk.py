"""DCMTK's movescu, storescp and getscu: every level of both roots, among 10,000 generated studies."""

import hashlib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from services.dicom.contexts import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN
from tests.factories import Instance, ct, mr
from tests.integration.query.conftest import STUDIES
from tests.integration.query.generated import fill
from tests.integration.query.retrieving import Archive, archive
from tests.stations import part10
from tests.waiting import until

LEVELS = ["PATIENT", "STUDY", "SERIES", "IMAGE"]


@pytest.fixture(scope="module")
def gateway(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Profile gateway with 10,000 studies in its tables, to which ``held`` adds the two that are retrieved."""
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        fill(connection, STUDIES)
    with archive(tmp_path_factory.mktemp("archive"), module_database_url) as running:
        yield running


@pytest.fixture(scope="module")
def held(gateway: Archive) -> list[Instance]:
    """Explicit CT and explicit MR series in each of two studies."""
    return gateway.hold(
        *(
            (ct if place < 3 else mr)(100 * study + place, study=study, PatientID="DCMTK")
            for study in (1, 2)
            for place in range(5)
        )
    )


def keys(level: str, root: str, wanted: Instance) -> list[str]:
    names = {
        "PatientID": "DCMTK",
        "StudyInstanceUID": wanted.study_instance_uid,
        "SeriesInstanceUID": wanted.series_instance_uid,
        "SOPInstanceUID": wanted.sop_instance_uid,
    }
    given = list(names)[1 if root == "S" else 0 : LEVELS.index(level) + 1]
    pairs = {"QueryRetrieveLevel": level} | {name: names[name] for name in given}
    return [part for name, value in pairs.items() for part in ("-k", f"{name}={value}")]


def expected(level: str, held: list[Instance]) -> dict[str, str]:
    """SHA-256 by UID of what a retrieval of that level for the first instance brings."""
    first = held[0]
    chosen = {
        "PATIENT": held,
        "STUDY": [each for each in held if each.study_instance_uid == first.study_instance_uid],
        "SERIES": [each for each in held if each.series_instance_uid == first.series_instance_uid],
        "IMAGE": [first],
    }[level]
    return {each.sop_instance_uid: hashlib.sha256(each.data_set).hexdigest() for each in chosen}


def received(folder: Path) -> dict[str, str]:
    files = [part10(path) for path in folder.iterdir()]
    return {file.sop_instance: hashlib.sha256(file.data_set).hexdigest() for file in files}


@contextmanager
def storescp(folder: Path) -> Iterator[int]:
    """A running storescp that keeps the bytes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["storescp", "+B", "+xa", "-od", str(folder), str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            state = f"{port:04X} 00000000:0000 0A"
            until(lambda: state in Path("/proc/net/tcp").read_text(), what="storescp listening")
            yield port
        finally:
            process.kill()


def run(program: str, gateway: Archive, *arguments: str) -> str:
    command = [program, "-v", "-aet", "SCANNER1", "-aec", "GATEWAY", *arguments, "127.0.0.1", str(gateway.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_they_are_two_among_ten_thousand(gateway: Archive, held: list[Instance]) -> None:
    (counted,) = gateway.rows("select count(*) as studies from index.study")
    assert counted["studies"] == STUDIES + len({each.study_instance_uid for each in held})


CASES = [("P", level) for level in LEVELS] + [("S", level) for level in LEVELS[1:]]


@pytest.mark.parametrize(("root", "level"), CASES)
def test_movescu(gateway: Archive, held: list[Instance], tmp_path: Path, root: str, level: str) -> None:
    with storescp(tmp_path) as port:
        gateway.station("STORESCP", port)
        said = run("movescu", gateway, f"-{root}", "-aem", "STORESCP", *keys(level, root, held[0]))
    assert "Received Final Move Response (Success)" in said or "(Success)" in said, said
    assert received(tmp_path) == expected(level, held)


@pytest.mark.parametrize(("root", "level"), CASES)
def test_getscu(gateway: Archive, held: list[Instance], tmp_path: Path, root: str, level: str) -> None:
    run("getscu", gateway, f"-{root}", "+B", "-od", str(tmp_path), *keys(level, root, held[0]))
    assert received(tmp_path) == expected(level, held)


def test_getscu_takes_explicit_only_and_gets_the_implicit_instance_converted(gateway: Archive, tmp_path: Path) -> None:
    (held,) = gateway.hold(ct(900, study=9, transfer_syntax=IMPLICIT_LITTLE_ENDIAN))
    run("getscu", gateway, "-S", "+B", "-od", str(tmp_path), *keys("IMAGE", "S", held))
    (path,) = tmp_path.iterdir()
    file = part10(path)
    assert (file.transfer_syntax, file.sop_instance) == (EXPLICIT_LITTLE_ENDIAN, held.sop_instance_uid)
    assert file.data_set != held.data_set
    assert file.data_set.endswith(held.data_set[-2048:])

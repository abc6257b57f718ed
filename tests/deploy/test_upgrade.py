"""From each released schema version, frozen in ``upgrade/``: migrated, served, and still fit for the old code."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from private_servers.postgresql import PrivatePostgresql
from private_servers.rabbitmq import PrivateRabbitmq

from schemas.database.version import SCHEMA_VERSION
from tests.conftest import fresh_database
from tests.deploy.upgrade.frozen import Frozen, contains, every_version, not_understood, statements
from tests.factories import ct
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.running_gateway import RunningGateway, Servers
from tests.stations import StationReceiver
from tests.stations.finder import Finder, identifier
from tests.stations.retriever import Retriever
from tests.waiting import until

pytestmark = pytest.mark.timeout(240)
BEHIND = ("storage", "index", "forwarder", "commitment")
"""The services behind ingest."""


@dataclass(frozen=True)
class Upgraded:
    """A released version whose data this code has migrated, and a gateway on it, not started."""

    frozen: Frozen
    gateway: RunningGateway


@pytest.fixture(scope="module", params=every_version(), ids=lambda frozen: frozen.folder.name)
def upgraded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgresql: PrivatePostgresql,
    rabbitmq: PrivateRabbitmq,
) -> Iterator[Upgraded]:  # fmt: skip
    """The database as the old code left it, migrated with its rows in it; its objects."""
    frozen: Frozen = request.param
    name = f"upgrade-{frozen.version}"
    with fresh_database(postgresql, "template1") as url:
        gateway = RunningGateway(tmp_path_factory.mktemp(name), shared=Servers(url, rabbitmq.add_virtual_host(name)))
        try:
            gateway.start_servers()
            said = gateway.json("restore", str(frozen.folder))
            assert said["applied"] == list(range(frozen.version + 1, SCHEMA_VERSION + 1))
            assert (said["incomplete"], said["objects"] >= len(frozen.sent)) == (0, True)
            yield Upgraded(frozen, gateway)
        finally:
            gateway.end()
            rabbitmq.delete_virtual_host(name)


@pytest.fixture
def old_code(upgraded: Upgraded, tmp_path: Path) -> Path:
    """Where the code of that version lies, if the new schema allows it."""
    if not upgraded.frozen.runs_on:
        pytest.skip("the schema says that it is not for that code, which then leaves it alone")
    upgraded.frozen.unpack(tmp_path)
    return tmp_path


def test_the_old_code_understands_the_new_schema(upgraded: Upgraded, old_code: Path) -> None:
    """While an upgrade rolls, processes of both work with one database: each of their statements finds what it names,
    and a row that they write lacks nothing."""
    frozen, gateway = upgraded.frozen, upgraded.gateway
    asked = statements(old_code)
    assert len(asked) > 500
    with psycopg.connect(gateway.database_url, autocommit=True) as connection:
        assert not_understood(connection, "select no_such_column from config.station") is not None
        faults = {name: not_understood(connection, text) for name, text in asked.items()}
        assert {name: fault for name, fault in faults.items() if fault} == {}
        wanted = connection.execute(
            "select table_schema || '.' || table_name, column_name from information_schema.columns "
            "where is_nullable = 'NO' and column_default is null and is_identity = 'NO' and is_generated = 'NEVER'"
        ).fetchall()
    known = {table["name"]: set(table["columns"]) for table in frozen.manifest["tables"]}
    assert [column for column in wanted if column[0] in known and column[1] not in known[column[0]]] == []


def test_what_the_old_code_left_is_told_served_and_gone_on_with(upgraded: Upgraded) -> None:
    """Commands say what they said; it is found and retrieved bit for bit; what waited is delivered; new is routed."""
    frozen, gateway = upgraded.frozen, upgraded.gateway
    for words, answer in frozen.answers.items():
        assert contains(gateway.json(*words.split()), answer), words
    gateway.start_parts()
    with StationReceiver("ARCHIVE1") as archive, StationReceiver("WORKSTATION1") as workstation:
        for receiver in (archive, workstation):
            gateway.cli("station", "set", receiver.title, "--port", str(receiver.port))
        gateway.wait_configured()
        with Finder(gateway.dicom_port) as finder:
            asked = identifier("STUDY", {0x00100010: "", 0x00100020: "FROZEN-1", 0x0020000D: ""})
            (study, last) = finder.find(asked)
            assert (study.identifier().PatientName, last.status) == ("Größe^Änne", 0)
        studies = {gateway.json("where", uid)["study"] for uid in frozen.sent}
        with Retriever(gateway.dicom_port) as retriever:
            for uid in studies:
                assert retriever.retrieve({0x0020000D: uid}, "STUDY", to="WORKSTATION1")[-1].status == 0
        assert {uid: workstation.digests(uid) for uid in frozen.sent} == {
            uid: {sha} for uid, sha in frozen.sent.items()
        }
        gateway.cli("station", "resume", "WORKSTATION1")
        ledger = Ledger()
        Traffic(gateway.dicom_port, ledger).send([ct(900, study=9)])
        waiting = "select from routing.delivery where state not in ('DELIVERED', 'SUPERSEDED')"
        until(lambda: not gateway.rows(waiting) and ledger.settled(gateway), limit=60, what="what waited and what came")
        assert archive.digests(ct(900, study=9).sop_instance_uid) == set(ledger.attempted.values())


@contextmanager
def running_old(gateway: RunningGateway, code: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of the old code in the place of the new one's; killed at the end if it still runs."""
    command = [sys.executable, "-m", "services.cli", "run", *BEHIND]
    environment = {**gateway.environment(), "PYTHONPATH": str(code)}
    with (gateway.home / "old.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=code, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def test_the_old_code_goes_on_with_the_new_schema(upgraded: Upgraded, old_code: Path) -> None:
    """The schema is migrated first, as an upgrade does it; what comes then is recorded, indexed, routed and delivered
    by a process that is still of the version before."""
    gateway, ledger = upgraded.gateway, Ledger()
    for name in BEHIND:
        if name in gateway.parts:
            gateway.stop(name)
    if "ingest-1" not in gateway.parts:
        gateway.launch("ingest-1")
    with StationReceiver("ARCHIVE1") as archive, running_old(gateway, old_code) as process:
        gateway.cli("station", "set", "ARCHIVE1", "--port", str(archive.port))
        gateway.wait_ready(["ingest-1"])
        Traffic(gateway.dicom_port, ledger).send([ct(901, study=9)])
        until(lambda: ledger.settled(gateway), limit=60, what="it to be recorded, indexed and delivered")
        assert archive.digests(ct(901, study=9).sop_instance_uid) == set(ledger.attempted.values())
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (gateway.home / "old.log").read_text()[-3000:]

"""From each released schema version, frozen in ``upgrade/``: migrated, served, and still fit for the old code."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from private_servers.postgresql import PrivatePostgresql
from private_servers.rabbitmq import PrivateRabbitmq

from schemas.database.version import SCHEMA_VERSION
from services.runtime.migrate import migrations
from tests.conftest import fresh_database
from tests.deploy.upgrade.frozen import Frozen, contains, every_version, not_understood
from tests.factories import ct
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.running_gateway import RunningGateway, Servers
from tests.stations import StationReceiver
from tests.stations.finder import Finder, identifier
from tests.stations.retriever import Retriever
from tests.waiting import until

pytestmark = pytest.mark.timeout(240)


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


def test_the_old_code_still_understands_the_new_schema(upgraded: Upgraded) -> None:
    """While an upgrade rolls, processes of both work with one database: each of their statements finds what it names,
    and a row that they write lacks nothing. A schema that says it is not for them is left alone by them."""
    frozen, gateway = upgraded.frozen, upgraded.gateway
    if max(each.oldest_code for each in migrations()) > frozen.version:
        pytest.skip("the schema says that it is not for that code, which then leaves it alone")
    assert len(frozen.statements) > 500
    with psycopg.connect(gateway.database_url, autocommit=True) as connection:
        assert not_understood(connection, "select no_such_column from config.station") is not None
        faults = {name: not_understood(connection, text) for name, text in frozen.statements.items()}
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

"""``gateway backup`` and ``gateway restore``: what comes back, what is refused, what is copied again."""

import gzip
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from private_servers.postgresql import PrivatePostgresql
from psycopg import sql

from schemas.database.version import SCHEMA_VERSION
from services.admin.backup.manifest import LEFT_OUT, SCHEMAS
from services.runtime.objects import Watermark
from services.runtime.objects_local import LocalStore
from tests.conftest import fresh_database
from tests.factories import ct, mr
from tests.faults.traffic import Beside
from tests.integration.cli.conftest import Gateway, InThisProcess
from tests.recorded import Recorder, add_rule_set, add_station
from tests.s3_server import BUCKET, s3_server
from tests.waiting import until

OLD = datetime(2024, 2, 29, 12, tzinfo=UTC)
"""Long before the month partitions of a new database."""

ADDED = re.compile(r"backup\.(made|restore)")
"""What the audit has after a backup, and after a restore."""


@dataclass
class Elsewhere:
    """Other machines: an empty database and a home of its own each."""

    postgresql: PrivatePostgresql
    folder: Path
    databases: ExitStack
    made: int = 0

    def gateway(self, template: str = "template1") -> Gateway:
        """The command line of one more of them."""
        self.made += 1
        url = self.databases.enter_context(fresh_database(self.postgresql, template))
        settings = {"GATEWAY_DATABASE_URL": url, "GATEWAY_AET": "OURGATEWAY"}
        return InThisProcess(self.folder / f"elsewhere{self.made}", settings)


@pytest.fixture
def elsewhere(postgresql: PrivatePostgresql, tmp_path: Path) -> Iterator[Elsewhere]:
    """Where backups are restored."""
    with ExitStack() as databases:
        yield Elsewhere(postgresql, tmp_path, databases)


@pytest.fixture
def filled(gateway: Gateway, database_url: str) -> Recorder:
    """A gateway that has stations, rules, an old and a new instance, an audit that somebody listens to, an outage."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for table in ("storage.receipt", "storage.fact"):
            month = "for values from ('2024-02-01 00:00:00+00') to ('2024-03-01 00:00:00+00')"
            connection.execute(f"create table {table}_202402 partition of {table} {month}".encode())
        connection.execute("insert into audit.destination (name) values ('syslog')")
        connection.execute(
            "insert into routing.destination (title, open_since, last_failure) values ('ARCHIVE1', now(), 'refused')"
        )
    add_station(database_url, "ARCHIVE1", 104)
    add_station(database_url, "SCANNER1", 104, commit_on="ARCHIVE1")
    add_rule_set(database_url, 1, [{"send": [{"to": "ARCHIVE1"}]}])
    recorder = Recorder(database_url, gateway.home / "objects")
    recorder.record(ct(1, PatientName="Größe\\back\tslash"), received_at=OLD)
    recorder.record(mr(2), mr(3))
    return recorder


def content(url: str) -> dict[str, Any]:
    """Every row of every table that a backup holds, where it lies, and every sequence, but for what commands add."""
    found: dict[str, Any] = {}
    with psycopg.connect(url) as connection:
        connection.execute("set timezone to 'UTC'")
        tables = connection.execute(
            "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where c.relkind in ('r', 'p') and not c.relispartition and n.nspname = any(%s)",
            (list(SCHEMAS),),
        ).fetchall()
        for schema, table in tables:
            if f"{schema}.{table}" not in LEFT_OUT:
                rows = sql.SQL("select t.tableoid::regclass::text, t::text from {} t").format(
                    sql.Identifier(schema, table)
                )
                listed = connection.execute(rows).fetchall()
                found[f"{schema}.{table}"] = sorted(row for row in listed if not ADDED.search(row[1]))
        found["sequences"] = connection.execute(
            "select schemaname, sequencename, last_value from pg_sequences where schemaname <> 'audit' order by 1, 2"
        ).fetchall()
    return found


def made(gateway: Gateway, place: str, *options: str) -> Any:
    """What a backup that has to succeed says."""
    return gateway.done("backup", place, *options, "--json").json()


def test_everything_comes_back_and_only_new_objects_are_copied(
    gateway: Gateway, filled: Recorder, database_url: str, elsewhere: Elsewhere
) -> None:
    """Rows in their partitions, sequences, objects; where somebody has only migrated, too."""
    place, other = str(gateway.home / "backups"), elsewhere.gateway()
    other.done("migrate")
    first = made(gateway, place)
    (late,) = filled.record(ct(4))
    second = made(gateway, place)
    assert (first["objects"], first["copied"], first["incomplete"]) == (3, 3, 0)
    assert (second["objects"], second["copied"]) == (4, 1)
    assert second["copied_bytes"] == (filled.folder / late.object_key).stat().st_size
    expected = content(database_url)
    assert {name for name, rows in expected.items() if rows} >= {"audit.outbox", "storage.fact", "routing.outage"}
    said = other.done("restore", place, "--json").json()
    assert content(other.settings["GATEWAY_DATABASE_URL"]) == expected
    assert (said["backup"], said["objects"], said["incomplete"]) == (second["backup"], 4, 0)
    assert (said["applied"], said["rows"], said["differs"]) == ([], second["rows"], [])
    for path in filled.folder.rglob("*.dcm"):
        assert (other.home / path.relative_to(gateway.home)).read_bytes() == path.read_bytes()
    actions = [row["action"] for row in other.done("audit", "list", "--action", "backup", "--json").json()]
    assert actions == ["backup.restore", "backup.make", "backup.made", "backup.make"]


def test_objects_are_copied_after_the_snapshot(gateway: Gateway, filled: Recorder, database_url: str) -> None:
    """What is recorded while a backup reads the tables has no row in it but its object: nothing is lost."""
    place, waits = str(gateway.home / "backups"), "select from pg_locks where not granted"
    with psycopg.connect(database_url) as busy, psycopg.connect(database_url, autocommit=True) as watching:
        busy.execute("lock table config.station in access exclusive mode")
        with Beside(lambda: gateway.done("backup", place)) as backup:
            until(lambda: watching.execute(waits).fetchone() is not None, limit=30, what="the backup to read stations")
            filled.record(ct(4))
            busy.rollback()
            backup.join(60)
    manifest = json.loads(next(gateway.home.joinpath("backups/backups").iterdir()).read_text())
    rows = {table["name"]: table["rows"] for table in manifest["tables"]}
    assert (rows["storage.identity"], manifest["objects"]) == (3, 4)


def test_every_table_is_in_a_backup_or_left_out_on_purpose(gateway: Gateway, database_url: str) -> None:
    """A new schema or table that nobody thought of would be lost with the first disaster."""
    backup = made(gateway, str(gateway.home / "backups"))["backup"]
    manifest = json.loads((gateway.home / "backups" / "backups" / f"{backup}.json").read_text())
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^pg_|^information_schema$'"
        ).fetchall()
    assert {table["name"] for table in manifest["tables"]} == {name for (name,) in found} - LEFT_OUT
    assert {name for (name,) in found} > LEFT_OUT


def test_damage_is_named_and_what_was_broken_off_is_begun_anew(
    gateway: Gateway, filled: Recorder, elsewhere: Elsewhere
) -> None:
    """A damaged table ends the restore before any service would work; a damaged object is left out and named."""
    backups = gateway.home / "backups"
    first, second = made(gateway, str(backups))["backup"], made(gateway, str(backups))["backup"]
    broken = backups / "tables" / second / "config.station.gz"
    broken.write_bytes(gzip.compress(gzip.decompress(broken.read_bytes()).replace(b"SCANNER1", b"SCANNER2")))
    other = elsewhere.gateway()
    failed = other("restore", str(backups))
    assert (failed.status, f"{second}/config.station.gz is not as it was written" in failed.err) == (1, True)
    refused = other("station", "list")
    assert (refused.status, "has schema version 0" in refused.err) == (1, True), "nobody works with half a database"
    again = other.done("restore", str(backups), "--backup", first, "--keep-objects", "--json").json()
    assert (again["objects"], again["copied"], again["incomplete"]) == (3, 0, 0)

    victim = next(backups.joinpath("objects").rglob("*.dcm"))
    key = str(victim.relative_to(backups))
    victim.write_bytes(victim.read_bytes()[:-1] + b"!")
    other = elsewhere.gateway()
    told = other("restore", str(backups), "--backup", first)
    assert (told.status, "restored" in told.out) == (1, True)
    assert f"damaged in the backup: {key}\n" in told.err
    assert f"missing though the database names it: {key}\n" in told.err
    assert len(list(other.home.rglob("*.dcm"))) == 2
    assert made(gateway, str(backups))["copied"] == 0
    assert made(gateway, str(backups), "--check")["copied"] == 1
    assert victim.read_bytes() == filled.folder.joinpath(key).read_bytes()


def test_damage_here_does_not_reach_the_backup(gateway: Gateway, filled: Recorder, elsewhere: Elsewhere) -> None:
    """What an earlier backup has stays; what is not as it was is named."""
    backups = gateway.home / "backups"
    made(gateway, str(backups))
    shorter, rotten = sorted(filled.folder.rglob("*.dcm"))[:2]
    whole = [(backups / path.relative_to(filled.folder)).read_bytes() for path in (shorter, rotten)]
    shorter.write_bytes(whole[0][:-1])
    rotten.write_bytes(whole[1][:-1] + b"!")
    unnoticed, checked = gateway("backup", str(backups), "--json"), gateway("backup", str(backups), "--check", "--json")
    names = [str(path.relative_to(filled.folder)) for path in (shorter, rotten)]
    assert (unnoticed.status, unnoticed.json()["damaged"]) == (1, names[:1])
    assert (checked.status, checked.json()["damaged"], checked.json()["objects"]) == (1, names, 3)
    assert [(backups / name).read_bytes() for name in names] == whole
    assert elsewhere.gateway().done("restore", str(backups), "--json").json()["objects"] == 3


def test_what_nobody_wants_to_happen_is_refused(
    gateway: Gateway, filled: Recorder, database_url: str, elsewhere: Elsewhere
) -> None:
    """Each by its name, with the cure; nothing is changed."""
    backups = gateway.home / "backups"
    name = made(gateway, str(backups))["backup"]
    other = elsewhere.gateway()

    def refused(where: Gateway, *arguments: str) -> tuple[int, str]:
        ran = where(*arguments)
        return ran.status, ran.err

    status, text = refused(gateway, "restore", str(backups))
    assert (status, "the database is not empty" in text, "GATEWAY_DATABASE_URL" in text) == (1, True, True)
    key = "objects/2026/11/29/10/one.dcm"
    LocalStore(other.home / "objects", Watermark(0, 0)).put_bytes(key, b"somebody's")
    status, text = refused(other, "restore", str(backups))
    assert (status, "is not empty (objects/2026/11/29/10)" in text, "--keep-objects" in text) == (1, True, True)
    assert refused(other, "restore", str(gateway.home / "none"))[1].count("holds no backup") == 1
    assert "the newest there is" in refused(other, "restore", str(backups), "--backup", "20200101t000000.000000z")[1]
    assert refused(gateway, "backup", str(gateway.home / "objects" / "backups"))[0] == 2
    for nowhere in ("ftp://somewhere", "", " "):
        status, text = refused(gateway, "backup", nowhere)
        assert (status, "name a folder" in text, "s3://bucket/prefix" in text) == (2, True, True)
    assert refused(other, "restore", "")[0] == 2
    no_folder = gateway.home / "file"
    no_folder.write_text("")
    for where, command in ((gateway, "backup"), (other, "restore")):
        status, text = refused(where, command, str(no_folder))
        assert (status, f"backups at {no_folder}: " in text, "name a folder" in text) == (1, True, True)
    with psycopg.connect(other.settings["GATEWAY_DATABASE_URL"], application_name="gateway-storage"):
        status, text = refused(other, "restore", str(backups), "--keep-objects")
    assert (status, "a gateway works with this database (gateway-storage): stop it first" in text) == (1, True)
    with psycopg.connect(database_url, autocommit=True) as another:
        another.execute("select pg_advisory_lock(hashtextextended('dicom-gateway backup', 0))")
        assert "another backup of this database" in gateway("backup", str(backups)).err
    newer = backups / "backups" / f"{name}.json"
    newer.write_text(newer.read_text().replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 9999'))
    status, text = refused(other, "restore", str(backups), "--keep-objects")
    assert (status, f"has schema version 9999, this gateway {SCHEMA_VERSION}" in text) == (1, True)
    with psycopg.connect(other.settings["GATEWAY_DATABASE_URL"]) as connection:
        assert connection.execute("select to_regclass('runtime.version')").fetchone() == (None,)


def test_old_backups_go_with_what_only_they_hold(
    gateway: Gateway, filled: Recorder, database_url: str, elsewhere: Elsewhere
) -> None:
    """--keep: an object that was deleted here stays as long as a backup names it; one broken off leaves nothing."""
    backups = gateway.home / "backups"
    first = made(gateway, str(backups))["backup"]
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "update storage.identity set state = 'DELETED' where sop_instance_uid = %s returning object_key",
            (mr(2).sop_instance_uid,),
        ).fetchone()
    assert row is not None
    filled.objects.delete(row[0])
    for folder in ("lists", "tables/20200101t000000.000000z"):
        backups.joinpath(folder).mkdir(parents=True, exist_ok=True)
    backups.joinpath("lists/20200101t000000.000000z.gz").touch()
    backups.joinpath("tables/20200101t000000.000000z/config.hold.gz").touch()
    second = made(gateway, str(backups), "--keep", "2")
    assert (second["forgotten"], (backups / row[0]).exists()) == ([], True)
    assert not list(backups.rglob("*20200101t000000*/*"))
    third = made(gateway, str(backups), "--keep", "2")
    assert (third["forgotten"], third["incomplete"]) == ([first], 0)
    assert not (backups / row[0]).exists()
    assert [path for path in backups.rglob("*") if first in str(path) and path.is_file()] == []
    said = elsewhere.gateway().done("restore", str(backups), "--backup", second["backup"], "--json").json()
    assert (said["objects"], said["incomplete"]) == (2, 0)


def test_backups_lie_on_s3_too(gateway: Gateway, filled: Recorder, database_url: str, elsewhere: Elsewhere) -> None:
    """With settings of their own, while the objects lie in files."""
    with s3_server() as server:
        reached = {
            name.replace("GATEWAY_S3", "GATEWAY_BACKUP_S3"): value
            for name, value in server.environment("unused").items()
            if name != "GATEWAY_OBJECTS_URL"
        }
        place = f"s3://{BUCKET}/backups"
        assert gateway("backup", place, **reached).status == 0
        other = elsewhere.gateway()
        told = other("restore", place, "--json", **reached).json()
    assert (told["objects"], told["incomplete"]) == (3, 0)
    assert content(other.settings["GATEWAY_DATABASE_URL"]) == content(database_url)


def test_an_object_that_is_gone_is_named(gateway: Gateway, filled: Recorder) -> None:
    """The backup says what the gateway itself has lost."""
    lost = next(filled.folder.glob("objects/2024/**/*.dcm"))
    lost.unlink()
    ran = gateway("backup", str(gateway.home / "backups"), "--json")
    assert (ran.status, ran.json()["missing"]) == (1, [str(lost.relative_to(filled.folder))])

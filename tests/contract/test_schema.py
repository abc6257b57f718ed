"""schema.sql, the migrations and the version that the code names belong together."""

import psycopg
from private_servers.postgresql import PrivatePostgresql
from psycopg import sql

from schemas.database.version import SCHEMA_COMPATIBLE_FROM, SCHEMA_VERSION
from services.runtime.migrate import migrations
from services.runtime.schema import misfit
from tests.conftest import execute, fresh_database
from tests.schema_dump import SCHEMA, catalog


def test_schema_sql_is_what_the_migrations_make(postgresql: PrivatePostgresql, database_url: str) -> None:
    """If this fails after a new migration: python -m tests.schema_dump."""
    with fresh_database(postgresql, "template1") as url:
        with psycopg.connect(url) as connection:
            connection.execute(SCHEMA.read_bytes())
        from_file, from_migrations = catalog(url), catalog(database_url)
    assert from_file.keys() == from_migrations.keys()
    for kind, expected in from_migrations.items():
        assert from_file[kind] == expected, kind


def test_the_comparison_sees_a_difference(postgresql: PrivatePostgresql, migrated_template: str) -> None:
    with fresh_database(postgresql, migrated_template) as url:
        before = catalog(url)
        for change in ("drop index storage.receipt_study", "alter table config.station alter store drop not null"):
            execute(url, sql.SQL(change))
            assert catalog(url) != before
            before = catalog(url)


def test_the_code_names_the_newest_migration() -> None:
    newest = migrations()[-1]
    assert newest.number == SCHEMA_VERSION
    assert newest.oldest_code <= SCHEMA_VERSION
    assert SCHEMA_COMPATIBLE_FROM <= SCHEMA_VERSION


def test_a_schema_too_old_or_too_new_names_the_cure() -> None:
    assert misfit(SCHEMA_VERSION, 1) is None
    assert "gateway migrate" in str(misfit(SCHEMA_COMPATIBLE_FROM - 1, 0))
    assert "install the newer gateway" in str(misfit(SCHEMA_VERSION + 5, SCHEMA_VERSION + 1))
    assert misfit(SCHEMA_VERSION + 5, SCHEMA_VERSION) is None, "old code runs on while an upgrade rolls"


OWNED_SCHEMAS = {"runtime", "config", "audit", "storage", "index", "routing", "query", "commitment"}
PARTITIONED = {
    "runtime.outbox": "r",
    "audit.entry": "r",
    "storage.identity": "h",
    "storage.receipt": "r",
    "storage.fact": "r",
    "routing.evaluation": "r",
    "routing.delivery": "r",
    "routing.attempt": "r",
    "query.retrieval": "r",
    "query.suboperation": "r",
    "commitment.item": "r",
    "commitment.archived": "h",
    "commitment.archive_history": "r",
    "commitment.report": "r",
    "commitment.inbound": "r",
    "commitment.inbound_item": "r",
}


def test_one_schema_an_owner_and_no_extension(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        tables = connection.execute(
            "select distinct schemaname from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
        ).fetchall()
        extensions = connection.execute("select extname from pg_extension").fetchall()
    assert {schema for (schema,) in tables} == OWNED_SCHEMAS
    assert extensions == [("plpgsql",)], "every PostgreSQL has this one and must need no other"


def test_tables_that_grow_are_partitioned_from_the_first_migration(database_url: str) -> None:
    """By hash of the UID where a constraint holds for ever, else by month (r: range), months ahead made already."""
    with psycopg.connect(database_url) as connection:
        partitioned = connection.execute(
            "select partrelid::regclass::text, partstrat::text, count(*) from pg_partitioned_table "
            "join pg_inherits on inhparent = partrelid group by 1, 2"
        ).fetchall()
        landed = connection.execute(
            "insert into audit.entry (actor, action, object) values ('a', 'b', 'c') returning tableoid::regclass::text"
        ).fetchone()
    assert {table: strategy for table, strategy, _ in partitioned} == PARTITIONED
    assert all(count >= 5 for _, _, count in partitioned)
    assert landed is not None
    assert not landed[0].endswith("_default")

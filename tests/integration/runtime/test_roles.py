"""Least privilege in the database: what a service asks is permitted to its role, what it should not do is refused."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import psycopg
import pytest
from private_servers.logins import LOGINS
from private_servers.postgresql import PrivatePostgresql
from psycopg import sql

from services.runtime import roles
from services.runtime.db import Database
from services.runtime.errors import GatewayError, UsageError
from services.runtime.partitions import maintain_once
from services.runtime.queries import Queries, load_queries
from services.runtime.settings import ROLES, RuntimeSettings
from tests.conftest import execute, fresh_database, migrate

SERVICES = Path(__file__).resolve().parents[3] / "services"
STATEMENT = re.compile(r"\s*(?:--.*\n\s*)*(?:with|select|insert|update|delete)\b", re.IGNORECASE)
PARAMETER = re.compile(r"%\((\w+)\)s")
CONSUMERS = ("storage", "index", "forwarder", "commitment")
RELAYS = (*CONSUMERS, "admin")
CALLERS = ("query", "forwarder", "commitment", "admin")
KEEPERS = ("query", "storage", "forwarder", "commitment")
BY_ADMIN = ("list_dead_letters", "show_dead_letter", "resolve", "insert_replay", "notify")
BY_RESTORE = ("set_sequence", "has_versions", "is_used", "present_schemas", "connected", "references")
Asked = tuple[str, str, str]  # role, the statement's file and name, its text


def files(service: str) -> Iterator[tuple[str, Queries]]:
    """The SQL of a package, by the path of the file."""
    for file in sorted((SERVICES / service).rglob("*.sql")):
        package = ".".join(("services", *file.parent.relative_to(SERVICES).parts))
        yield str(file.relative_to(SERVICES)), load_queries(package, file.name)


def asked() -> Iterator[Asked]:
    """Every statement of every service's files; those of runtime and dicom for everybody who uses them."""
    for service in LOGINS:
        for file, queries in files(service):
            backup = file.startswith("admin/backup/")
            for name in dir(queries):
                if backup and name in BY_RESTORE:
                    continue
                role = "backup" if backup and name != "backup_age" else service
                yield role, f"{file}:{name}", getattr(queries, name)
    shared = dict(chain(files("runtime"), files("dicom")))
    for role in LOGINS:
        yield from (
            (role, f"schema:{name}", shared["runtime/schema.sql"].__getattr__(name)) for name in SCHEMA_OF[role]
        )
    for role, file, names in (
        *((role, "runtime/outbox.sql", None) for role in RELAYS),
        *((role, "runtime/dead_letters.sql", ("insert_dead_letters",)) for role in CONSUMERS),
        ("admin", "runtime/dead_letters.sql", BY_ADMIN),
        *((role, "dicom/outgoing.sql", None) for role in CALLERS),
    ):
        yield from ((role, f"{file}:{name}", getattr(shared[file], name)) for name in names or dir(shared[file]))


SCHEMA_OF = {
    role: ("version_table", "select_version", *(("ensure_partitions",) if role in (*KEEPERS, "admin") else ()),
           *(("drop_partitions",) if role in KEEPERS else ()))
    for role in LOGINS
}  # fmt: skip
STATEMENTS = [each for each in asked() if STATEMENT.match(each[2])]


def planned(connection: psycopg.Connection, text: str) -> None:
    """Have the server plan a statement, which it refuses to who may not carry it out."""
    text = text.replace("{columns}", "*").replace("{conditions}", "true")
    names = list(dict.fromkeys(PARAMETER.findall(text)))
    text = PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", text).replace("%%", "%")
    types = ["unknown"] * len(names)
    while True:
        try:
            with connection.transaction():
                declared = f"({', '.join(types)})" if names else ""
                connection.execute(f"prepare asked{declared} as {text}".encode())
            break
        except psycopg.errors.IndeterminateDatatype as error:
            types[int(re.findall(r"\$(\d+)", str(error))[0]) - 1] = "text"
    values = f"({', '.join(['null'] * len(names))})" if names else ""
    connection.execute(f"explain execute asked{values}".encode())


@contextmanager
def connected(postgresql: PrivatePostgresql, database_url: str, role: str) -> Iterator[psycopg.Connection]:
    """A connection of the role's login."""
    urls = postgresql.service_urls(database_url.rpartition("/")[2])
    with psycopg.connect(urls[f"{role}_database_url"]) as connection:
        connection.execute("set plan_cache_mode = force_generic_plan")
        connection.commit()
        yield connection
        connection.rollback()


def test_everything_that_has_a_role_is_looked_at() -> None:
    fields = {
        name.removesuffix("_database_url") for name in RuntimeSettings.model_fields if name.endswith("_database_url")
    }
    assert set(ROLES) == set(LOGINS) == set(roles.PARTS) == fields
    assert {role for role, _, _ in STATEMENTS} == set(ROLES)
    assert len(STATEMENTS) > 500


@pytest.mark.parametrize("role", ROLES)
def test_what_a_service_asks_is_permitted_to_its_role(
    postgresql: PrivatePostgresql, module_database_url: str, role: str
) -> None:
    """Each statement of its .sql files: the server plans it only for who has the right to carry it out."""
    refused = []
    with connected(postgresql, module_database_url, role) as connection:
        # Two roles have one login: each is to suffice for its own.
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(f"gateway_{role}")))
        connection.commit()
        for _, name, text in (each for each in STATEMENTS if each[0] == role):
            try:
                planned(connection, text)
            except psycopg.errors.InsufficientPrivilege as error:
                refused.append(f"{name}: {error}")
            connection.rollback()
            connection.execute("deallocate all")
            connection.commit()
    assert refused == []


RIGHTS = """
select * from (
select a.grantee::regrole::text as role, 'table ' || c.oid::regclass::text as object, a.privilege_type as verb
from pg_class c cross join lateral aclexplode(c.relacl) a where not c.relispartition
union all
select a.grantee::regrole::text, 'table ' || c.attrelid::regclass::text, format('%s (%I)', a.privilege_type, c.attname)
from pg_attribute c cross join lateral aclexplode(c.attacl) a
union all
select a.grantee::regrole::text, 'schema ' || n.nspname, a.privilege_type
from pg_namespace n cross join lateral aclexplode(n.nspacl) a
) as rights where role like 'gateway_%'
"""
MONTHS = {
    "query": {"query.retrieval", "query.suboperation"},
    "storage": {"runtime.outbox"},
    "forwarder": {"routing.attempt", "routing.delivery", "routing.evaluation"},
    "commitment": {
        "commitment.archive_history", "commitment.inbound", "commitment.inbound_item", "commitment.item",
        "commitment.report",
    },
}  # fmt: skip
"""Whose old months are dropped, which takes the right to delete the rows."""


def test_nothing_is_granted_that_no_statement_needs(module_database_url: str) -> None:
    """Each right is taken away once: a statement is refused then, or months of the table could not be dropped."""
    with psycopg.connect(module_database_url) as connection:
        connection.execute("set plan_cache_mode = force_generic_plan")
        rights = connection.execute(RIGHTS).fetchall()
        connection.commit()
        idle = {
            (role.removeprefix("gateway_"), verb, name)
            for role, thing, verb in rights
            if not needed(connection, role, thing, verb) and (name := thing.partition(" ")[2])
        }
    dropped = {(role, "DELETE", table) for role, tables in MONTHS.items() for table in tables}
    by_conditions = {("query", "SELECT", "index.series_view")}  # a fragment, which is no statement of its own
    assert {right for right in idle if right[0] != "backup"} - dropped == by_conditions
    assert len(rights) > 300


def needed(connection: psycopg.Connection, role: str, thing: str, verb: str) -> bool:
    """Whether the role's statements that name the thing are refused without this right to it."""
    named = thing.partition(" ")[2]
    for _, _, text in (each for each in STATEMENTS if f"gateway_{each[0]}" == role and named in each[2]):
        connection.execute(f"revoke {verb} on {thing} from {role}; set local role {role}".encode())
        try:
            planned(connection, text)
        except psycopg.errors.InsufficientPrivilege:
            return True
        finally:
            connection.rollback()
            connection.execute("deallocate all")
            connection.commit()
    return False


READERS: dict[str, set[str]] = {
    "config.account": {"admin"},
    "config.session": {"admin"},
    "config.api_key": {"admin"},
    "config.failed_login": {"admin"},
    "config.oidc_attempt": {"admin"},
    "config.contact": {"admin"},
    "config.erasure_key": {"admin"},
    "audit.entry": {"admin"},
    "runtime.dead_letter": {"admin"},
    "routing.transformation_key": {"forwarder"},
    "storage.fact_view": {"admin", "forwarder", "index"},
    "index.patient": {"index"},
}
"""Who reads what is secret, or says who somebody is; the backup, which reads everything, besides."""


@pytest.mark.parametrize("table", READERS)
def test_secrets_and_names_are_read_by_whom_they_are_for(module_database_url: str, table: str) -> None:
    assert holders(module_database_url, table, "select") == READERS[table] | {"backup"}


def test_a_table_has_one_writer(module_database_url: str) -> None:
    """The owner of its schema, and nobody else; of schema runtime it is said in grants.sql."""
    owners = {
        "storage": "storage", "index": "index", "routing": "forwarder", "query": "query", "commitment": "commitment",
        "config": "admin", "audit": "admin",
    }  # fmt: skip
    with psycopg.connect(module_database_url) as connection:
        found = connection.execute(
            "select schemaname || '.' || tablename, schemaname from pg_tables where schemaname = any(%s)",
            [list(owners)],
        ).fetchall()
    assert len(found) > 60
    for table, schema in found:
        writers = set.union(*(holders(module_database_url, table, verb) for verb in ("insert", "update", "delete")))
        audited = {"backup"} if table == "audit.entry" else set()
        assert writers <= {owners[schema]} | audited, table


def test_nobody_owns_makes_or_alters_anything(module_database_url: str) -> None:
    powers = """
    select r.rolname from pg_roles r
    where r.rolname = any(%(names)s)
      and (r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolbypassrls or r.rolreplication
           or has_database_privilege(r.oid, current_database(), 'create')
           or exists (select from pg_namespace n where has_schema_privilege(r.oid, n.oid, 'create'))
           or exists (select from pg_class c where c.relowner = r.oid)
           or exists (select from pg_proc p where p.proowner = r.oid)
           or exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                      where n.nspname = any(%(schemas)s) and c.relkind in ('r', 'p')
                        and has_table_privilege(r.oid, c.oid, 'truncate, references, trigger')))
    """
    schemas = ["runtime", "config", "audit", "storage", "index", "routing", "query", "commitment"]
    names = [*(f"gateway_{role}" for role in ROLES), *set(LOGINS.values())]
    with psycopg.connect(module_database_url) as connection:
        assert connection.execute(powers, {"names": names, "schemas": schemas}).fetchall() == []
        assert connection.execute("select 1 from pg_roles where rolname = any(%s)", [names]).rowcount == len(names)


REFUSED = [
    ("ingest", "select * from config.station_view"),
    ("ingest", "select * from index.study_view"),
    ("ingest", "select object_key from storage.identity_view"),
    ("ingest", "select body from runtime.outbox"),
    ("ingest", "update config.generation set rule_set = 1"),
    ("ingest", "insert into runtime.outbox (exchange, routing_key, headers, body) values ('', '', '{}', '')"),
    ("query", "delete from index.instance"),
    ("query", "update storage.identity set state = 'DELETED'"),
    ("storage", "update config.station set enabled = false"),
    ("storage", "update audit.entry set actor = 'nobody'"),
    ("storage", "delete from index.study"),
    ("index", "delete from storage.identity"),
    ("index", "delete from storage.receipt"),
    ("index", "update routing.job set state = 'CANCELED'"),
    ("forwarder", "insert into config.rule_set (number, source, document, created_by) values (9, '', '{}', 'me')"),
    ("forwarder", "update storage.identity set state = 'DELETED'"),
    ("commitment", "update routing.delivery set state = 'DELIVERED'"),
    ("admin", "delete from storage.receipt"),
    ("admin", "update routing.delivery set state = 'DELIVERED'"),
    ("admin", "update commitment.item set state = 'COMMITTED'"),
    ("admin", "update config.rule_set set document = '{}'"),
    ("admin", "update audit.entry set actor = 'nobody'"),
    ("admin", "insert into runtime.version (number, name, oldest_code) values (99, '', 99)"),
    ("backup", "delete from config.station"),
    *((role, statement) for role in ROLES for statement in (
        "drop table runtime.version", "alter table storage.receipt add column more text",
        "create table runtime.more ()", "drop function audit.record", "create schema more", "truncate runtime.outbox",
        "select runtime.drop_partitions('audit', 'entry', 1)",
        "select runtime.drop_partitions('storage', 'receipt', 0)",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("role", "statement"), REFUSED)
def test_what_is_not_its_work_is_refused(
    postgresql: PrivatePostgresql, module_database_url: str, role: str, statement: str
) -> None:
    with connected(postgresql, module_database_url, role) as connection:
        if LOGINS[role] != role:
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(f"gateway_{role}")))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


async def test_the_owner_of_a_schema_makes_and_drops_its_months_and_no_others(
    postgresql: PrivatePostgresql, database_url: str
) -> None:
    month, old = "202001", "partition of {} for values from ('2020-01-01') to ('2020-02-01')"
    for table in ("query.retrieval", "runtime.outbox", "storage.receipt"):
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(f"create table {table}_{month} {old.format(table)}".encode())
    urls = postgresql.service_urls(database_url.rpartition("/")[2])
    for role, schema, keep in (("query", "query", {"retrieval": 12}), ("storage", "runtime", {"outbox": 1})):
        database = Database(urls[f"{role}_database_url"], application="test")
        await database.open()
        await maintain_once(database, schema, keep)
        with pytest.raises(GatewayError, match="42501"):
            await maintain_once(database, "routing", {})
        await database.close()
    with psycopg.connect(database_url) as connection:
        left = connection.execute(
            "select relname from pg_class where relname ~ %s and relkind = 'r'", [month]
        ).fetchall()
    assert left == [(f"receipt_{month}",)]


def holders(database_url: str, table: str, verb: str) -> set[str]:
    """The roles that may do this with the table, or with one of its columns."""
    asked = "select role from unnest(%s::text[]) as role where has_any_column_privilege('gateway_' || role, %s, %s)"
    if verb == "delete":
        asked = asked.replace("has_any_column_privilege", "has_table_privilege")
    with psycopg.connect(database_url) as connection:
        return {role for (role,) in connection.execute(asked.encode(), [list(ROLES), table, verb])}


@pytest.fixture
def site(postgresql: PrivatePostgresql) -> Iterator[str]:
    """The migrated database of an owner who may nothing else on the server."""
    with fresh_database(postgresql, "template1") as url:
        name = url.rpartition("/")[2]
        statements = (
            "create role site login password 'site'",
            f"alter database {name} owner to site",
            f"grant create on database {name} to site",
        )
        for statement in statements:
            execute(url, sql.SQL(statement))  # type: ignore[arg-type]
        own = url.replace(url.partition("//")[2].partition("@")[0], "site:site")
        migrate(own)
        yield own
        execute(url, sql.SQL("drop owned by site cascade"))
    for role in ("site_reader", "site_porter", *(f"site_{service}" for service in ROLES), "site"):
        execute(postgresql.url, sql.SQL("drop role if exists {}").format(sql.Identifier(role)))


def url_of(site: str, login: str, password: str = "secret") -> str:  # noqa: S107
    return site.replace("site:site@", f"{login}:{password}@")


async def test_who_may_not_make_roles_is_told_what_has_to_be_run(postgresql: PrivatePostgresql, site: str) -> None:
    """The server's administrator runs it once; afterwards the owner needs no more than his own schema."""
    logins = roles.logins_of({"ingest": url_of(site, "site_porter"), "query": url_of(site, "site_porter")})
    with pytest.raises(GatewayError, match="site may not create roles") as told:
        await roles.make(site, logins)
    statements = str(told.value).rpartition("as site: ")[2]
    assert statements.startswith('create role "site_ingest" nologin; ')
    assert 'grant "site_query" to "site_porter"' in statements
    assert "secret" not in str(told.value)
    execute(postgresql.url, sql.SQL(statements))  # type: ignore[arg-type]
    execute(postgresql.url, sql.SQL("alter role site_porter password 'secret'"))
    await roles.make(site, logins)
    with psycopg.connect(url_of(site, "site_porter"), autocommit=True) as connection:
        connection.execute("select patient_id from index.query_study_view")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select * from config.account")
    with psycopg.connect(site) as connection:
        connection.execute("grant select on config.session to site_ingest")
    migrate(site)
    with (
        psycopg.connect(url_of(site, "site_porter")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("select * from config.session")


async def test_roles_are_made_once_and_a_login_has_those_of_its_url(postgresql: PrivatePostgresql, site: str) -> None:
    execute(postgresql.url, sql.SQL("alter role site createrole"))
    both = {"storage": url_of(site, "site_reader"), "index": url_of(site, "site_reader")}
    for urls, expected in (
        (both, ["site_index", "site_storage"]),
        ({"index": url_of(site, "site_reader", "new")}, ["site_index"]),
    ):
        for _ in range(2):
            await roles.make(site, roles.logins_of(urls))
        with psycopg.connect(next(iter(urls.values()))) as connection:
            found = connection.execute(
                "select roleid::regrole::text from pg_auth_members where member = current_user::regrole order by 1"
            ).fetchall()
        assert [role for (role,) in found] == expected


@pytest.mark.parametrize("login", ["site", "gateway", "site_storage"])
async def test_a_login_that_may_more_is_refused(postgresql: PrivatePostgresql, site: str, login: str) -> None:
    execute(postgresql.url, sql.SQL("alter role site createrole"))
    await roles.make(site, [])
    with pytest.raises(UsageError, match=f"login {login} of storage may do more"):
        await roles.make(site, roles.logins_of({"storage": url_of(site, login)}))


async def test_before_the_schema_is_made_it_says_so(postgresql: PrivatePostgresql) -> None:
    with (
        fresh_database(postgresql, "template1") as url,
        pytest.raises(UsageError, match="run 'gateway migrate' first"),
    ):
        await roles.make(url, [])

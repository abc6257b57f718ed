"""Roles in the database: one for each service, with what it needs and nothing else; logins that have them.

``schemas/database/grants.sql`` says what each may do. The roles are named after the owner of the schema
(``gateway_storage``), because roles belong to the whole server, where two gateways may have a database each. They
cannot log in: a login, of one process, has the roles of its services.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

from schemas.database.version import SCHEMA_VERSION
from services.runtime.db_errors import translate
from services.runtime.errors import GatewayError, UsageError
from services.runtime.queries import load_queries
from services.runtime.schema import applied, check_schema

GRANTS = load_queries("schemas.database", "grants.sql")
QUERIES = load_queries("services.runtime", "roles.sql")
PARTS: Mapping[str, Sequence[str]] = {
    "ingest": ("everybody", "ingest"),
    "query": ("everybody", "calls", "query"),
    "storage": ("everybody", "publishes", "consumes", "storage"),
    "index": ("everybody", "publishes", "consumes", "index"),
    "forwarder": ("everybody", "publishes", "consumes", "calls", "forwarder"),
    "commitment": ("everybody", "publishes", "consumes", "calls", "commitment"),
    "admin": ("everybody", "publishes", "calls", "admin"),
    "backup": ("everybody", "backup"),
}
"""Which parts of grants.sql are the rights of each."""


@dataclass(frozen=True)
class Login:
    """Who connects for these services."""

    name: str
    services: tuple[str, ...]
    url: str = field(repr=False)
    password: str = field(repr=False)


def role_of(owner: str, service: str) -> str:
    """The role of a service in a schema of this owner (pure)."""
    return f"{owner}_{service}"


def logins_of(urls: Mapping[str, str]) -> list[Login]:
    """The logins that the services' URLs name (pure). Raises ``UsageError`` for none, or one with two passwords."""
    found: dict[str, Login] = {}
    for service, url in urls.items():
        given = conninfo_to_dict(url)
        name, password = str(given.get("user") or ""), str(given.get("password") or "")
        if not name:
            raise UsageError(
                f"GATEWAY_{service.upper()}_DATABASE_URL names no user: write postgresql://USER@HOST/DATABASE"
            )
        known = found.get(name)
        if known is not None and known.password != password:
            raise UsageError(
                f"GATEWAY_{service.upper()}_DATABASE_URL has another password of login {name} than that of "
                f"{known.services[0]}: a login has one"
            )
        found[name] = Login(name, (*known.services, service) if known else (service,), url, password)
    return list(found.values())


async def grant(connection: AsyncConnection[DictRow]) -> None:
    """Give each role that there is exactly the rights of its service, in one transaction.

    Nothing is done where the schema is another version's: its tables are others, and newer code has said who may what.
    """
    if (await applied(connection))[0] != SCHEMA_VERSION:
        return
    async with connection.transaction():
        names = {role_of(await _owner(connection), service): service for service in PARTS}
        rows = await _rows(connection, QUERIES.existing, {"names": list(names)})
        there = sorted(row["name"] for row in rows)
        for row in await _rows(connection, QUERIES.rights, {"names": there}):
            await connection.execute(row["taken"].encode())
        for name in there:
            for part in PARTS[names[name]]:
                statements = sql.SQL(getattr(GRANTS, part)).format(role=sql.Identifier(name))
                await connection.execute(statements)


async def make(url: str, logins: Sequence[Login]) -> None:
    """Make the roles, and these logins with the roles of their services and no others of ours; then ``grant``.

    ``url`` connects as the owner of the schema, who has to be allowed to create roles unless all is there already.

    Raises:
        UsageError: a login may do more than its services need, or the schema was not made yet.
        GatewayError: the owner may not create roles; the text has what the server's administrator has to do.
        Unavailable: the database is away.
    """
    try:
        connection = await AsyncConnection.connect(
            url, autocommit=True, row_factory=dict_row, connect_timeout=5, application_name="gateway-roles"
        )
        async with connection:
            owner = await _owner(connection)
            await check_schema(connection)
            known = await _rows(connection, QUERIES.existing, {"names": [login.name for login in logins]})
            await _carry_out(connection, await _lacking(connection, owner, logins), owner)
            await _set_passwords(connection, logins, {row["name"] for row in known})
            await grant(connection)
    except psycopg.Error as error:
        raise translate(error) from error


async def _owner(connection: AsyncConnection[DictRow]) -> str:
    rows = await _rows(connection, QUERIES.owner, {})
    if not rows:
        raise UsageError("the database has no schema of the gateway's yet: run 'gateway migrate' first")
    return str(rows[0]["name"])


async def _lacking(connection: AsyncConnection[DictRow], owner: str, logins: Sequence[Login]) -> list[sql.Composed]:
    """What has to be done until there are these roles and logins. Raises ``UsageError`` for one too powerful."""
    roles = [role_of(owner, service) for service in PARTS]
    rows = await _rows(connection, QUERIES.existing, {"names": [*roles, *(login.name for login in logins)]})
    there = {row["name"]: row["powerful"] for row in rows}
    member: dict[str, set[str]] = {login.name: set() for login in logins}
    for row in await _rows(connection, QUERIES.memberships, {"logins": list(member)}):
        member[row["login"]].add(row["role"])
    steps = [_statement("create role {} nologin", role) for role in roles if role not in there]
    for login in logins:
        wanted = {role_of(owner, service) for service in login.services}
        others = member[login.name] - {*roles}
        if login.name in {owner, *roles} or there.get(login.name) or others:
            raise UsageError(
                f"login {login.name} of {', '.join(login.services)} may do more than they need (it is the owner, a "
                f"role of ours or a superuser, may create roles or databases, or has other roles{_listed(others)}): "
                "name another one"
            )
        steps += [_statement("create role {} login", login.name)] if login.name not in there else []
        steps += [_statement("revoke {} from {}", role, login.name) for role in sorted(member[login.name] - wanted)]
        steps += [_statement("grant {} to {}", role, login.name) for role in sorted(wanted - member[login.name])]
    return steps


async def _carry_out(connection: AsyncConnection[DictRow], steps: Sequence[sql.Composed], owner: str) -> None:
    try:
        async with connection.transaction():
            for step in steps:
                await connection.execute(step)
    except psycopg.errors.InsufficientPrivilege:
        told = "; ".join(step.as_string() for step in steps)
        raise GatewayError(
            f"{connection.info.user} may not create roles. Have the server's administrator run this, give each login "
            f"its password, and run 'gateway roles' again as {owner}: {told}"
        ) from None


async def _set_passwords(connection: AsyncConnection[DictRow], logins: Iterable[Login], known: set[str]) -> None:
    """Where the password of the URL is not the login's, or it is new; the server is sent what it keeps of a password,
    never the password."""
    for login in logins:
        if login.password and (login.name not in known or not await _logs_in(login.url)):
            kept = connection.pgconn.encrypt_password(login.password.encode(), login.name.encode(), b"scram-sha-256")
            statement = sql.SQL("alter role {} login password {}")
            await connection.execute(statement.format(sql.Identifier(login.name), sql.Literal(kept.decode())))


async def _logs_in(url: str) -> bool:
    try:
        await (await AsyncConnection.connect(url, connect_timeout=5, application_name="gateway-roles")).close()
    except psycopg.OperationalError:
        return False
    return True


def _statement(template: str, *names: str) -> sql.Composed:
    return sql.SQL(template).format(*map(sql.Identifier, names))


def _listed(roles: Iterable[str]) -> str:
    return "".join(f", {role}" for role in sorted(roles))


async def _rows(connection: AsyncConnection[DictRow], query: Any, parameters: Mapping[str, object]) -> list[DictRow]:
    return await (await connection.execute(query, parameters)).fetchall()

"""People who may log in. Use cases: add, change role or password, remove, list, and the first one."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.admin.access import passwords
from services.admin.access.role import Role
from services.admin.changes import audit
from services.admin.errors import NotFound, Refused
from services.runtime.db import Connection, Database, load_queries
from services.runtime.errors import UsageError

QUERIES: Final = load_queries(__package__, "access.sql")
FIRST: Final = "admin"
Seen = Callable[[dict[str, Any]], None]
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


@dataclass(frozen=True)
class Added:
    """``password``: the one that was made, to be shown once; None if one was given."""

    name: str
    role: Role
    password: str | None


async def add(database: Database, actor: str, name: str, role: Role, password: str | None = None) -> Added:
    """Let somebody log in; without a password one is made. Raises ``Refused`` if the name is taken."""
    wanted = name_of(name)
    made = passwords.generated() if password is None else None
    kept = await passwords.hashed(password or made or "")

    async def work(conn: Connection) -> Added:
        values = {"name": wanted, "role": role, "password_hash": kept}
        if await (await conn.execute(QUERIES.insert_account, values)).fetchone() is None:
            raise Refused(f"user {wanted} exists already; 'gateway user set-role' changes what he may do")
        await audit(conn, actor, "user.add", wanted, None, {"role": role})
        return Added(wanted, role, made)

    return await database.retry(work)


async def add_first(database: Database) -> str | None:
    """The password of the first admin, made because nobody may log in yet; None if somebody may."""
    async with database.transaction() as conn:
        if await (await conn.execute(QUERIES.any_account)).fetchone() is not None:
            return None
    made = passwords.generated()
    kept = await passwords.hashed(made)

    async def work(conn: Connection) -> bool:
        await conn.execute(QUERIES.lock_accounts)
        values = {"name": FIRST, "password_hash": kept}
        if await (await conn.execute(QUERIES.insert_first_account, values)).fetchone() is None:
            return False
        await audit(conn, "gateway", "user.add", FIRST, None, {"role": Role.ADMIN})
        return True

    return made if await database.retry(work) else None


async def set_role(database: Database, actor: str, name: str, role: Role, seen: Seen = lambda _: None) -> None:
    """Let somebody do more, or less, from the next click on; ``seen`` is shown what he may do now, and may raise.

    Raises ``NotFound``; ``Refused`` for the last admin, and for whoever has the role from a provider.
    """

    async def work(conn: Connection) -> None:
        before = await _found_here(conn, name, "his groups there give him the role")
        seen(editable(before))
        if role != Role.ADMIN:
            await _refuse_last_admin(conn, before)
        await conn.execute(QUERIES.set_role, {"name": before["name"], "role": role})
        await audit(conn, actor, "user.set-role", before["name"], {"role": before["role"]}, {"role": role})

    await database.retry(work)


async def set_password(database: Database, actor: str, name: str, password: str | None = None) -> str | None:
    """Give somebody another password, and end his sessions; returns the one that was made, if none was given.

    Raises ``NotFound``; ``Refused`` for whoever logs in by a provider.
    """
    made = passwords.generated() if password is None else None
    kept = await passwords.hashed(password or made or "")

    async def work(conn: Connection) -> None:
        found = await _found_here(conn, name, "he logs in there")
        await conn.execute(QUERIES.set_password, {"name": found["name"], "password_hash": kept})
        await conn.execute(QUERIES.end_sessions, {"name": found["name"]})
        await audit(conn, actor, "user.set-password", found["name"], None, None)

    await database.retry(work)
    return made


async def remove(database: Database, actor: str, name: str) -> None:
    """Let somebody log in no longer; his sessions end. Raises ``NotFound``; ``Refused`` for the last admin."""

    async def work(conn: Connection) -> None:
        before = await _found(conn, name)
        await _refuse_last_admin(conn, before)
        await conn.execute(QUERIES.delete_account, {"name": before["name"]})
        await audit(conn, actor, "user.remove", before["name"], {"role": before["role"]}, None)

    await database.retry(work)


async def list_all(database: Database) -> list[dict[str, Any]]:
    """Everybody who may log in, by name, with the number of browsers that are."""
    async with database.transaction() as conn:
        return await (await conn.execute(QUERIES.list_accounts)).fetchall()


async def show(database: Database, name: str) -> dict[str, Any]:
    """What of one of them is edited. Raises ``NotFound``."""
    wanted = name_of(name)
    async with database.transaction() as conn:
        found = await (await conn.execute(QUERIES.get_account, {"name": wanted})).fetchone()
    if found is None:
        raise _unknown(wanted)
    return editable(found)


def editable(account: Mapping[str, Any]) -> dict[str, Any]:
    """What of an account is edited: two edits of it must not overwrite one another (pure)."""
    return {name: account[name] for name in ("name", "role", "origin")}


def name_of(text: str) -> str:
    """The name of a user that a person wrote. Raises ``UsageError``."""
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"user name {text!r}: 1 to 64 of a-z, 0-9, dot, hyphen, underscore and @, the first a letter or digit"
        )
    return name


async def _found(conn: Connection, name: str) -> dict[str, Any]:
    await conn.execute(QUERIES.lock_accounts)
    wanted = name_of(name)
    found = await (await conn.execute(QUERIES.get_account, {"name": wanted})).fetchone()
    if found is None:
        raise _unknown(wanted)
    return found


def _unknown(name: str) -> NotFound:
    return NotFound(f"user {name} does not exist; 'gateway user list' shows those that do")


async def _found_here(conn: Connection, name: str, why: str) -> dict[str, Any]:
    found = await _found(conn, name)
    if found["origin"] != "local":
        raise Refused(f"user {found['name']} comes from the OpenID provider: {why}")
    return found


async def _refuse_last_admin(conn: Connection, account: dict[str, Any]) -> None:
    (row,) = await (await conn.execute(QUERIES.count_admins)).fetchall()
    if (account["role"], account["origin"], row["admins"]) == (Role.ADMIN, "local", 1):
        raise Refused(f"user {account['name']} is the last admin: make somebody else one first")

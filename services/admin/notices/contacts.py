"""Contacts. Use cases: add, change, remove, list, show, another secret."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.admin.changes import audit
from services.admin.errors import NotFound, Refused
from services.admin.given_fields import changes_of
from services.admin.notices.contact import Addressee, Contact, build, contradictions, valid_name
from services.admin.station_rows import all_stations
from services.runtime.db import Connection, Database, load_queries
from services.runtime.errors import UsageError

QUERIES: Final = load_queries(__package__, "contacts.sql")
Judge = Callable[[Contact], None]


@dataclass(frozen=True)
class Kept:
    """``secret``: the key of its webhook's signatures that was made, to be shown once; None: none was."""

    contact: Contact
    secret: str | None


async def add(database: Database, actor: str, contact: Contact) -> Kept:
    """Have somebody told from now on. Raises ``Refused`` if the name is taken, or a station or rule is not there."""

    async def work(conn: Connection) -> Kept:
        await _judge(conn, contact, None)
        secret = _secret() if contact.webhook else None
        if await (await conn.execute(QUERIES.insert_contact, _row(contact, secret))).fetchone() is None:
            raise Refused(f"contact {contact.name} is already defined; change it with 'gateway notices set'")
        await audit(conn, actor, "contact.add", contact.name, None, contact.shown())
        return Kept(contact, secret)

    return await database.retry(work)


async def set_fields(
    database: Database, actor: str, name: str, fields: Mapping[str, Any], judge: Judge = lambda _: None
) -> Kept:
    """Change what is given of a contact; ``judge`` is given what it was, and may raise. A first webhook gets a secret.

    Raises ``NotFound``, ``Refused``.
    """
    wanted = name_of(name)

    async def work(conn: Connection) -> Kept:
        before, secret = await _found(conn, wanted)
        judge(before)
        after = build(before.model_dump() | changes_of("name", wanted, fields))
        await _judge(conn, after, before)
        made = _secret() if after.webhook and secret is None else None
        await conn.execute(QUERIES.update_contact, _row(after, made))
        await conn.execute(QUERIES.try_now, {"name": wanted})
        await audit(conn, actor, "contact.set", wanted, before.shown(), after.shown())
        return Kept(after, made)

    return await database.retry(work)


async def renew_secret(database: Database, actor: str, name: str) -> str:
    """Sign what is posted to its webhook with another secret from now on. Raises ``NotFound``."""
    wanted, made = name_of(name), _secret()

    async def work(conn: Connection) -> None:
        await _found(conn, wanted)
        await conn.execute(QUERIES.set_secret, {"name": wanted, "secret": made})
        await audit(conn, actor, "contact.secret", wanted, None, None)

    await database.retry(work)
    return made


async def remove(database: Database, actor: str, name: str, judge: Judge = lambda _: None) -> None:
    """Have it told of nothing more; what was sent stays in the history. Raises ``NotFound``, and ``Refused`` while live
    rules name it."""
    wanted = name_of(name)

    async def work(conn: Connection) -> None:
        before, _ = await _found(conn, wanted)
        judge(before)
        naming = [rule for rule, contact in (await contacts_of_rules(conn)).items() if contact == wanted]
        if naming:
            raise Refused(
                f"contact {wanted} is named by live rules ({', '.join(naming)}): publish rules that name another, or "
                f"'gateway notices set {wanted} --disabled'"
            )
        await conn.execute(QUERIES.delete_contact, {"name": wanted})
        await conn.execute(QUERIES.delete_lines, {"name": wanted})
        await audit(conn, actor, "contact.remove", wanted, before.shown(), None)

    await database.retry(work)


async def list_all(database: Database) -> list[Contact]:
    """By name."""
    async with database.transaction() as conn:
        return [each.contact() for each in (await addressees(conn)).values()]


async def show(database: Database, name: str) -> Contact:
    """One. Raises ``NotFound``."""
    async with database.transaction() as conn:
        return (await _found(conn, name_of(name)))[0]


async def with_secret(database: Database, name: str) -> tuple[Contact, str | None]:
    """One with the key of its signatures, for who sends. Raises ``NotFound``."""
    async with database.transaction() as conn:
        return await _found(conn, name_of(name))


async def addressees(conn: Connection) -> dict[str, Addressee]:
    """All of them by name."""
    rows = await (await conn.execute(QUERIES.list_contacts)).fetchall()
    return {row["name"]: Addressee.model_validate(row) for row in rows}


async def live_rules(conn: Connection) -> list[str]:
    """Names of the rules that are live, in order."""
    return [row["rule"] for row in await (await conn.execute(QUERIES.live_rules)).fetchall()]


async def names(conn: Connection) -> list[str]:
    """Of all of them, in order."""
    return [row["name"] for row in await (await conn.execute(QUERIES.contact_names)).fetchall()]


async def contacts_of_rules(conn: Connection) -> dict[str, str]:
    """The contact of each live rule that names one, by the name of the rule."""
    return {row["rule"]: row["contact"] for row in await (await conn.execute(QUERIES.contacts_of_rules)).fetchall()}


def name_of(text: str) -> str:
    """The name that somebody wrote. Raises ``UsageError``."""
    try:
        return valid_name(text)
    except ValueError as fault:
        raise UsageError(f"contact {text[:80]!r}: {fault}") from None


async def _found(conn: Connection, name: str) -> tuple[Contact, str | None]:
    row = await (await conn.execute(QUERIES.get_contact, {"name": name})).fetchone()
    if row is None:
        raise NotFound(f"contact {name} is not defined; 'gateway notices list' shows the contacts there are")
    return Contact.model_validate(row), row["secret"]


async def _judge(conn: Connection, contact: Contact, before: Contact | None) -> None:
    reasons = contradictions(contact, before, await all_stations(conn), await live_rules(conn))
    if reasons:
        raise Refused("\n".join(f"contact {contact.name}: {reason}" for reason in reasons))


def _row(contact: Contact, secret: str | None) -> dict[str, Any]:
    return contact.model_dump(mode="json") | {"secret": secret}


def _secret() -> str:
    return secrets.token_urlsafe(32)

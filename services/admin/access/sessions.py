"""Browsers that are logged in. Use cases: log in, find who asks, log out, forget the old."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.admin.access import passwords, throttling
from services.admin.access.accounts import QUERIES, name_of
from services.admin.access.principal import Principal
from services.admin.access.role import Role
from services.admin.changes import audit
from services.runtime.db import Connection, Database
from services.runtime.errors import GatewayError, UsageError

Attempt = Mapping[str, Any]
"""Parameters that name an attempt to log in."""


class LoginFailed(GatewayError):
    """Name and password do not fit, or too many attempts did not; the text says which."""


@dataclass(frozen=True)
class Lifetime:
    """How long a session lasts: unused, and in all."""

    idle_minutes: int
    hours: int

    def parameters(self) -> dict[str, int]:
        """For the queries."""
        return {"idle_minutes": self.idle_minutes, "hours": self.hours}


async def log_in(database: Database, name: str, password: str, address: str) -> str:
    """The token of a new session. Raises ``LoginFailed``."""
    verified = await verify(database, name, password, address)
    return await database.retry(lambda conn: begun(conn, verified, address))


async def begun(conn: Connection, name: str, address: str) -> str:
    """The token of a new session of a user, who has proved that it is he."""
    token = secrets.token_urlsafe(32)
    kept = {"token_sha256": digest(token), "csrf_token": secrets.token_urlsafe(32)}
    session = _tried(name, address) | kept
    await conn.execute(QUERIES.delete_failures, session)
    await conn.execute(QUERIES.insert_session, session)
    await conn.execute(QUERIES.note_login, session)
    await audit(conn, f"user:{name}", "session.begin", name, None, None)
    return token


async def refused(conn: Connection, name: str, reason: str | None = None) -> None:
    """Write down that somebody was not let in."""
    await audit(conn, f"user:{name}", "session.refuse", name, None, {"reason": reason} if reason else None)


async def verify(
    database: Database, name: str, password: str, address: str, wrong: str = "name and password do not fit"
) -> str:
    """The name of the user whose password it is. Raises ``LoginFailed``, which says ``wrong`` where it is none, also
    while too many attempts failed."""
    try:
        wanted = name_of(name)
    except UsageError:
        wanted = ""
    attempt = await attempted(database, wanted, address)
    async with database.transaction() as conn:
        account = await (await conn.execute(QUERIES.get_account, attempt)).fetchone()
    kept: str | None = None if account is None else account["password_hash"]
    if not await passwords.fits(password, kept) or kept is None:
        await database.retry(lambda conn: refused(conn, wanted))
        raise LoginFailed(wrong)
    await database.retry(lambda conn: withdrawn(conn, attempt))
    await _renew(database, wanted, password, kept)
    return wanted


async def attempted(database: Database, name: str, address: str) -> Attempt:
    """Count an attempt as failed before it is judged: of many at once no more are judged than may fail. Raises
    ``LoginFailed`` while too many of that name or from that address failed, or are being judged."""

    async def work(conn: Connection) -> Attempt:
        tried = _tried(name, address)
        await conn.execute(QUERIES.lock_attempts, tried)
        (recent,) = await (await conn.execute(QUERIES.recent_failures, tried)).fetchall()
        wait = throttling.wait_seconds(recent["failures"], recent["since_last"])
        if wait > 0:
            raise LoginFailed(f"too many attempts failed: try again in {int(wait) + 1} s")
        (row,) = await (await conn.execute(QUERIES.insert_failure, tried)).fetchall()
        return tried | row

    return await database.retry(work)


async def withdrawn(conn: Connection, attempt: Attempt) -> None:
    """It did not fail."""
    await conn.execute(QUERIES.delete_failure, attempt)


def nobody(address: str) -> str:
    """The name under which attempts of nobody who is known are counted."""
    return f"from {address}"


def _tried(name: str, address: str) -> dict[str, Any]:
    return {"name": name, "address": address, "window": throttling.WINDOW_SECONDS}


async def find(database: Database, token: str, lifetime: Lifetime) -> Principal | None:
    """Whose session it is, if it lasts still."""
    async with database.transaction() as conn:
        values = {"token_sha256": digest(token)} | lifetime.parameters()
        row = await (await conn.execute(QUERIES.find_session, values)).fetchone()
    if row is None:
        return None
    role, by_password = Role(row["role"]), row["by_password"]
    return Principal(f"user:{row['account']}", row["account"], role, row["csrf_token"], by_password)


async def log_out(database: Database, token: str) -> None:
    """End a session, if it is there."""

    async def work(conn: Connection) -> None:
        row = await (await conn.execute(QUERIES.delete_session, {"token_sha256": digest(token)})).fetchone()
        if row is not None:
            await audit(conn, f"user:{row['account']}", "session.end", row["account"], None, None)

    await database.retry(work)


async def forget(database: Database, lifetime: Lifetime) -> None:
    """Delete the sessions that last no longer."""

    async def work(conn: Connection) -> None:
        await conn.execute(QUERIES.delete_old_sessions, lifetime.parameters())

    await database.retry(work)


async def _renew(database: Database, name: str, password: str, kept: str) -> None:
    """Make the hash again where it was made with other parameters than today's. It stays the same password."""
    if not passwords.outdated(kept):
        return
    values = {"name": name, "kept": kept, "renewed": await passwords.hashed(password)}
    await database.retry(lambda conn: conn.execute(QUERIES.renew_password_hash, values))


def digest(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()

"""Use cases: send a browser to the provider, and begin the session of who comes back."""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from services.admin.access import accounts, sessions
from services.admin.access.oidc.identity import Identity, identity_of
from services.admin.access.role import Role
from services.admin.access.sessions import LoginFailed, digest
from services.admin.changes import audit
from services.runtime.db import Connection, Database, load_queries

if TYPE_CHECKING:  # its libraries take a while to load, where there is none
    from services.admin.access.oidc.provider import Provider

QUERIES: Final = load_queries(__package__, "oidc.sql")
ATTEMPT_SECONDS: Final = 600
"""Within which a person has to log in at the provider."""
MOST_FROM_ADDRESS: Final = 200
MOST_ATTEMPTS: Final = 10_000
"""Under way at once: everybody behind one proxy may have one address."""
ACTOR: Final = "oidc"
"""Who gives users their role, in the audit."""


@dataclass(frozen=True)
class Begun:
    """``url``: where the browser goes; ``browser``: the token that it has to bring back in its cookie."""

    url: str
    browser: str


@dataclass(frozen=True)
class LoggedIn:
    """``token``: of the new session; ``next``: the page that was asked for; ``id_token``: ends the session at the
    provider."""

    token: str
    next: str
    id_token: str


async def begin(database: Database, provider: "Provider", redirect_uri: str, next: str, address: str) -> Begun:
    """Raises ``Unavailable`` while the provider is away; ``LoginFailed`` while too many logins are under way."""
    sent = await provider.send(redirect_uri)
    browser = secrets.token_urlsafe(32)
    kept = {"state_sha256": digest(sent.state), "browser_sha256": digest(browser), "nonce": sent.nonce,
            "code_verifier": sent.code_verifier, "redirect_uri": redirect_uri, "next": next,
            "address": address}  # fmt: skip

    async def work(conn: Connection) -> None:
        await conn.execute(QUERIES.lock_attempts)
        await conn.execute(QUERIES.delete_old_attempts, {"seconds": ATTEMPT_SECONDS})
        (open_now,) = await (await conn.execute(QUERIES.count_attempts, kept)).fetchall()
        if open_now["from_address"] >= MOST_FROM_ADDRESS or open_now["everywhere"] >= MOST_ATTEMPTS:
            raise LoginFailed("too many logins were begun and not finished: finish yours, or try again in ten minutes")
        await conn.execute(QUERIES.insert_attempt, kept)

    await database.retry(work)
    return Begun(sent.url, browser)


async def finish(
    database: Database, provider: "Provider", state: str, code: str, browser: str, address: str
) -> LoggedIn:
    """Begin the session of who came back. Raises ``Unavailable``; ``LoginFailed``, which is audited."""
    attempt = await _taken(database, state, browser, address)
    try:
        if not code:
            raise LoginFailed(f"{provider.settings.name} did not let you in")
        told = await provider.believed(code, attempt["redirect_uri"], attempt["code_verifier"], attempt["nonce"])
        settings = provider.settings
        identity = identity_of(told.claims, settings.name_claim, settings.groups_claim, settings.groups)
    except LoginFailed as error:
        fault = str(error)
        await database.retry(lambda conn: sessions.refused(conn, "", fault))
        raise
    token = await _session(database, identity, address)
    return LoggedIn(token, attempt["next"], told.id_token)


async def _taken(database: Database, state: str, browser: str, address: str) -> dict[str, Any]:
    """What was begun. Whoever comes back often without having begun has to wait: each time is written down."""
    attempt = await sessions.attempted(database, sessions.nobody(address), address)

    async def work(conn: Connection) -> dict[str, Any] | LoginFailed:
        values = {"state_sha256": digest(state), "browser_sha256": digest(browser), "seconds": ATTEMPT_SECONDS}
        row = await (await conn.execute(QUERIES.take_attempt, values)).fetchone()
        if row is None:
            fault = "this login was finished already, took too long, or another browser began it: begin again"
            return await _refused(conn, "", fault)
        await sessions.withdrawn(conn, attempt)
        return row

    found = await database.retry(work)
    if isinstance(found, LoginFailed):
        raise found
    return found


async def _session(database: Database, identity: Identity, address: str) -> str:
    """The token of a new session. Who is refused has no session any more."""

    async def work(conn: Connection) -> str | LoginFailed:
        await conn.execute(accounts.QUERIES.lock_accounts)
        found = await (await conn.execute(QUERIES.get_account, vars(identity))).fetchone()
        his = found is not None and (found["issuer"], found["subject"]) == (identity.issuer, identity.subject)
        if found is not None and not his:
            fault = f"the name {identity.name} is somebody else's here: ask an admin"
            return await _refused(conn, identity.name, fault)
        if identity.role is None:
            if found is not None:
                await conn.execute(accounts.QUERIES.end_sessions, {"name": found["name"]})
            fault = f"{identity.name} is in no group that may use this gateway: ask whoever manages its groups"
            return await _refused(conn, identity.name, fault)
        return await sessions.begun(conn, await _account(conn, identity, identity.role, found), address)

    outcome = await database.retry(work)
    if isinstance(outcome, LoginFailed):
        raise outcome
    return outcome


async def _refused(conn: Connection, name: str, fault: str) -> LoginFailed:
    await sessions.refused(conn, name, fault)
    return LoginFailed(fault)


async def _account(conn: Connection, identity: Identity, role: Role, found: dict[str, Any] | None) -> str:
    """The name of his account, which is made, or has the role of his groups from now on."""
    if found is None:
        await conn.execute(QUERIES.insert_account, vars(identity))
        await audit(conn, ACTOR, "user.add", identity.name, None, {"role": role, "origin": "oidc"})
        return identity.name
    name = str(found["name"])
    if found["role"] != role:
        await conn.execute(accounts.QUERIES.set_role, {"name": name, "role": role})
        await audit(conn, ACTOR, "user.set-role", name, {"role": found["role"]}, {"role": role})
    return name

"""Programs that may use the API. Use cases: add, revoke, list, find who asks. A key is ``gw_ID_SECRET``.

Of keys that are not revoked each has a name of its own, expired ones too.
"""

import hashlib
import re
import secrets
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.admin.access.accounts import QUERIES
from services.admin.access.principal import Principal
from services.admin.access.role import Role
from services.admin.changes import audit
from services.admin.errors import NotFound, Refused
from services.runtime.db import Connection, Database

MOST_DAYS: Final = 3660
_KEY: Final = re.compile(r"gw_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


def _plain_name(name: str) -> str:
    """A name that the audit tells from others at a glance. Raises ValueError."""
    if not name.isprintable() or name != " ".join(name.split()):
        raise ValueError("no control characters, and no spaces around it or several in a row")
    return name


class NewApiKey(BaseModel):
    """What is said of a key when it is made; ``days``: for how long it is good, None: until it is revoked."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, AfterValidator(_plain_name), Field(min_length=1, max_length=100, examples=["ris-interface"])]
    role: Role = Role.VIEWER
    days: Annotated[int, Field(ge=1, le=MOST_DAYS)] | None = None


class ApiKey(BaseModel):
    """What is kept of a key."""

    id: str
    name: str
    role: Role
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None


class MadeApiKey(ApiKey):
    """With the key itself, which is never shown again."""

    key: str


async def add(database: Database, actor: str, wanted: NewApiKey) -> MadeApiKey:
    """Make a key. Raises ``Refused`` while another one of that name is not revoked: the audit names who acts by it."""
    number, secret = secrets.token_hex(6), secrets.token_urlsafe(32)

    async def work(conn: Connection) -> dict[str, Any]:
        values = wanted.model_dump() | {"id": number, "secret_sha256": _digest(secret), "actor": actor}
        row = await (await conn.execute(QUERIES.insert_api_key, values)).fetchone()
        if row is None:
            raise await _taken(conn, wanted.name)
        await audit(conn, actor, "api-key.add", number, None, {"name": wanted.name, "role": wanted.role})
        return row

    return MadeApiKey(**await database.retry(work), key=f"gw_{number}_{secret}")


async def revoke(database: Database, actor: str, number: str) -> ApiKey:
    """Let a key be good for nothing from now on. Raises ``NotFound``."""

    async def work(conn: Connection) -> dict[str, Any]:
        row = await (await conn.execute(QUERIES.revoke_api_key, {"id": number})).fetchone()
        if row is None:
            raise NotFound(f"no API key {number} can be revoked; Users, or GET /api/v1/keys, lists those there are")
        await audit(conn, actor, "api-key.revoke", number, {"name": row["name"], "role": row["role"]}, None)
        return row

    return ApiKey(**await database.retry(work))


async def list_all(database: Database) -> list[ApiKey]:
    """Every key, in the order in which they were made."""
    async with database.transaction() as conn:
        return [ApiKey(**row) for row in await (await conn.execute(QUERIES.list_api_keys)).fetchall()]


async def find(database: Database, text: str) -> Principal | None:
    """Whose key it is, if it is good."""
    key = _KEY.fullmatch(text)
    if key is None:
        return None
    async with database.transaction() as conn:
        values = {"id": key[1], "secret_sha256": _digest(key[2])}
        row = await (await conn.execute(QUERIES.find_api_key, values)).fetchone()
    return None if row is None else Principal(f"key:{row['name']}", row["name"], Role(row["role"]))


async def _taken(conn: Connection, name: str) -> Refused:
    row = await (await conn.execute(QUERIES.api_key_of_name, {"name": name})).fetchone()
    number = "" if row is None else row["id"]
    return Refused(
        f"API key {name} is there already ({number}), and what programs do is audited by the name: choose another "
        f"name, or revoke that one first if it is lost or expired (on Users, or DELETE /api/v1/keys/{number})"
    )


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()

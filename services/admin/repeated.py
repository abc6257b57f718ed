"""Actions by the key that a program gave them, with what was answered; each is carried out once."""

from dataclasses import dataclass
from typing import Final

from psycopg.types.json import Jsonb

from services.admin.errors import Refused
from services.runtime.db import Connection, Database, load_queries
from services.runtime.errors import UsageError

QUERIES: Final = load_queries(__package__, "repeated.sql")
KEPT_HOURS: Final = 24


@dataclass(frozen=True)
class Begun:
    """Who gave which key to which request."""

    actor: str
    key: str
    request_sha256: bytes


@dataclass(frozen=True)
class Answer:
    """What was answered."""

    status: int
    headers: dict[str, str]
    body: bytes


async def begin(database: Database, begun: Begun) -> Answer | None:
    """None: carry it out. Else it was: this was answered.

    Raises ``UsageError`` for a key of another request, and ``Refused`` while the first one has no answer yet.
    """

    async def work(conn: Connection) -> Answer | None:
        values = vars(begun) | {"hours": KEPT_HOURS}
        if await (await conn.execute(QUERIES.begin_action, values)).fetchone() is not None:
            return None
        row = await (await conn.execute(QUERIES.get_action, values)).fetchone()
        if row is None:
            raise Refused("the same request ended this moment: send it again")
        if bytes(row["request_sha256"]) != begun.request_sha256:
            raise UsageError("Idempotency-Key: another request had that key: choose one for each action")
        if row["status"] is None:
            raise Refused(
                f"a request with that key was begun at {row['begun_at']:%Y-%m-%d %H:%M:%S} UTC and has no answer yet: "
                "wait; if it stays so the process ended meanwhile, and what became of it is to be looked at"
            )
        return Answer(row["status"], row["headers"], bytes(row["body"]))

    return await database.retry(work)


async def keep(database: Database, begun: Begun, answer: Answer) -> None:
    """Write down what was answered."""

    async def work(conn: Connection) -> None:
        given = {"status": answer.status, "headers": Jsonb(answer.headers), "body": answer.body}
        await conn.execute(QUERIES.keep_answer, vars(begun) | given)

    await database.retry(work)


async def forget(database: Database, begun: Begun) -> None:
    """It was not carried out: the key is free again."""

    async def work(conn: Connection) -> None:
        await conn.execute(QUERIES.delete_action, vars(begun))

    await database.retry(work)


async def forget_old(database: Database) -> None:
    """Delete what is kept no longer."""

    async def work(conn: Connection) -> None:
        await conn.execute(QUERIES.delete_old_actions, {"hours": KEPT_HOURS})

    await database.retry(work)

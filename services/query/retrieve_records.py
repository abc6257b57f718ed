"""What retrievals know and leave in PostgreSQL, asked from an association's thread with a limit for every answer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

from services.dicom.association import Request
from services.query.retrieve_wish import Wish
from services.query.suboperations_counts import Counts, Result
from services.runtime.db import Connection, Database, load_queries
from services.runtime.errors import Unavailable

QUERIES = load_queries(__package__, "retrieve.sql")
ANSWER_SECONDS: Final = 20.0
"""Longest wait for one transaction, attempts after conflicts included."""

T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """Who asked for what: the audit row's own columns. ``destination`` of a C-GET is the requester."""

    operation: str
    requester: str
    peer_address: str
    association: str
    message_id: int
    destination: str
    level: str = ""

    @classmethod
    def by(cls, request: Request, operation: str, destination: str, level: str = "") -> "Asked":
        """As a request says."""
        association = request.association
        return cls(
            operation, association.calling_aet, association.peer_address, association.id, request.command.message_id,
            destination, level,
        )  # fmt: skip


@dataclass(frozen=True)
class Destination:
    """A row of ``config.station`` as a move destination; ``store_seconds`` None: the wait the profile has."""

    title: str
    host: str
    port: int
    enabled: bool
    associations: int
    store_seconds: int | None
    reduce_level_1: bool
    tls: bool = False
    certificates: Sequence[str] = ()


@dataclass(frozen=True)
class Instance:
    """One sub-operation to be done: what is sent, and where it lies (nowhere, unless ``state`` is STORED)."""

    position: int
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    object_key: str | None
    data_set_offset: int | None
    size: int | None
    sha256: str | None
    state: str


@dataclass(frozen=True)
class Done:
    """What became of one."""

    instance: Instance
    result: Result
    status: int | None = None
    reason: str = ""
    sent_in: str = ""


class Retrieval:
    """One begun retrieval; its sub-operations are rows that are read in pages and written as they end."""

    def __init__(self, records: "Records", key: dict[str, Any], total: int, needed: Sequence[tuple[str, str]]) -> None:
        self._records, self._key = records, key
        self.total, self.needed = total, needed

    def after(self, position: int, most: int) -> list[Instance]:
        """The next sub-operations behind a position. Raises GatewayError."""

        async def work(connection: Connection) -> list[Instance]:
            values = self._key | {"after": position, "most": most}
            found = await connection.execute(QUERIES.next_suboperations, values, prepare=False)
            return [Instance(**row) for row in await found.fetchall()]

        return self._records.ask(work)

    def record(self, done: Sequence[Done], counts: Counts) -> None:
        """Write what ended. Raises GatewayError."""
        self._records.ask(lambda connection: self._record(connection, done, counts))

    def finish(
        self,
        done: Sequence[Done],
        counts: Counts,
        status: int | None,
        reason: str,
        *,
        give_up_after: int | None,
        name: int,
    ) -> list[str]:
        """Write the end. ``give_up_after``: what is behind that position has failed; at most ``name`` of their UIDs.

        Raises GatewayError.
        """

        async def work(connection: Connection) -> list[str]:
            await self._record(connection, done, counts)
            given_up: list[str] = []
            if give_up_after is not None:
                values = self._key | {"after": give_up_after, "reason": reason[:500], "most": name}
                found = await connection.execute(QUERIES.fail_rest, values, prepare=False)
                given_up = [row["sop_instance_uid"] for row in await found.fetchall()]
            values = self._key | _numbers(counts) | {"status": status, "reason": reason[:500]}
            await connection.execute(QUERIES.finish_retrieval, values)
            return given_up

        return self._records.ask(work)

    async def _record(self, connection: Connection, done: Sequence[Done], counts: Counts) -> None:
        columns = {
            "position": [each.instance.position for each in done],
            "result": [each.result.value for each in done],
            "status": [each.status for each in done],
            "reason": [each.reason[:500] for each in done],
            "sent_in": [each.sent_in for each in done],
        }
        if done:
            await connection.execute(QUERIES.record_suboperations, self._key | columns, prepare=False)
        await connection.execute(QUERIES.renew_retrieval, self._key | _numbers(counts))


class Records:
    """Reads and writes for retrievals of one process."""

    def __init__(self, database: Database, loop: asyncio.AbstractEventLoop, unmovable: Sequence[str]) -> None:
        self._database, self._loop, self._unmovable = database, loop, sorted(unmovable)

    def destination(self, requester: str, title: str) -> tuple[Destination | None, list[str]]:
        """The station of that title, and the titles the requester may name (empty: all). Raises GatewayError."""

        async def work(connection: Connection) -> tuple[Destination | None, list[str]]:
            values = {"requester": requester, "destination": title}
            row = await (await connection.execute(QUERIES.select_destination, values)).fetchone()
            if row is None:
                return None, []
            allowed = row.pop("allowed")
            return Destination(**row) if row["title"] is not None else None, allowed

        return self.ask(work)

    def refused(self, asked: Asked, status: int, reason: str) -> None:
        """Write down a request that was not begun. Raises GatewayError."""
        self.ask(lambda connection: _insert(connection, asked, status, reason))

    def begin(self, asked: Asked, wish: Wish) -> Retrieval:
        """Write down what the request covers, in one transaction. Raises GatewayError."""

        async def work(connection: Connection) -> Retrieval:
            key = await _insert(connection, asked, None, "")
            levels = {level.lower(): list(wish.keys[level]) if level in wish.keys else None for level in _LEVELS}
            covered = key | levels | {"unmovable": self._unmovable}
            await connection.execute(QUERIES.insert_suboperations, covered, prepare=False)
            total = await (await connection.execute(QUERIES.update_total, key)).fetchone()
            needed = await (await connection.execute(QUERIES.select_needed, key, prepare=False)).fetchall()
            pairs = [(row["sop_class_uid"], row["transfer_syntax_uid"]) for row in needed]
            return Retrieval(self, key, total["total"] if total else 0, pairs)

        return self.ask(work)

    async def end_abandoned(self, seconds: float) -> None:
        """Close the rows of retrievals that nobody serves any more. Raises GatewayError."""
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES.end_abandoned, {"seconds": seconds})

    def ask(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run a transaction on the loop from another thread. Raises GatewayError, Unavailable above all."""
        if not self._database.available:
            raise Unavailable("database is away")
        asked = asyncio.run_coroutine_threadsafe(self._database.retry(work), self._loop)
        try:
            return asked.result(ANSWER_SECONDS)
        except FutureTimeoutError:
            asked.cancel()
            raise Unavailable(f"the database did not answer within {ANSWER_SECONDS} s") from None


_LEVELS: Final = ("PATIENT", "STUDY", "SERIES", "IMAGE")


async def _insert(connection: Connection, asked: Asked, status: int | None, reason: str) -> dict[str, Any]:
    """The key of the new row."""
    identity: UUID = uuid4()
    values = vars(asked) | {"id": identity, "status": status, "reason": reason[:500]}
    row = await (await connection.execute(QUERIES.insert_retrieval, values)).fetchone()
    return {"started_at": row["started_at"] if row else None, "id": identity}


def _numbers(counts: Counts) -> dict[str, int]:
    return {"completed": counts.completed, "failed": counts.failed, "warned": counts.warned}

"""Deleting instances: hide, wait until nobody can be using them, delete the object, keep the row as tombstone.

A row in DELETING or DELETED is never taken for a lost object by the sweep, so a crash anywhere brings nothing back.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from schemas.messages import Envelope, InstanceDeleted
from services.runtime import outbox
from services.runtime.db import Database
from services.runtime.errors import Conflict, GatewayError
from services.runtime.objects import ObjectStore
from services.runtime.supervise import Supervisor
from services.storage import metrics
from services.storage.gate import Held, Waiting, kept, refusal
from services.storage.leadership import Leadership
from services.storage.records import QUERIES, Connection
from services.storage.settings import StorageSettings

AT_ONCE = 100

log = structlog.get_logger(__name__)


class Needed(GatewayError):
    """Deliveries of the instances have not ended, or commitments that are asked for them are missing. The text names
    numbers, instances, stations and the cure."""


@dataclass(frozen=True)
class Deleted:
    """``hidden`` contents, and the deliveries of them that had not ended."""

    hidden: int
    undelivered: list[Waiting]

    def given_up(self) -> list[dict[str, Any]]:
        """``destination`` and ``deliveries`` of those that end FAILED; what is being sent may arrive yet."""
        counts = {each.destination: each.deliveries - each.sending for each in self.undelivered}
        return [{"destination": title, "deliveries": count} for title, count in counts.items() if count]


async def delete_instances(
    connection: Connection,
    sop_instance_uids: Sequence[str],
    *,
    commitment: bool = True,
    even_uncommitted: bool = False,
    force: bool = False,
) -> Deleted:
    """Hide every stored content of these SOP Instance UIDs and mark its objects; the worker does the rest.

    The index hears of it by ``instance.deleted``; the forwarder ends what still waits to be sent. Runs in the caller's
    transaction. Doing it again hides none. ``commitment``: whether the profile asks for storage commitment;
    ``even_uncommitted``: a person wants it whatever was committed; ``force``: and whatever is to be delivered yet
    (services.storage.gate).

    Raises ``Needed``, and then hides nothing.
    """
    locked = await lock_contents(connection, sop_instance_uids)
    contents = await held(connection, sop_instance_uids, commitment=commitment)
    staying = kept(contents, even_uncommitted=even_uncommitted)
    undelivered = await waiting(connection, sop_instance_uids)
    if staying or (undelivered and not force):
        raise Needed(refusal(staying, () if force else undelivered))
    return Deleted(await hide(connection, locked), undelivered)


async def lock_contents(connection: Connection, sop_instance_uids: Sequence[str]) -> list[tuple[str, int]]:
    """Lock the live contents of these SOP Instance UIDs until the end of the transaction; UID and revision of each."""
    found = await connection.execute(QUERIES.lock_contents, {"sop_instance_uid": list(sop_instance_uids)})
    return [(row["sop_instance_uid"], row["revision"]) for row in await found.fetchall()]


async def held(connection: Connection, sop_instance_uids: Sequence[str], *, commitment: bool) -> list[Held]:
    """Of the live contents of these SOP Instance UIDs those that something speaks for."""
    parameters = {"sop_instance_uid": list(sop_instance_uids), "commitment": commitment}
    rows = await (await connection.execute(QUERIES.select_held, parameters)).fetchall()
    return [Held(**row | {"missing": tuple(row["missing"]), "untold": tuple(row["untold"])}) for row in rows]


async def waiting(connection: Connection, sop_instance_uids: Sequence[str]) -> list[Waiting]:
    """By station, the deliveries of the live contents of these SOP Instance UIDs that have not ended."""
    parameters = {"sop_instance_uid": list(sop_instance_uids)}
    rows = await (await connection.execute(QUERIES.select_waiting, parameters)).fetchall()
    return [Waiting(**row) for row in rows]


async def hide(connection: Connection, contents: Sequence[tuple[str, int]]) -> int:
    """Hide these contents, mark their objects and tell the index; how many were not hidden before."""
    parameters = {"sop_instance_uid": [uid for uid, _ in contents], "revision": [number for _, number in contents]}
    hidden = await (await connection.execute(QUERIES.hide_contents, parameters)).fetchall()
    parameters = {
        "sop_instance_uid": [row["sop_instance_uid"] for row in hidden],
        "revision": [row["revision"] for row in hidden],
    }
    await connection.execute(QUERIES.hide_objects, parameters)
    await outbox.enqueue_many(connection, [Envelope.wrap(InstanceDeleted(**row), "storage") for row in hidden])
    return len(hidden)


async def nothing_is_backed_up(connection: Connection) -> bool:
    """Whether objects may be deleted: none is while a backup copies what its snapshot of the database names."""
    row = await (await connection.execute(QUERIES.nothing_is_backed_up)).fetchone()
    return row is not None and bool(row["free"])


class DeletionWorker:
    """Deletes the objects of hidden instances once their time has come."""

    def __init__(
        self, database: Database, objects: ObjectStore, leadership: Leadership, settings: StorageSettings
    ) -> None:
        self._database, self._objects = database, objects
        self._leadership, self._settings = leadership, settings

    async def run(self, supervisor: Supervisor) -> None:
        """Work until the process stops; a supervised task."""
        while not await supervisor.pause(self._settings.deletion_poll_seconds):
            if not self._leadership.held or not self._database.available:
                continue
            try:
                await self.run_once()
            except GatewayError as error:
                log.warning("deletion_postponed", reason=str(error))

    async def run_once(self) -> int:
        """Delete what may be deleted; how many objects. None while a backup is made."""
        parameters = {"wait": self._settings.deletion_wait_seconds, "most": AT_ONCE}
        async with self._database.transaction() as connection:
            if not await nothing_is_backed_up(connection):
                return 0
            rows = await (await connection.execute(QUERIES.select_deletable, parameters)).fetchall()
        for row in rows:
            await asyncio.to_thread(self._objects.delete, row["object_key"])
            try:
                await self._bury(row)
            except Conflict:
                continue  # the next run finds it again
            metrics.DELETED.labels("instance").inc()
            log.info("object_deleted", object_key=row["object_key"], sop_instance=row["sop_instance_uid"])
        return len(rows)

    async def _bury(self, row: dict[str, object]) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES.mark_deleted, row)
            await connection.execute(QUERIES.mark_identity_deleted, row)

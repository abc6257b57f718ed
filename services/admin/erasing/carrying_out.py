"""Carrying out erasures, a step a turn, each in its transaction: whoever dies between two, the next turn goes on.

Nothing here is done twice by two processes: each step locks the row of the erasure first, and finds what is left to do.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from psycopg.types.json import Jsonb

from schemas.messages import Envelope, RequestMade
from services.admin.changes import audit
from services.admin.erasing import proof
from services.admin.erasing.places import PLACES, Place
from services.admin.erasing.search import QUERIES, stored_of
from services.admin.erasing.sought import Sought
from services.admin.erasing.states import Event, State, following
from services.admin.erasing.whose import Content, Patient, counted
from services.admin.looks import MOST_NAMED
from services.runtime.app import Runtime
from services.runtime.db import Connection
from services.runtime.errors import GatewayError, ObjectMissing
from services.runtime.outbox import enqueue

LOOK_SECONDS: Final = 2.0
AGAIN_SECONDS: Final = 10.0
"""After that the services are asked again: they take so many at a time, and what was being sent may have ended."""
MOST_HOURS: Final = 24
ITEM: Final = ("sop_instance_uid", "revision", "study_instance_uid", "series_instance_uid", "sha256", "size")
log = structlog.get_logger(__name__)

Forget = Callable[[Sequence[str]], None]
"""Of objects, by their keys, what is kept of them in memory."""


class Erasing:
    """Carries out what is open. ``forget`` is told which objects are gone."""

    def __init__(self, runtime: Runtime, forget: Forget) -> None:
        self._runtime, self._database, self._forget = runtime, runtime.db, forget

    async def run(self) -> None:
        """Take turns until the process stops; a supervised task."""
        while not await self._runtime.supervisor.pause(LOOK_SECONDS):
            try:
                await self.turn()
            except GatewayError as error:
                log.warning("erasures_wait", reason=str(error))

    async def turn(self) -> None:
        """Take every open erasure a step further; one that cannot be keeps no other from it."""
        async with self._database.transaction() as conn:
            rows = await (await conn.execute(QUERIES.open_erasures)).fetchall()
        for row in rows:
            try:
                await self._further(row["id"])
            except GatewayError as error:
                log.warning("erasure_waits", erasure=str(row["id"]), reason=str(error))

    async def _further(self, number: UUID) -> None:
        if await self._database.retry(lambda conn: self._begun(conn, number)) and not await self._look(number):
            for place in PLACES:
                await self._database.retry(lambda conn, place=place: _erase(conn, number, place))  # type: ignore[misc]
            await self._prove(number)

    async def _begun(self, conn: Connection, number: UUID) -> bool:
        """Give up or begin, as is due; whether it runs and went on."""
        erasure = await _locked(conn, number)
        if erasure is None:
            return False
        if erasure["overdue"]:
            await _end(conn, erasure, Event.GIVE_UP, erasure["remaining"])
            log.error("erasure_failed", erasure=str(number), left=erasure["remaining"])
        elif erasure["state"] == State.ASKED and erasure["recorded"]:
            stored = await stored_of(conn, erasure["patient_id"], erasure["issuer"], erasure["asked_at"])
            await _add(conn, number, stored.contents)
            sought = Sought.of(stored.patient, stored.contents)
            found = await _others(conn, erasure, sought)
            begun = {"id": number, "sought": Jsonb({"texts": sought.texts}), "found": Jsonb(found)}
            await conn.execute(QUERIES.begin, begun | {"state": following(State.ASKED, Event.BEGIN)})
            await _ask(conn, erasure)
        return bool(erasure["state"] == State.RUNNING and not erasure["overdue"])

    async def _look(self, number: UUID) -> bool:
        """Whether other services have something left to do; they are asked again from time to time."""

        async def work(conn: Connection) -> bool:
            erasure = await _locked(conn, number)
            if erasure is None:
                return True
            waiting = await (await conn.execute(QUERIES.unanswered, erasure)).fetchall()
            left = {f"answer of {row['name']}": 1 for row in waiting}
            left |= await _others(conn, erasure, await _sought(conn, erasure))
            if any(left.values()) and not waiting and erasure["due_again"]:
                await _ask(conn, erasure)
            await _note(conn, erasure, left)
            return any(left.values())

        return await self._database.retry(work)

    async def _prove(self, number: UUID) -> None:
        """Look again in each place, and end it if nothing is found; else the next turn goes on."""
        async with self._database.transaction() as conn:
            await conn.execute(QUERIES.outlast_ledger)
        keys = await self._object_keys(number)
        present = await asyncio.to_thread(self._present, keys)

        async def work(conn: Connection) -> bool:
            erasure = await _locked(conn, number)
            if erasure is None:
                return False
            sought = await _sought(conn, erasure)
            left = await _others(conn, erasure, sought)
            left["object store"] += present
            again = await stored_of(conn, erasure["patient_id"], erasure["issuer"], erasure["asked_at"])
            left["storage.fact"] += len(again.contents)
            if again.contents:
                await _add(conn, number, again.contents)
                texts = sought.with_texts(Sought.of(again.patient, again.contents).texts).texts
                await conn.execute(QUERIES.note_sought, {"id": number, "sought": Jsonb({"texts": texts})})
                await _ask(conn, erasure)
            left |= {place.name: await place.count(conn, sought) for place in PLACES}
            if any(left.values()):
                await _note(conn, erasure, left)
                return False
            await _end(conn, erasure, Event.PROVE, left)
            return True

        if await self._database.retry(work):
            self._forget(keys)
            log.info("patient_erased", erasure=str(number))

    async def _object_keys(self, number: UUID) -> list[str]:
        async with self._database.transaction() as conn:
            erasure = await _locked(conn, number)
            rows = await conn.execute(QUERIES.object_keys, erasure) if erasure else None
            return [] if rows is None else [row["object_key"] for row in await rows.fetchall()]

    def _present(self, keys: Sequence[str]) -> int:
        """How many objects are still there. Blocks."""
        count = 0
        for key in keys:
            try:
                self._runtime.objects.stat(key)
                count += 1
            except ObjectMissing:
                continue
        return count


async def _locked(conn: Connection, number: UUID) -> dict[str, Any] | None:
    """The erasure if it is open, locked."""
    values = {"id": number, "again": AGAIN_SECONDS, "hours": MOST_HOURS}
    return await (await conn.execute(QUERIES.lock_erasure, values)).fetchone()


async def _erase(conn: Connection, number: UUID, place: Place) -> None:
    erasure = await _locked(conn, number)
    if erasure is not None:
        count = await place.erase(conn, await _sought(conn, erasure))
        await conn.execute(QUERIES.note_removed, {"id": number, "place": place.name, "count": count})


async def _add(conn: Connection, number: UUID, contents: Sequence[Content]) -> None:
    """More that has to go."""
    columns = {name: [getattr(each, name) for each in contents] for name in ITEM}
    await conn.execute(QUERIES.insert_items, columns | {"id": number})


async def _ask(conn: Connection, erasure: Mapping[str, Any]) -> None:
    """Make a request to all who keep something; the person's wish is in the audit already."""
    request = uuid4()
    body = Jsonb({"erasure": str(erasure["id"])})
    await conn.execute(QUERIES.insert_request, {"id": request, "body": body, "actor": erasure["asked_by"]})
    await conn.execute(QUERIES.note_request, {"id": erasure["id"], "request": request})
    await enqueue(conn, Envelope.wrap(RequestMade(request=request), "admin", correlation=str(request)))


async def _others(conn: Connection, erasure: Mapping[str, Any], sought: Sought) -> dict[str, int]:
    """What other services have, by place."""
    (row,) = await (await conn.execute(QUERIES.others_have, erasure)).fetchall()
    told = await (await conn.execute(QUERIES.told_of_stations)).fetchall()
    return row | {"routing.destination, outage": sum(sought.named_in(each["told"]) for each in told)}


async def _items(conn: Connection, erasure: Mapping[str, Any]) -> list[dict[str, Any]]:
    return await (await conn.execute(QUERIES.items, erasure)).fetchall()


async def _sought(conn: Connection, erasure: Mapping[str, Any]) -> Sought:
    """As it was found in the beginning: the headers that said it are gone."""
    contents = _contents(await _items(conn, erasure))
    found = Sought.of(Patient(erasure["patient_id"], erasure["issuer"]), contents)
    return found.with_texts(erasure["sought"]["texts"])


def _contents(items: Sequence[Mapping[str, Any]]) -> list[Content]:
    return [Content(**each, patient=None, corrected=False, values={}) for each in items]


async def _note(conn: Connection, erasure: Mapping[str, Any], left: Mapping[str, int]) -> None:
    remaining = Jsonb({name: count for name, count in left.items() if count})
    await conn.execute(QUERIES.note_remaining, {"id": erasure["id"], "remaining": remaining})


async def _end(conn: Connection, erasure: Mapping[str, Any], event: Event, left: Mapping[str, int]) -> None:
    """ERASED with the proof, or FAILED with what is left; either forgets who it was, and tells the audit."""
    state = following(State(erasure["state"]), event)
    items = await _items(conn, erasure)
    counts = counted(_contents(items))
    told: dict[str, Any] = {"uids": sorted({each["study_instance_uid"] for each in items})[:MOST_NAMED]} | counts
    text = digest = None
    if event is Event.PROVE:
        text, digest = proof.written(proof.document_of(erasure, items, counts, left))
        await audit(conn, erasure["asked_by"], "studies.erase", str(erasure["id"]), None, told | {"proof": digest})
    else:
        await audit(conn, erasure["asked_by"], "request.erase.failed", str(erasure["id"]), None, told | {"left": left})
    remaining = Jsonb({name: count for name, count in left.items() if count})
    ended = {"id": erasure["id"], "state": state, "remaining": remaining, "proof": text, "proof_sha256": digest}
    await conn.execute(QUERIES.finish, ended)
    await conn.execute(QUERIES.delete_items, erasure)

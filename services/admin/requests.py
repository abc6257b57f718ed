"""What people ask a service to do. The row is the truth, the message only wakes up who carries it out."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID, uuid4, uuid5

from psycopg.types.json import Jsonb

from schemas.messages import Envelope, RequestMade
from services.admin.changes import audit
from services.admin.errors import NotFound, Refused
from services.admin.sql import SQL
from services.admin.station import Station
from services.admin.station_rows import all_stations, found, title_of
from services.admin.uids import uid_of
from services.runtime.db import Connection, Database
from services.runtime.errors import UsageError
from services.runtime.outbox import enqueue

ANSWER_SECONDS: Final = 10.0
ASK_AGAIN_SECONDS: Final = 0.1
MOST_UIDS: Final = 10_000
LONGEST_WHY: Final = 200

OPEN_STATES: Final = frozenset({"QUEUED", "ACTIVE"})

Kind = Literal[
    "send",
    "retrieve",
    "retry",
    "cancel",
    "complete",
    "route",
    "first",
    "retry-deliveries",
    "cancel-deliveries",
    "reroute-deliveries",
    "delete",
    "retention",
    "correct",
    "retry-commitment",
    "cancel-commitment",
]
CARRIED_OUT_BY: Final[dict[Kind, str]] = {
    "send": "forwarder",
    "retrieve": "forwarder",
    "retry": "forwarder",
    "cancel": "forwarder",
    "complete": "forwarder",
    "route": "forwarder",
    "first": "forwarder",
    "retry-deliveries": "forwarder",
    "cancel-deliveries": "forwarder",
    "reroute-deliveries": "forwarder",
    "delete": "storage",
    "retention": "storage",
    "correct": "storage",
    "retry-commitment": "commitment",
    "cancel-commitment": "commitment",
}
"""Which service answers, each in its own ``request_done``."""


@dataclass(frozen=True)
class Requested:
    """A request that was made; ``result`` is None while nobody has carried it out: it is kept and will be done."""

    id: UUID
    result: dict[str, Any] | None


def given_up(result: Mapping[str, Any]) -> str:
    """What a deletion gave up, by station, to be said after its numbers; nothing if that is nothing (pure)."""
    stations = ", ".join(f"{each['deliveries']} to {each['destination']}" for each in result.get("given_up", ()))
    return f", given up what was not sent yet: {stations}" if stations else ""


async def send(
    database: Database, actor: str, uids: Sequence[str], title: str, *, skip_present: bool | None = None
) -> Requested:
    """Have studies, series or instances sent to a station, whether they were sent before or not.

    ``skip_present``: only what the station has not got already, or all the same; None: as the station says.

    Raises ``NotFound`` for a UID that names nothing stored, ``Refused`` if the station may not be sent to, or is to be
    asked what it has and may not be, and ``UsageError`` for what is no UID.
    """
    wanted = wanted_of(uids)

    async def work(conn: Connection) -> UUID:
        station = target(await all_stations(conn), title)
        cursor = await conn.execute(SQL.unknown_of, {"uids": wanted, "states": ["STORED"]})
        refuse_unknown(await cursor.fetchall())
        if skip_present and not station.query_retrieve:
            raise Refused(
                f"station {station.title} is no query source: it cannot be asked what it has (--skip-present); "
                f"'gateway station set {station.title} --query-retrieve' makes it one"
            )
        how = {} if skip_present is None else {"skip_present": skip_present}
        return await insert(conn, actor, "send", {"uids": wanted, "to": station.title} | how)

    return await carried_out(database, await database.retry(work))


def target(known: Mapping[str, Station], title: str) -> Station:
    """The station of that title that may be sent to. Raises ``NotFound``, ``Refused``."""
    station = found(known, title_of(title))
    if not station.store:
        raise Refused(
            f"station {station.title} may not be sent to; 'gateway station set {station.title} --store' allows it"
        )
    return station


async def delete(
    database: Database, actor: str, uids: Sequence[str], *, even_uncommitted: bool, force: bool = False, why: str = ""
) -> Requested:
    """Have studies, series or instances deleted. ``even_uncommitted``: also what is to be committed and is not yet;
    ``force``: also what is to be delivered and is not yet, which is given up, and ``why``.

    Raises ``NotFound`` for a UID that names nothing stored, ``Refused`` with the instances and stations for which
    storage keeps it, and ``UsageError`` for what is no UID, and for force without a reason.
    """
    wanted = wanted_of(uids)
    how = {"even_uncommitted": even_uncommitted} | _forced(force, why.strip())

    async def work(conn: Connection) -> UUID:
        cursor = await conn.execute(SQL.unknown_of, {"uids": wanted, "states": ["STORED", "DAMAGED"]})
        refuse_unknown(await cursor.fetchall())
        return await insert(conn, actor, "delete", {"uids": wanted} | how)

    return await carried_out(database, await database.retry(work))


def _forced(force: bool, why: str) -> dict[str, Any]:
    """What a request says of it (pure). Raises ``UsageError``."""
    if not force:
        return {}
    if not why or len(why) > LONGEST_WHY:
        raise UsageError(
            f"--force needs --why: say in at most {LONGEST_WHY} characters why what waits to be sent is given up; "
            "the audit keeps it"
        )
    return {"force": True, "why": why}


async def route(database: Database, actor: str, uids: Sequence[str]) -> Requested:
    """Have studies, series or instances evaluated by the live rule set, held ones too; what was sent is not sent again.

    Raises ``NotFound`` for a UID that names nothing stored, ``Refused`` without a live rule set, and ``UsageError`` for
    what is no UID.
    """
    wanted = wanted_of(uids)

    async def work(conn: Connection) -> UUID:
        cursor = await conn.execute(SQL.unknown_of, {"uids": wanted, "states": ["STORED"]})
        refuse_unknown(await cursor.fetchall())
        return await insert(conn, actor, "route", {"uids": wanted})

    return await carried_out(database, await database.retry(work))


async def retry(database: Database, actor: str, job: UUID, *, waiting: bool = True) -> Requested:
    """Have the failed and undecided deliveries of a job tried again at once; not ``waiting``: without its result, if
    there is none yet. Raises ``NotFound``."""
    return await _about_job(database, actor, "retry", job, waiting=waiting)


async def cancel(database: Database, actor: str, job: UUID, *, waiting: bool = True) -> Requested:
    """Have given up what of a job is not delivered; ``waiting`` as for ``retry``.

    Raises ``NotFound``; ``Refused`` if the job has ended.
    """
    return await _about_job(database, actor, "cancel", job, waiting=waiting)


async def complete(database: Database, actor: str, job: UUID) -> Requested:
    """Have a job that collects a series or study send what it has. Raises ``NotFound``; ``Refused`` if it collects
    nothing."""
    return await _about_job(database, actor, "complete", job)


async def _about_job(
    database: Database, actor: str, kind: Literal["retry", "cancel", "complete"], job: UUID, *, waiting: bool = True
) -> Requested:
    async def work(conn: Connection) -> UUID:
        cursor = await conn.execute(SQL.get_job, {"id": job})
        row = await cursor.fetchone()
        if row is None:
            raise NotFound(f"job {job} does not exist; 'gateway jobs list' shows the jobs there are")
        if kind == "cancel" and row["state"] not in OPEN_STATES:
            raise Refused(f"job {job} is {row['state']} already; only queued and active jobs can be canceled")
        return await insert(conn, actor, kind, {"job": str(job)}, before={"state": row["state"]})

    return await carried_out(database, await database.retry(work), waiting=waiting)


def wanted_of(uids: Sequence[str]) -> list[str]:
    """The UIDs of one request, each once. Raises ``UsageError`` for what is no UID, and for too many."""
    wanted = list(dict.fromkeys(map(uid_of, uids)))
    if len(wanted) > MOST_UIDS:
        raise UsageError(f"{len(wanted)} UIDs: at most {MOST_UIDS} in one request; name studies or series instead")
    return wanted


def refuse_unknown(rows: Sequence[Mapping[str, Any]]) -> None:
    """Raises ``NotFound`` if there are UIDs that name nothing stored."""
    if rows:
        shown = ", ".join(row["uid"] for row in rows[:10])
        raise NotFound(f"no stored study, series or instance has the UID {shown}; 'gateway studies list' shows them")


async def insert(
    conn: Connection, actor: str, kind: Kind, body: dict[str, Any], once: UUID | None = None,
    before: dict[str, Any] | None = None,
) -> UUID:  # fmt: skip
    """Make a request within a transaction, with its audit entry and the message that wakes up who carries it out.

    ``before``: what is known of what it changes, for the audit. ``once``: of a form; what it says twice alike, because
    somebody pressed twice, is one request.
    """
    request = uuid4() if once is None else uuid5(once, json.dumps([actor, kind, body], sort_keys=True))
    values = {"id": request, "kind": kind, "body": Jsonb(body), "actor": actor}
    if not (await conn.execute(SQL.insert_request, values)).rowcount:
        return request
    await audit(conn, actor, f"request.{kind}", str(request), before, body)
    await enqueue(conn, Envelope.wrap(RequestMade(request=request), "admin", correlation=str(request)))
    return request


async def carried_out(database: Database, request: UUID, *, waiting: bool = True) -> Requested:
    """Wait for the answer of the service whose request it is. Raises ``Refused`` with its reason if it cannot do it."""
    deadline = time.monotonic() + (ANSWER_SECONDS if waiting else 0)
    while (result := await _result(database, request)) is None:
        if time.monotonic() > deadline:
            return Requested(request, None)
        await asyncio.sleep(ASK_AGAIN_SECONDS)
    if result.get("error"):
        raise Refused(str(result["error"]))
    return Requested(request, result)


async def _result(database: Database, request: UUID) -> dict[str, Any] | None:
    async with database.transaction() as conn:
        cursor = await conn.execute(SQL.request_result, {"id": request})
        row = await cursor.fetchone()
    return None if row is None else dict(row["result"])

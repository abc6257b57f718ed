"""Outgoing associations of all processes and services together: slots with a lease in PostgreSQL (R26, notes A41).

Whoever opens an association to a station takes two slots before: one of the station's and one of all. Who finds none
free may stand in line: slots then go in its order, newcomers come after all who wait, and a sender that keeps its
association open for more work gives it up (``lacking``). The channel ``association_wanted`` tells of who begins to wait
and of what becomes free. A service that needs an association for one piece of work takes ``slot``:

    wanted = Wanted("MOVE_TARGET", holder("query"), own=station.associations, all_together=profile.outgoing)
    async with slot(runtime.db, wanted, wait_seconds=30, on_wait=send_pending, on_lost=requestor_abort):
        ...  # open the association, send, release it
    # NoSlot after 30 s: A702

The functions below it are for who has a transaction of his own.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import structlog

from services.dicom import metrics
from services.runtime.db import Connection, Database, load_queries
from services.runtime.errors import GatewayError
from services.runtime.supervise import Supervisor

QUERIES = load_queries(__package__, "outgoing.sql")
WANTED_CHANNEL: Final = "association_wanted"
LEASE_SECONDS: Final = 60.0
MARGIN_FRACTION: Final = 1 / 6
"""Of the lease, which is renewed that often; an association is aborted one such part before anyone else may have its
slot at the earliest, when the attempt before took as long."""
WAIT_SECONDS: Final = 5.0
"""How long a place in line holds without being asked for again."""
LOOK_SECONDS: Final = 0.25

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Wanted:
    """An association that ``holder`` (one name for each association at a time) wants to ``station``, which may have
    ``own`` at a time; ``all_together`` is the limit of all stations (``Profile.outgoing``)."""

    station: str
    holder: str
    own: int
    all_together: int
    lease_seconds: float = LEASE_SECONDS


class NoSlot(GatewayError):
    """No slot is free; ``lacking`` is the station whose limit is reached, "" when it is the limit of all."""

    def __init__(self, wanted: Wanted, lacking: str) -> None:
        limit = f"{wanted.own} to {lacking}" if lacking else f"{wanted.all_together} in all"
        super().__init__(f"no outgoing association is free: {limit} at a time")
        self.lacking = lacking


def holder(service: str) -> str:
    """A holder's name that nobody else has."""
    return f"{service} {uuid4()}"


@asynccontextmanager
async def slot(
    database: Database,
    wanted: Wanted,
    *,
    wait_seconds: float = 0.0,
    on_wait: Callable[[], Awaitable[None]] | None = None,
    on_lost: Callable[[], None] | None = None,
) -> AsyncIterator[None]:
    """Hold the slots of an association within the block, the lease renewed.

    While it waits, at most ``wait_seconds``, ``on_wait`` is called four times a second; what it raises ends the wait.
    ``on_lost`` is called from the loop when the lease cannot be renewed in time: abort the association.

    Raises:
        NoSlot: none became free.
        Unavailable: the database is away.
    """
    taken_at = await _take_or_wait(database, wanted, wait_seconds, on_wait)
    keeper = Supervisor()
    keeper.spawn("outgoing slot", lambda: _keep(database, wanted, keeper, taken_at, on_lost), restart=False)
    try:
        yield
    finally:
        await keeper.drain(0.0)
        await _leave(database, wanted.holder)


async def look(connection: Connection, wanted: Wanted) -> NoSlot | None:
    """What ``take`` would raise, waiting for nobody: before work that would be in vain. It is returned, because a
    transaction that is rolled back takes the connection's prepared statements with it, and many look in vain."""
    for station, parameters in _rows(wanted):
        if await _find(connection, parameters) is None:
            return NoSlot(wanted, station)
    return None


async def take(connection: Connection, wanted: Wanted) -> None:
    """Take both slots, if nobody who came before needs them. Raises ``NoSlot``, which has to leave the transaction."""
    await connection.execute(QUERIES.lock_slots)
    for station, parameters in _rows(wanted):
        name = await _find(connection, parameters)
        if name is None:
            raise NoSlot(wanted, station)
        await connection.execute(QUERIES.take_slot, parameters | {"name": name})
    await connection.execute(QUERIES.leave_line, {"holder": wanted.holder})


async def stand_in_line(connection: Connection, wanted: Wanted, lacking: str) -> None:
    """After ``NoSlot``: wait for a slot of ``lacking``; holds for ``WAIT_SECONDS``, then ask again."""
    parameters = {"line": _line(lacking), "holder": wanted.holder, "wait": WAIT_SECONDS}
    await connection.execute(QUERIES.leave_other_lines, parameters)
    place = await (await connection.execute(QUERIES.join_line, parameters)).fetchone()
    metrics.OUTGOING_WAITS.inc()
    if place and place["joined"]:
        await connection.execute(QUERIES.notify_wanted, {"station": lacking})


async def lacking(connection: Connection) -> set[str]:
    """Stations whose associations keep somebody waiting; "" among them: all associations do."""
    rows = await (await connection.execute(QUERIES.lacking, {"wait": WAIT_SECONDS})).fetchall()
    return {row["station"] for row in rows}


async def full(connection: Connection, slots: Mapping[str, int], lease_seconds: float = LEASE_SECONDS) -> set[str]:
    """Those of the stations (with how many associations each may have) whose slots are all taken."""
    parameters = {"stations": list(slots), "slots": list(slots.values()), "lease": lease_seconds}
    return {row["station"] for row in await (await connection.execute(QUERIES.full, parameters)).fetchall()}


async def renew(connection: Connection, holder: str, lease_seconds: float = LEASE_SECONDS) -> bool:
    """Push the lease out; False when there are no slots any more: somebody else may have them."""
    parameters = {"holder": holder, "lease": lease_seconds}
    return bool(await (await connection.execute(QUERIES.renew_slots, parameters)).fetchall())


async def give_back(connection: Connection, holder: str) -> None:
    """Give the slots, and a place in line, up. Again does nothing."""
    if await (await connection.execute(QUERIES.give_slots_back, {"holder": holder})).fetchone():
        await connection.execute(QUERIES.notify_freed)


def _rows(wanted: Wanted) -> list[tuple[str, dict[str, Any]]]:
    """The two rows of slots that an association needs one of each: the station's, and "" for those of all."""
    known = {"holder": wanted.holder, "lease": wanted.lease_seconds, "wait": WAIT_SECONDS}
    return [
        (station, known | {"prefix": f"association/{station}/", "line": _line(station), "slots": slots})
        for station, slots in ((wanted.station, wanted.own), ("", wanted.all_together))
    ]


async def _find(connection: Connection, parameters: Mapping[str, Any]) -> str | None:
    found = await (await connection.execute(QUERIES.find_slot, parameters)).fetchone()
    return None if found is None else str(found["name"])


def _line(station: str) -> str:
    return f"wanted\\{station}\\"


async def _take_or_wait(
    database: Database, wanted: Wanted, wait_seconds: float, on_wait: Callable[[], Awaitable[None]] | None
) -> float:
    """The monotonic time from which the lease counts."""
    limit = time.monotonic() + wait_seconds
    try:
        while True:
            asked_at = time.monotonic()
            try:
                async with database.transaction() as connection:
                    await take(connection, wanted)
                return asked_at
            except NoSlot as full:
                if asked_at >= limit:
                    raise
                async with database.transaction() as connection:
                    await stand_in_line(connection, wanted, full.lacking)
            if on_wait is not None:
                await on_wait()
            await asyncio.sleep(min(LOOK_SECONDS, max(0.0, limit - time.monotonic())))
    except BaseException:
        await _leave(database, wanted.holder)
        raise


async def _keep(
    database: Database, wanted: Wanted, keeper: Supervisor, renewed_at: float, on_lost: Callable[[], None] | None
) -> None:
    """Renew until the block ends, or until nobody may rely on the slots any longer."""
    margin = wanted.lease_seconds * MARGIN_FRACTION
    while (left := renewed_at + wanted.lease_seconds - 2 * margin - time.monotonic()) > 0:
        if await keeper.pause(min(margin, left)):
            return
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(margin), database.transaction() as connection:
                if not await renew(connection, wanted.holder, wanted.lease_seconds):
                    break
            renewed_at = asked_at
        except (GatewayError, TimeoutError) as error:
            log.warning("outgoing_slot_not_renewed", station=wanted.station, error=str(error))
    log.error("outgoing_slot_lost", station=wanted.station)
    if on_lost is not None:
        on_lost()


async def _leave(database: Database, holder: str) -> None:
    """Give everything up; while the database is away the lease does it by its end."""
    try:
        async with database.transaction(timeout=1) as connection:
            await give_back(connection, holder)
    except GatewayError as error:
        log.debug("outgoing_slot_not_given_back", reason=str(error))

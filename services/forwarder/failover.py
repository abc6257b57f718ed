"""What becomes of deliveries to a station that does not answer, where another one stands in for it."""

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from functools import partial
from uuid import UUID

import structlog
from psycopg.rows import DictRow

from services.forwarder import destinations, jobs
from services.forwarder.circuit import Circuit
from services.forwarder.configuration import Configuration, Station
from services.runtime.db import Connection, Database, load_queries
from services.runtime.errors import Conflict, RefusedData

QUERIES = load_queries(__package__, "failover.sql")
MOST = 1000  # in one transaction

log = structlog.get_logger(__name__)


class Course(StrEnum):
    """What to do with what waits for a station and for its failover station."""

    STAY = "stay"
    GIVE_OVER = "give over"
    TRY = "try"  # one delivery, since an open circuit is closed by an instance only
    TAKE_BACK = "take back"


def course(circuit: Circuit, after_seconds: float, other: Circuit, *, usable: bool = True) -> Course:
    """What to do, by the station's circuit and that of its failover station, which may be sent to if ``usable`` (pure).

    What waits there while that one fails too is taken back only when the station itself answers again.
    """
    if not circuit.open or not usable:
        return Course.TAKE_BACK
    if circuit.answered:
        return Course.TRY
    if circuit.open_seconds >= after_seconds and not other.open:
        return Course.GIVE_OVER
    return Course.STAY


class Failover:
    """The use cases *give over* and *take back*. Each delivery stays one row: it changes its destination while it is
    PENDING, and says instead of whom. What may have arrived (UNKNOWN) stays."""

    def __init__(self, database: Database, configuration: Configuration) -> None:
        self._database = database
        self._configuration = configuration

    async def attend(self) -> None:
        """Look at every station that has a failover station, and at what waits instead of others."""
        if not self._configuration.profile.echoes:
            return
        stations = self._configuration.stations
        for station in [each for each in stations.values() if each.enabled and each.failover in stations]:
            await self._all(station.title, partial(_step, station=station, other=stations[station.failover or ""]))
        async with self._database.transaction() as connection:
            links = await (await connection.execute(QUERIES.select_links)).fetchall()
        for link in links:
            title, other = link["instead_of"], link["destination"]
            station_now = stations.get(title)
            if station_now is not None and station_now.enabled and station_now.failover != other:
                await self._all(title, partial(_take_back, title=title, other=other, most=MOST))

    async def _all(self, title: str, step: Callable[[Connection], Awaitable[int]]) -> None:
        """Move all of a station's, so many in one transaction. What cannot be moved keeps no other station waiting."""
        try:
            while await self._database.retry(step) == MOST:
                continue
        except (Conflict, RefusedData) as error:
            log.error("failover_not_attended", destination=title, error=str(error))


async def _step(connection: Connection, station: Station, other: Station) -> int:
    """How many deliveries were moved. What would only wait at the other one, because it is held, is not given over."""
    title, beside = station.title, await destinations.circuit(connection, other.title)
    circuit = await destinations.circuit(connection, title)
    match course(circuit, station.failover_seconds, beside, usable=other.enabled and other.store):
        case Course.GIVE_OVER if not other.held:
            return await _give_over(connection, title, other.title)
        case Course.TAKE_BACK:
            return await _take_back(connection, title, other.title, MOST)
        case Course.TRY if not await _waits(connection, title):
            await _take_back(connection, title, other.title, 1)
    return 0


async def _waits(connection: Connection, title: str) -> bool:
    found = await (await connection.execute(QUERIES.select_waits, {"title": title})).fetchone()
    return bool(found and found["waits"])


async def _give_over(connection: Connection, title: str, other: str) -> int:
    parameters = {"title": title, "other": other, "most": MOST}
    rows = await (await connection.execute(QUERIES.give_over, parameters)).fetchall()
    if rows:
        log.warning("deliveries_given_over", destination=title, to=other, count=len(rows))
        await _tell(connection, rows, other)
    return len(rows)


async def _take_back(connection: Connection, title: str, other: str, most: int) -> int:
    parameters = {"title": title, "other": other, "most": most}
    rows = await (await connection.execute(QUERIES.take_back, parameters)).fetchall()
    if rows:
        log.info("deliveries_taken_back", destination=title, failover=other, count=len(rows))
        await _tell(connection, rows, title)
    return len(rows)


async def _tell(connection: Connection, rows: Sequence[DictRow], title: str) -> None:
    """Their jobs say it, and whoever sends to the title wakes."""
    reasons: dict[UUID, str] = {row["job"]: row["reason"] for row in rows}
    await jobs.recompute(connection, set(reasons), reasons)
    await jobs.notify(connection, {title})

"""What becomes of deliveries to a station that does not answer, where another one stands in for it."""

from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from uuid import UUID

import structlog
from psycopg.rows import DictRow

from services.forwarder import destinations, jobs
from services.forwarder.circuit import Circuit
from services.forwarder.configuration import Configuration, Station
from services.runtime.db import Connection, Database, load_queries

QUERIES = load_queries(__package__, "failover.sql")
MOST = 1000  # in one transaction

log = structlog.get_logger(__name__)


class Course(StrEnum):
    """What to do with what waits for a station and for its failover station."""

    STAY = "stay"
    GIVE_OVER = "give over"
    TRY = "try"  # one delivery, since an open circuit is closed by an instance only
    TAKE_BACK = "take back"


def course(circuit: Circuit, after_seconds: float, other: Circuit) -> Course:
    """What to do, by the station's circuit and that of its failover station (pure).

    What waits there while that one fails too is taken back only when the station itself answers again.
    """
    if not circuit.open:
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
            parked = stations[station.failover or ""].held
            while await self._database.retry(partial(_step, station=station, parked=parked)) == MOST:
                continue
        async with self._database.transaction() as connection:
            links = await (await connection.execute(QUERIES.select_links)).fetchall()
        for link in links:
            title, other = link["instead_of"], link["destination"]
            station_now = stations.get(title)
            if station_now is not None and station_now.enabled and station_now.failover != other:
                await self._database.retry(partial(_take_back, title=title, other=other, most=MOST))


async def _step(connection: Connection, station: Station, *, parked: bool) -> int:
    """How many deliveries were moved. ``parked``: what went to its failover station would wait there."""
    title, other = station.title, station.failover or ""
    circuit, beside = await destinations.circuit(connection, title), await destinations.circuit(connection, other)
    match course(circuit, station.failover_seconds, beside):
        case Course.GIVE_OVER if not parked:
            return await _give_over(connection, title, other)
        case Course.TAKE_BACK:
            return await _take_back(connection, title, other, MOST)
        case Course.TRY if not await _waits(connection, title):
            await _take_back(connection, title, other, 1)
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

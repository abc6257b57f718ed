"""Asks sources how many instances there are of what jobs collect, by C-FIND, again and again while they collect."""

import asyncio
from functools import partial
from typing import Any, Final

import structlog

from services.dicom import outgoing
from services.dicom.calling import peer_of
from services.dicom.errors import AssociationError
from services.dicom.pending import MatchLimits
from services.dicom.querying import NotAccepted, query
from services.dicom.requestor import Requestor
from services.forwarder.configuration import Station
from services.forwarder.counts import Question
from services.forwarder.retrieving import Means
from services.runtime.db import load_queries
from services.runtime.errors import GatewayError, Unavailable

QUERIES = load_queries(__package__, "counting.sql")
MOST_AT_ONCE: Final = 4
"""Sources that one process asks side by side, each one question at a time."""
SLOT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
MOST_COUNTED: Final = 100
"""Series and studies of which is counted at a time what has come."""
LIMITS: Final = MatchLimits(1000, 1 << 20)

log = structlog.get_logger(__name__)


class Counting:
    """The use case *ask how many there are*."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._asking: set[str] = set()

    async def attend(self) -> None:
        """Count what has come of what was answered, and ask what is due."""
        await self._count()
        while len(self._asking) < MOST_AT_ONCE and not self._means.supervisor.stopping.is_set():
            parameters = {"busy": sorted(self._asking), "lease": self._means.settings.lease_seconds}
            async with self._means.database.transaction() as connection:
                row = await (await connection.execute(QUERIES.claim, parameters)).fetchone()
            if row is None:
                return
            question = Question(**row)
            self._asking.add(question.source)
            self._means.supervisor.spawn(f"count at {question.source}", partial(self._ask, question), restart=False)

    async def _count(self) -> None:
        async with self._means.database.transaction() as connection:
            rows = await (await connection.execute(QUERIES.select_answered, {"most": MOST_COUNTED})).fetchall()
            for row in rows:
                await connection.execute(QUERIES.count_received, row)

    async def forget(self) -> None:
        """Delete what nobody collects any more."""
        async with self._means.database.transaction() as connection:
            await connection.execute(QUERIES.delete_answered)

    async def _ask(self, question: Question) -> None:
        try:
            told = await self._told(question)
            parameters: dict[str, Any] = {
                "source": question.source, "level": question.level, "group_uid": question.group_uid,
                "wait": question.wait_seconds, "expected": told if isinstance(told, int) else None,
                "fault": told[:500] if isinstance(told, str) else "",
            }  # fmt: skip
            async with self._means.database.transaction() as connection:
                await connection.execute(QUERIES.record, parameters)
        except Unavailable as error:
            log.info("count_not_recorded", source=question.source, error=str(error))  # asked again after its lease
        finally:
            self._asking.discard(question.source)

    async def _told(self, question: Question) -> int | str:
        """The number, or why there is none."""
        station = self._means.configuration.stations.get(question.source)
        if self._means.profile.xeleris:
            return "profile xeleris queries only for a person (R53)"
        if station is None or not station.enabled or not station.query_retrieve:
            return f"{question.source} is no query source, so it is not asked"
        running = _Running(self._means, station, question)
        lease = self._means.settings.lease_seconds
        wanted = outgoing.Wanted(
            station.title, outgoing.holder("count"), station.associations, self._means.profile.outgoing, lease
        )
        try:
            with self._means.supervisor.calling_on_stop(running.abort):
                async with outgoing.slot(
                    self._means.database, wanted, wait_seconds=SLOT_SECONDS, on_lost=running.abort
                ):
                    return await asyncio.get_running_loop().run_in_executor(self._means.threads, running.ask)
        except Unavailable:
            raise
        except (AssociationError, NotAccepted) as error:
            return f"{station.title} cannot be asked: {error}"
        except GatewayError as error:
            return f"{station.title} was not asked: {error}"


class _Running:
    """One question in its thread, that the loop may abort."""

    def __init__(self, means: Means, station: Station, question: Question) -> None:
        self._means, self._station, self._question = means, station, question
        self._requestor: Requestor | None = None
        self._aborted = False

    def ask(self) -> int | str:
        """Blocking. Raises the errors of the association, and ``NotAccepted``."""
        profile, station = self._means.profile, self._station
        peer = peer_of(station, self._means.aet, profile)
        guards = profile.guards(
            connect_seconds=self._means.settings.connect_seconds,
            response_seconds=min(ANSWER_SECONDS, profile.response_seconds("find", station.find_seconds)),
        )
        answered = query(peer, profile, guards, self._question.identifier(), limits=LIMITS, opened=self._opened)
        return self._question.told(answered.matches) if answered.ok else f"{station.title}: {answered.text}"

    def abort(self) -> None:
        """The process stops, or the lease of the association is lost."""
        self._aborted = True
        if self._requestor is not None:
            self._requestor.association.abort()

    def _opened(self, requestor: Requestor) -> None:
        self._requestor = requestor
        if self._aborted:
            requestor.association.abort()

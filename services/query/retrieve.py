"""C-MOVE and C-GET: what is wanted, whether it may be had, and where it goes (PS3.4 C.4.2, C.4.3; R101 to R104)."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import structlog

from schemas.snapshot import Snapshot
from services.dicom import commands, outgoing
from services.dicom.association import Handler, Request
from services.dicom.calling import peer_of
from services.dicom.errors import AssociationError
from services.dicom.identifiers import IdentifierFault, read_identifier
from services.dicom.outgoing import NoSlot, Wanted
from services.dicom.profile import Profile
from services.dicom.query_models import GET, MOVE, model_of
from services.dicom.requestor import MEDIUM
from services.query import metrics
from services.query.retrieve_records import Asked, Destination, Records, Retrieval
from services.query.retrieve_slots import held
from services.query.retrieve_wish import CANNOT_COUNT, MISMATCH, UNABLE, UNKNOWN_DESTINATION, Refusal, Wish, wish
from services.query.settings import QuerySettings
from services.query.suboperations import DATABASE_AWAY, End, SubOperations
from services.query.suboperations_counts import CANCELLED
from services.query.suboperations_targets import BackTarget, Here, StationTarget, Stock
from services.runtime import logs
from services.runtime.db import Database
from services.runtime.errors import GatewayError

PENDING_SECONDS: Final = 2.0
"""Between two Pending responses while an association is waited for."""

LONGEST_TITLE: Final = 16

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Means:
    """What retrieving stands on. ``snapshot`` names the titles that are ours besides ``aet``."""

    profile: Profile
    aet: str
    snapshot: Callable[[], Snapshot | None]
    database: Database
    loop: asyncio.AbstractEventLoop
    stock: Stock
    settings: QuerySettings


class Cancelled(Exception):
    """A C-CANCEL came while an association was waited for."""


class Retriever:
    """The handlers of the listener; one thread an association calls them."""

    def __init__(self, means: Means, records: Records) -> None:
        self._means, self._records = means, records

    def handlers(self) -> Mapping[int, Handler]:
        """By command field; C-GET in profile gateway only."""
        return {commands.C_MOVE: self.move} | ({} if self._means.profile.xeleris else {commands.C_GET: self.get})

    def move(self, request: Request) -> None:
        """C-MOVE (PS3.7 9.1.4). Raises the errors of the association."""
        self._serve(request, Asked.by(request, "MOVE", _title(request.command.move_destination)), MOVE, self._move)

    def get(self, request: Request) -> None:
        """C-GET (PS3.7 9.1.3). Raises the errors of the association."""
        self._serve(request, Asked.by(request, "GET", request.association.calling_aet), GET, self._get)

    def _serve(
        self, request: Request, asked: Asked, operation: str, act: Callable[[Request, Asked, Wish], int]
    ) -> None:
        started = time.monotonic()
        with logs.bound(association=request.association.id):
            try:
                status = act(request, asked, self._wish(request, operation))
            except Refusal as refusal:
                status = self._refuse(request, asked, refusal)
            log.info(
                "retrieval_ended", operation=asked.operation, status=f"{status:04X}", requester=asked.requester,
                destination=asked.destination, seconds=round(time.monotonic() - started, 3),
            )  # fmt: skip
        metrics.RETRIEVALS.labels(asked.operation, f"{status:04X}").inc()
        metrics.RETRIEVE_SECONDS.observe(time.monotonic() - started)

    def _wish(self, request: Request, operation: str) -> Wish:
        """Raises ``Refusal``: A900 or C000 (R104)."""
        model = model_of(request.context.abstract_syntax, operation)
        if request.command.affected_sop_class_uid != request.context.abstract_syntax:
            raise Refusal(MISMATCH, "the SOP class is not that of the presentation context")
        try:
            identifier = read_identifier(request)
        except IdentifierFault as fault:
            raise Refusal(UNABLE, fault.reason) from fault
        return wish(identifier, model, strict=self._means.profile.xeleris)

    def _refuse(self, request: Request, asked: Asked, refusal: Refusal) -> int:
        log.warning("retrieval_refused", status=f"{refusal.status:04X}", reason=refusal.reason)
        try:
            self._records.refused(asked, refusal.status, refusal.reason)
        except GatewayError as error:
            log.warning("retrieval_not_recorded", error=str(error))
        request.association.respond(request, refusal.status, comment=refusal.reason)
        return refusal.status

    def _begin(self, asked: Asked, wanted: Wish) -> Retrieval:
        """Raises ``Refusal``: A701, the number of matches cannot be found out."""
        try:
            return self._records.begin(asked, wanted)
        except GatewayError as error:
            log.warning("matches_not_counted", error=str(error))
            raise Refusal(CANNOT_COUNT, DATABASE_AWAY) from error

    def _get(self, request: Request, asked: Asked, wanted: Wish) -> int:
        retrieval = self._begin(_at(asked, wanted), wanted)
        performing = SubOperations(request, retrieval, xeleris=False)
        return performing.run(BackTarget(request, self._means.stock))

    def _move(self, request: Request, asked: Asked, wanted: Wish) -> int:
        destination = self._destination(asked)
        retrieval = self._begin(_at(asked, wanted), wanted)
        performing = SubOperations(request, retrieval, xeleris=self._means.profile.xeleris)
        if destination is None or not retrieval.total:
            return performing.run(Here())
        target = self._target(request, destination, retrieval)
        try:
            with held(
                self._means.database, self._means.loop, self._slots_of(destination),
                wait_seconds=self._means.settings.slot_seconds, on_wait=_Waiting(performing), on_lost=target.abort,
            ):  # fmt: skip
                return performing.run(target)
        except Cancelled:
            return performing.conclude(End(CANCELLED))
        except AssociationError as error:
            performing.abandon(error)
            raise
        except GatewayError as error:
            comment = "no outgoing association is free" if isinstance(error, NoSlot) else DATABASE_AWAY
            return performing.conclude(End(comment=comment, reason=str(error), gave_up=True))

    def _destination(self, asked: Asked) -> Destination | None:
        """The station to send to; None: ourselves. Raises ``Refusal``: A801, or A701 while nobody knows."""
        try:
            station, allowed = self._records.destination(asked.requester, asked.destination)
        except GatewayError as error:
            raise Refusal(CANNOT_COUNT, DATABASE_AWAY) from error
        if allowed and asked.destination not in allowed:
            raise Refusal(UNKNOWN_DESTINATION, "move destination is not allowed for this requester")
        if self._is_ours(asked.destination):
            return None
        if station is None or not station.enabled:
            raise Refusal(UNKNOWN_DESTINATION, "move destination is not configured")
        return station

    def _is_ours(self, title: str) -> bool:
        snapshot = self._means.snapshot()
        return title == self._means.aet or (
            snapshot is not None and any(each.title == title for each in snapshot.titles)
        )

    def _target(self, request: Request, station: Destination, retrieval: Retrieval) -> StationTarget:
        means, command = self._means, request.command
        guards = means.profile.guards(connect_seconds=means.settings.connect_seconds)
        limits = replace(guards, response_seconds=means.profile.response_seconds("store", station.store_seconds))
        peer = peer_of(station, means.aet, means.profile)
        origin = request.association.calling_aet, command.message_id
        return StationTarget(
            peer, limits, means.profile, means.stock, retrieval.needed, origin, command.priority or MEDIUM,
            less=station.reduce_level_1,
        )  # fmt: skip

    def _slots_of(self, station: Destination) -> Wanted:
        return Wanted(station.title, outgoing.holder("query"), station.associations, self._means.profile.outgoing)


class _Waiting:
    """Called while no association is free: says Pending now and then, ends the wait after a C-CANCEL."""

    def __init__(self, performing: SubOperations) -> None:
        self._performing, self._said_at = performing, 0.0

    def __call__(self) -> None:
        if self._performing.cancelled():
            raise Cancelled
        if time.monotonic() >= self._said_at + PENDING_SECONDS:
            self._performing.pending()
            self._said_at = time.monotonic()


def _at(asked: Asked, wanted: Wish) -> Asked:
    return Asked(**vars(asked) | {"level": wanted.level})


def _title(text: str) -> str:
    """A title as a station may have one; "" for what cannot be one (PS3.5 6.2), which no station is called."""
    return text if len(text) <= LONGEST_TITLE and text.isascii() and text.isprintable() else ""

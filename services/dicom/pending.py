"""Requests that are answered by many responses: C-FIND and C-MOVE as SCU (PS3.4 C.4.1, C.4.2; PS3.7 9.1.2, 9.1.4)."""

import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Final

from services.dicom import commands
from services.dicom.association import Association, Response, after
from services.dicom.commands import Command
from services.dicom.contexts import PresentationContext
from services.dicom.errors import REASON_NOT_SPECIFIED, PeerTooSlow, ProtocolViolation

MOST_RESPONSES: Final = 1_000_000
"""To one request; a peer that sends more is aborted, since in profile xeleris no time would end it (R60, R65)."""


@dataclass(frozen=True, slots=True)
class MatchLimits:
    """How much of the answer to a C-FIND is taken: number and bytes of all identifiers together."""

    count: int = 10_000
    size: int = 64 << 20


MATCH_LIMITS: Final = MatchLimits()


@dataclass(frozen=True, slots=True)
class Found:
    """How a C-FIND ended: its last response, how many matches came and how many of them were taken."""

    response: Response
    matches: int
    taken: int

    @property
    def cut(self) -> bool:
        """There were more than the limits allow."""
        return self.matches > self.taken


@dataclass(frozen=True, slots=True)
class Progress:
    """Sub-operations of a C-MOVE as a response numbers them; None where it does not (PS3.7 9.1.4.1.7 to 9.1.4.1.10)."""

    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warned: int | None = None

    @classmethod
    def of(cls, command: Command) -> "Progress":
        """What a response says. Raises ProtocolViolation for a number that is none."""
        numbers = (commands.REMAINING, commands.COMPLETED, commands.FAILED, commands.WARNED)
        return cls(*(command.number(element) for element in numbers))

    def after(self, earlier: "Progress") -> "Progress":
        """These numbers, and the earlier ones where a response leaves them out."""
        pairs = zip(astuple(self), astuple(earlier), strict=True)
        return Progress(*(before if number is None else number for number, before in pairs))


def find(
    association: Association,
    context: PresentationContext,
    identifier: bytes,
    match: Callable[[bytes], None],
    limits: MatchLimits,
    *,
    cancel: bool,
    meanwhile: Callable[[], None] | None,
) -> Found:
    """See ``Requestor.find``."""
    collecting = _Matches(association, context, match, limits, cancel)
    command = commands.encode_query(context.abstract_syntax, collecting.message_id)
    with association.stream.until(collecting.limit):
        response = association.exchange(
            context, collecting.message_id, command, association.chunks_of(identifier), len(identifier), meanwhile,
            collecting.pending,
        )  # fmt: skip
    return Found(response, collecting.matches, collecting.taken)


class _Matches:
    """Gives matches on as they come, for as long as they are within the limits; counts what comes after."""

    def __init__(
        self,
        association: Association,
        context: PresentationContext,
        match: Callable[[bytes], None],
        limits: MatchLimits,
        cancel: bool,
    ) -> None:
        self._association, self._context, self._match = association, context, match
        self._limits, self._cancel = limits, cancel
        self._left = limits.size
        self.message_id = association.next_message_id()
        self.limit = after(association.stream.guards.response_seconds)
        self.matches = self.taken = 0

    def pending(self, response: Response) -> None:
        if time.monotonic() >= self.limit:
            raise PeerTooSlow("matches without an end until the limit")
        _bounded(self.matches)
        self.matches += 1
        self._left -= len(response.data)
        if self._left >= 0 and self.taken == self.matches - 1 < self._limits.count:
            self.taken += 1
            self._match(response.data)
        elif self._cancel:
            self._cancel = False
            self._association.cancel(self._context, self.message_id)


def move(
    association: Association,
    context: PresentationContext,
    identifier: bytes,
    destination: str,
    *,
    progress: Callable[[Progress], None] | None,
    canceled: Callable[[], bool] | None,
    cancel_seconds: float,
    meanwhile: Callable[[], None] | None,
) -> Response:
    """See ``Requestor.move``."""
    watched = _Watched(association, context, progress, canceled, cancel_seconds, meanwhile)
    command = commands.encode_query(context.abstract_syntax, watched.message_id, destination)
    return association.exchange(
        context, watched.message_id, command, association.chunks_of(identifier), len(identifier), watched.look,
        watched.pending,
    )  # fmt: skip


class _Watched:
    """Sends a C-CANCEL once it is wanted, and then waits no longer than agreed for the last response."""

    def __init__(
        self,
        association: Association,
        context: PresentationContext,
        progress: Callable[[Progress], None] | None,
        canceled: Callable[[], bool] | None,
        cancel_seconds: float,
        meanwhile: Callable[[], None] | None,
    ) -> None:
        self._association, self._context, self._progress = association, context, progress
        self._canceled, self._cancel_seconds, self._meanwhile = canceled, cancel_seconds, meanwhile
        self._limit: float | None = None
        self._responses = 0
        self.message_id = association.next_message_id()

    def look(self) -> None:
        if self._meanwhile is not None:
            self._meanwhile()
        if self._limit is not None:
            if time.monotonic() >= self._limit:
                raise PeerTooSlow("the C-CANCEL was not answered until the limit")
        elif self._canceled is not None and self._canceled():
            self._limit = after(self._cancel_seconds)
            self._association.cancel(self._context, self.message_id)

    def pending(self, response: Response) -> None:
        _bounded(self._responses)
        self._responses += 1
        if self._progress is not None:
            self._progress(Progress.of(response.command))
        self.look()


def _bounded(responses: int) -> None:
    if responses >= MOST_RESPONSES:
        raise ProtocolViolation(f"{MOST_RESPONSES} pending responses without a last one", REASON_NOT_SPECIFIED)

"""One query on one association of its own (R59): blocking, for a thread."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from services.dicom import commands, status
from services.dicom.asked_keys import Asked
from services.dicom.contexts import EXPLICIT_LITTLE_ENDIAN, UNCOMPRESSED, PresentationContext
from services.dicom.guards import Guards
from services.dicom.identifiers import Identifier, IdentifierFault, decode_identifier
from services.dicom.pending import MATCH_LIMITS, MatchLimits
from services.dicom.profile import Pair, Profile
from services.dicom.requestor import Peer, Requestor
from services.runtime.errors import GatewayError

ENHANCED_SR: Final = "1.2.840.10008.5.1.4.1.1.88.22"


class NotAccepted(GatewayError):
    """The peer accepted the association but not what it was opened for."""


@dataclass(frozen=True)
class Answered:
    """What a station answered. ``matches`` are none unless the query succeeded (R62); ``cut``: there were more than the
    limits; ``unreadable`` responses are not among them. ``structured_reports``: their keys were asked for (R147)."""

    status: int
    comment: str
    matches: tuple[Identifier, ...] = ()
    cut: bool = False
    unreadable: int = 0
    structured_reports: bool = False

    @property
    def ok(self) -> bool:
        """Success, or the end that we asked for at our own limit."""
        kind = status.classify(self.status)
        return kind is status.SUCCESS or (self.cut and kind is status.CANCEL)

    @property
    def text(self) -> str:
        """The status by name (R62)."""
        words = status.name(self.status, commands.C_FIND) or "Success"
        return f"C-FIND answered with status {self.status:04X} ({words}){self.comment and ': '}{self.comment}"


def query(
    peer: Peer,
    profile: Profile,
    guards: Guards,
    asked: Asked,
    *,
    limits: MatchLimits = MATCH_LIMITS,
    opened: Callable[[Requestor], None] | None = None,
) -> Answered:
    """Ask. ``opened`` gets the association, so that another thread can abort it.

    Profile gateway ends a query at the limits with a C-CANCEL, profile xeleris never does (R16, R58). Raises the errors
    of the association, ``NotAccepted``, and ``KeyFault`` before anything is sent.
    """
    asked.identifier(EXPLICIT_LITTLE_ENDIAN, profile)
    with Requestor.connect(
        peer, profile.proposals(_needed(asked)), guards, implementation=profile.implementation
    ) as requestor:
        if opened is not None:
            opened(requestor)
        context = requestor.first_context(asked.sop_class)
        if context is None:
            raise NotAccepted(f"{peer.called_aet} accepted the association but not the SOP class {asked.sop_class}")
        return _ask(requestor, context, profile, asked, limits)


def _needed(asked: Asked) -> list[Pair]:
    """Implicit before explicit (R35). Enhanced SR is proposed to learn whether the station has it (notes A30)."""
    pairs = [(asked.sop_class, syntax) for syntax in reversed(UNCOMPRESSED)]
    return [*pairs, (ENHANCED_SR, EXPLICIT_LITTLE_ENDIAN)] if asked.structured_reports else pairs


def _ask(
    requestor: Requestor, context: PresentationContext, profile: Profile, asked: Asked, limits: MatchLimits
) -> Answered:
    matches: list[Identifier] = []
    unreadable = 0

    def match(data: bytes) -> None:
        nonlocal unreadable
        try:
            matches.append(decode_identifier(data, context.transfer_syntax))
        except IdentifierFault:
            unreadable += 1

    reports = requestor.first_context(ENHANCED_SR) is not None
    identifier = asked.identifier(context.transfer_syntax, profile, structured_reports=reports)
    found = requestor.find(context, identifier, match, limits=limits, cancel=not profile.xeleris)
    answered = Answered(
        found.response.status, found.response.comment, tuple(matches), found.cut, unreadable, reports
    )  # fmt: skip
    return answered if answered.ok else replace(answered, matches=())

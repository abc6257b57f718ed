"""The acceptor's side of one connection: negotiate, then serve one request after the other (PS3.8 9.2 as a loop)."""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import structlog

from services.dicom import commands, pdu
from services.dicom.association import Association, Handler, Negotiated, Request, after
from services.dicom.contexts import Roles, accepted, answer_extended, answer_roles, negotiate
from services.dicom.errors import (
    AssociationAborted,
    AssociationError,
    PeerReleased,
    PeerTooSlow,
    ProtocolViolation,
)
from services.dicom.pdu import AssociateRequest, Implementation, Rejection
from services.dicom.serving import not_authorized, serve
from services.dicom.stream import PduStream

_log = structlog.get_logger(__name__)
_SMALLEST_PEER_PDU = 1024
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AssociationProposal:
    """What a policy judges by."""

    calling_aet: str
    called_aet: str
    peer_address: str
    application_context: str
    implementation: Implementation
    certificate: bytes | None = None
    """The certificate (DER) that the peer proved over TLS to be its own; None over plain TCP."""
    user_identity: bool = False
    """It says who its user is (PS3.7 D.3.3.7)."""


class AcceptancePolicy(Protocol):
    """Who may connect for what. Fails closed: an exception rejects the association with (2,3,1)."""

    def judge(self, proposal: AssociationProposal) -> Rejection | None:
        """None to accept; else why not, for example pdu.UNKNOWN_CALLING."""

    def accepts(self, proposal: AssociationProposal, abstract_syntax: str) -> Sequence[str]:
        """Transfer syntaxes in order of preference; empty when the abstract syntax is not supported."""

    def forbidden(self, proposal: AssociationProposal) -> frozenset[int]:
        """Command Fields of requests that are answered 0124, not authorized, whatever was accepted."""


class Outcome(enum.Enum):
    """How a connection ended."""

    RELEASED = "released"
    REJECTED = "rejected"
    ABORTED_BY_PEER = "aborted by peer"
    ABORTED = "aborted"
    VIOLATION = "protocol violation"
    TIMED_OUT = "timed out"
    LOST = "connection lost"


@dataclass(slots=True)
class AssociationSummary:
    """One connection after its end, for metrics, audit and ``association.ended``."""

    id: str
    peer_address: str
    calling_aet: str = ""
    called_aet: str = ""
    outcome: Outcome = Outcome.LOST
    detail: str = ""
    """Codes or the broken rule; never a value from a data set."""
    requests: dict[int, int] = field(default_factory=dict)
    """Requests served, by Command Field."""
    received_bytes: int = 0
    sent_bytes: int = 0
    seconds: float = 0.0


class Rejected(AssociationError):
    """Ends negotiation with an A-ASSOCIATE-RJ."""

    phase = "negotiate"

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(f"({rejection.result},{rejection.source},{rejection.reason})")
        self.rejection = rejection


@dataclass(frozen=True)
class Service:
    """What an acceptor offers; shared by all associations of a listener."""

    policy: AcceptancePolicy
    handlers: Mapping[int, Handler]
    roles: Mapping[str, Roles]
    implementation: Implementation
    extended: Mapping[str, bytes] = field(default_factory=dict)


class Acceptor:
    """One accepted connection, served by one thread."""

    def __init__(self, stream: PduStream, service: Service, summary: AssociationSummary) -> None:
        self._stream, self._service, self._summary = stream, service, summary
        self._handlers = service.handlers
        self.farewell = b""
        """What the connection is to be closed with."""

    def serve(self, admit: Callable[[], bool], request_by: float) -> None:
        """Until the association has ended and the peer was told why. ``admit`` takes a slot; False rejects (2,3,2).

        ``request_by``: when the whole A-ASSOCIATE-RQ has to be there, in monotonic time.

        Never raises an error of the association; the outcome is in the summary. The connection stays open: the caller
        gives the slot back and closes it with ``farewell``.
        """
        try:
            association = self._negotiate(admit, request_by)
            self._serve(association)
            self._end(Outcome.RELEASED, "", pdu.RELEASE_RP_PDU)
        except Rejected as rejected:
            self._end(Outcome.REJECTED, str(rejected), pdu.reject_pdu(rejected.rejection))
        except PeerReleased:
            self._end(Outcome.RELEASED, "", pdu.RELEASE_RP_PDU)
        except ProtocolViolation as error:
            self._end(Outcome.VIOLATION, str(error), pdu.abort_pdu(error.source, error.reason))
        except AssociationAborted as error:
            by_us = pdu.abort_pdu(0, 0) if error.local else b""
            self._end(Outcome.ABORTED if error.local else Outcome.ABORTED_BY_PEER, str(error), by_us)
        except PeerTooSlow as error:
            self._end(Outcome.TIMED_OUT, str(error), pdu.abort_pdu(2, 0))
        except AssociationError as error:
            self._end(Outcome.LOST, str(error), b"")

    def _end(self, outcome: Outcome, detail: str, farewell: bytes) -> None:
        self._summary.outcome, self._summary.detail, self.farewell = outcome, detail, farewell

    def _negotiate(self, admit: Callable[[], bool], request_by: float) -> Association:
        stream, summary = self._stream, self._summary
        kind = stream.next_pdu(request_by, all_until=request_by)
        if kind != pdu.ASSOCIATE_RQ:
            stream.refuse(kind)
        request = pdu.decode_request(stream.body())
        summary.calling_aet, summary.called_aet = request.calling_aet, request.called_aet
        proposal = AssociationProposal(
            request.calling_aet, request.called_aet, summary.peer_address, request.application_context,
            request.implementation, stream.certificate, request.user_identity,
        )  # fmt: skip
        self._judge(request, proposal)
        receiving = {syntax for syntax, roles in request.roles.items() if roles.scp}
        answers = self._guarded(
            lambda: negotiate(
                request.contexts, lambda syntax: self._service.policy.accepts(proposal, syntax), receiving
            )
        )
        refused = self._guarded(lambda: self._service.policy.forbidden(proposal))
        self._handlers = {**self._service.handlers, **dict.fromkeys(refused, not_authorized)}
        if not self._guarded(admit):
            raise Rejected(pdu.LOCAL_LIMIT)
        contexts = accepted(answers)
        roles = answer_roles(request.roles, self._service.roles, contexts)
        extended = answer_extended(request.extended, self._service.extended, contexts)
        implementation = self._service.implementation
        accept = pdu.encode_accept(
            request.titles, answers, roles, stream.guards.maximum_pdu, implementation, extended
        )  # fmt: skip
        stream.send([accept])
        negotiated = Negotiated(
            request.calling_aet, request.called_aet, summary.peer_address, contexts, roles, request.maximum_pdu,
            request.implementation, extended,
        )  # fmt: skip
        return Association(stream, negotiated, self._take, summary.id)

    def _judge(self, request: AssociateRequest, proposal: AssociationProposal) -> None:
        """In the order of PS3.8: protocol, application context, titles, then the policy."""
        if not request.protocol_version & 1:
            raise Rejected(pdu.BAD_PROTOCOL_VERSION)
        if request.application_context != pdu.APPLICATION_CONTEXT:
            raise Rejected(pdu.BAD_APPLICATION_CONTEXT)
        if not request.called_aet:
            raise Rejected(pdu.UNKNOWN_CALLED)
        if not request.calling_aet:
            raise Rejected(pdu.UNKNOWN_CALLING)
        rejection = self._guarded(lambda: self._service.policy.judge(proposal))
        if rejection is not None:
            raise Rejected(rejection)
        if 0 < request.maximum_pdu < _SMALLEST_PEER_PDU:
            raise Rejected(pdu.NO_REASON)

    def _guarded(self, decide: Callable[[], T]) -> T:
        try:
            return decide()
        except Exception as error:
            _log.exception("association_policy_failed", association=self._summary.id)
            raise Rejected(pdu.CONGESTION) from error

    def _serve(self, association: Association) -> None:
        while (message := association.read_command(after(self._stream.guards.idle_seconds))) is not None:
            self._take(Request(association, *message))

    def _take(self, request: Request) -> None:
        command_field = request.command.command_field
        if command_field in commands.REQUESTS:
            self._summary.requests[command_field] = self._summary.requests.get(command_field, 0) + 1
        serve(request, self._handlers)

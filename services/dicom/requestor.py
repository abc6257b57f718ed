"""The requestor's side: open an association, one request after the other, release it."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, TypeVar

import structlog

from services.dicom import commands, pdu, pending
from services.dicom.association import Association, Handler, Negotiated, Request, Response, after
from services.dicom.commitment_reports import refuse_report
from services.dicom.connecting import Network, Secure, connected
from services.dicom.contexts import (
    COMMITMENT_PUSH,
    VERIFICATION,
    ContextAnswer,
    PresentationContext,
    ProposedContext,
    Roles,
    accepted,
    numbered,
)
from services.dicom.errors import (
    REASON_NOT_SPECIFIED,
    SOURCE_USER,
    AssociationAborted,
    AssociationError,
    AssociationRejected,
    ProtocolViolation,
    SourceTruncated,
)
from services.dicom.guards import Guards
from services.dicom.metrics import measured_opening
from services.dicom.pending import MATCH_LIMITS, Found, MatchLimits, Progress
from services.dicom.serving import serve, serve_nothing
from services.dicom.stream import PduStream

MEDIUM, HIGH, LOW = 0, 1, 2
"""DIMSE priorities (PS3.7 9.3.1)."""
CANCEL_SECONDS: Final = 30.0
"""How long the last response to a cancelled C-MOVE is waited for."""
_LINGER_LOOK_SECONDS: Final = 0.2

_log = structlog.get_logger(__name__)
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Peer:
    """Where to connect and under which titles; ``ipv4_only`` never over IPv6 (R117).

    ``secure`` wraps the connection in TLS; to an address within the networks ``denied`` none is opened.
    """

    host: str
    port: int
    called_aet: str
    calling_aet: str
    ipv4_only: bool = False
    secure: Secure | None = None
    denied: Sequence[Network] = ()


class Requestor:
    """An open association we asked for. Use as context manager: released at its end, aborted after an exception."""

    def __init__(self, association: Association) -> None:
        """Use ``connect``."""
        self._association = association
        self._stream = association.stream
        self._message_id = 0
        self._open = True

    @classmethod
    @measured_opening()
    def connect(
        cls,
        peer: Peer,
        contexts: Sequence[ProposedContext],
        guards: Guards,
        *,
        roles: Mapping[str, Roles] | None = None,
        implementation: pdu.Implementation = pdu.OURS,
    ) -> "Requestor":
        """Propose 1 to 128 contexts, numbered in their order; ``roles`` adds role selection items.

        Raises ConnectFailed, AssociationRejected, AssociationAborted, PeerGone, PeerTooSlow, ProtocolViolation, all
        with a phase before ``request``; ValueError for what cannot be proposed.
        """
        proposed = numbered(contexts)
        request = pdu.encode_request(
            peer.calling_aet, peer.called_aet, proposed, roles or {}, guards.maximum_pdu, implementation
        )
        sock = connected(
            peer.called_aet, peer.host, peer.port, guards.connect_seconds, peer.secure, peer.ipv4_only, peer.denied
        )  # fmt: skip
        stream = PduStream(sock, guards)
        try:
            return cls(_negotiate(stream, peer, request, proposed))
        except AssociationError as error:
            error.phase = "negotiate"
            stream.close(_last_words(error))
            raise
        except BaseException:
            stream.close()
            raise

    @property
    def association(self) -> Association:
        """Titles, contexts, roles, the peer's implementation."""
        return self._association

    def context_for(self, abstract_syntax: str, transfer_syntax: str) -> PresentationContext | None:
        """The accepted context for exactly these, None if the peer did not accept it."""
        for context in self._association.contexts.values():
            if context.abstract_syntax == abstract_syntax and context.transfer_syntax == transfer_syntax:
                return context
        return None

    def first_context(self, abstract_syntax: str) -> PresentationContext | None:
        """The first accepted context of a SOP class, in the order they were proposed; None if there is none."""
        contexts = sorted(self._association.contexts.values(), key=lambda each: each.id)
        return next((each for each in contexts if each.abstract_syntax == abstract_syntax), None)

    def echo(self) -> int:
        """C-ECHO (PS3.7 9.1.5); returns the status. Raises ValueError without an accepted Verification context."""
        context = self.first_context(VERIFICATION)
        if context is None:
            raise ValueError("the peer accepted no presentation context for Verification")
        message_id = self._association.next_message_id()
        command = commands.encode(
            affected_sop_class_uid=VERIFICATION,
            command_field=commands.C_ECHO,
            message_id=message_id,
            data_set_type=commands.NO_DATA_SET,
        )
        return self._exchange(context, message_id, command, iter(()), 0).status

    def store(
        self,
        context: PresentationContext,
        sop_class_uid: str,
        sop_instance_uid: str,
        source: BinaryIO,
        offset: int,
        size: int,
        *,
        priority: int = MEDIUM,
        move_originator: tuple[str, int] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Response:
        """C-STORE (PS3.7 9.1.1): ``size`` bytes of ``source`` from ``offset`` are the data set, sent as they are.

        ``move_originator`` is the title and Message ID of the C-MOVE this belongs to. ``meanwhile`` is called each
        second while the answer is waited for; what it raises aborts the association. Any error ends the association:
        with phase ``request`` the peer has not got it whole, with phase ``response`` its answer is unknown.
        """
        if size <= 0:
            raise ValueError("a data set to be sent has at least one byte")
        message_id = self._association.next_message_id()
        command = commands.encode_store(sop_class_uid, sop_instance_uid, message_id, priority, move_originator)
        chunks = chunks_from(source, offset, size, self._association.chunk)
        return self._exchange(context, message_id, command, chunks, size, meanwhile)

    def find(
        self,
        context: PresentationContext,
        identifier: bytes,
        match: Callable[[bytes], None],
        *,
        limits: MatchLimits = MATCH_LIMITS,
        cancel: bool = False,
        meanwhile: Callable[[], None] | None = None,
    ) -> Found:
        """C-FIND (PS3.4 C.4.1): ``match`` gets the identifier of each match as it comes, in the context's syntax.

        What comes beyond ``limits`` is counted and dropped; with ``cancel`` a C-CANCEL then asks the peer to end (never
        in profile xeleris: R16, R58). The whole query has ``response_seconds``. Statuses are for the caller to judge
        (R61). What ``match`` or ``meanwhile``, called while nothing comes, raise aborts the association;
        errors are as in ``store``.
        """
        return self._guarded(
            lambda: pending.find(
                self._association, context, identifier, match, limits, cancel=cancel, meanwhile=meanwhile
            )
        )

    def move(
        self,
        context: PresentationContext,
        identifier: bytes,
        destination: str,
        *,
        progress: Callable[[Progress], None] | None = None,
        canceled: Callable[[], bool] | None = None,
        cancel_seconds: float = CANCEL_SECONDS,
        meanwhile: Callable[[], None] | None = None,
    ) -> Response:
        """C-MOVE (PS3.4 C.4.2) to a title that the peer knows; the last response, whose numbers are ``Progress.of``.

        ``progress`` gets the numbers of each Pending response; each response has ``response_seconds`` (R65: none).
        ``canceled`` is asked four times a second: once it is true a C-CANCEL goes out (R17, R67), and the last response
        has ``cancel_seconds``, after which PeerTooSlow aborts the association. Errors are as in ``store``.
        """
        return self._guarded(
            lambda: pending.move(
                self._association, context, identifier, destination, progress=progress, canceled=canceled,
                cancel_seconds=cancel_seconds, meanwhile=meanwhile,
            )
        )  # fmt: skip

    def action(
        self,
        context: PresentationContext,
        data: bytes,
        *,
        on_request: Handler | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Response:
        """N-ACTION that requests storage commitment (PS3.4 J.3.2); ``data`` is its whole action information.

        An N-EVENT-REPORT that comes before the response is given to ``on_request``, without it answered 0110 (R81).
        ``meanwhile`` and errors are as in ``store``.
        """
        message_id = self._association.next_message_id()
        command = commands.encode_commitment_action(message_id)
        chunks = self._association.chunks_of(data)
        with self._serving(on_request):
            return self._exchange(context, message_id, command, chunks, len(data), meanwhile)

    def report(
        self,
        context: PresentationContext,
        event_type: int,
        data: bytes,
        *,
        meanwhile: Callable[[], None] | None = None,
    ) -> Response:
        """N-EVENT-REPORT of storage commitment, we being the SCP (PS3.4 J.3.3). Errors are as in ``store``."""
        message_id = self._association.next_message_id()
        command = commands.encode_commitment_report(message_id, event_type)
        return self._exchange(context, message_id, command, self._association.chunks_of(data), len(data), meanwhile)

    def role_refused(self, abstract_syntax: str = COMMITMENT_PUSH) -> bool:
        """Whether the peer said that we may not be SCP of the class; a peer that answers no role item has not (A19)."""
        answered = self._association.negotiated.roles.get(abstract_syntax)
        return answered is not None and not answered.scp

    def serve(self, seconds: float, on_request: Handler | None, ended: Callable[[], bool]) -> bool:
        """Linger for N-EVENT-REPORTs of the peer, at most ``seconds``, or until ``ended()``; asked five times a second.

        True while the association is open: release it then. What the peer does to end it, or breaks, ends it here and
        is no error, because nothing of ours is under way. Other exceptions abort the association.
        """
        limit = after(seconds)
        try:
            with self._serving(on_request), self._stream.until(limit + self._stream.guards.pdu_seconds):
                while self._open and not ended() and time.monotonic() < limit:
                    if self._stream.pending or self._stream.awaited(min(limit, after(_LINGER_LOOK_SECONDS))):
                        self._serve_next(limit)
        except AssociationError as error:
            _log.info("association_ended_while_lingering", association=self._association.id, reason=str(error))
            self._end(_last_words(error))
        except BaseException:
            self.abort()
            raise
        return self._open

    def _serve_next(self, limit: float) -> None:
        message = self._association.read_command(limit)
        if message is None:
            self._end(pdu.RELEASE_RP_PDU)
            return
        self._association.serve(Request(self._association, *message))

    @contextlib.contextmanager
    def _serving(self, on_request: Handler | None) -> Iterator[None]:
        """Within the block reports are given to ``on_request``; whatever else the peer asks for is answered 0211."""
        handlers = {commands.N_EVENT_REPORT: on_request or refuse_report}
        self._association.serve = lambda request: serve(request, handlers)
        try:
            yield
        finally:
            self._association.serve = serve_nothing

    def alive(self) -> bool:
        """Whether an idle association is still there, without waiting. A peer that releases it is answered."""
        if not self._open:
            return False
        try:
            self._stream.notice()
            kind, _ = self._stream.peek_pdu()
        except AssociationError:
            self._end()
            return False
        if kind == pdu.RELEASE_RQ:
            self._end(pdu.RELEASE_RP_PDU)
        return self._open

    def release(self) -> None:
        """A-RELEASE, waiting for the reply at most the ARTIM time; then closed, whatever the peer did. Idempotent."""
        if not self._open:
            return
        with contextlib.suppress(AssociationError):
            self._stream.send([pdu.RELEASE_RQ_PDU])
            limit = after(self._stream.guards.artim_seconds)
            while (kind := self._stream.next_pdu(limit, all_until=limit)) != pdu.RELEASE_RP:
                if kind == pdu.RELEASE_RQ:  # both ask at once: PS3.8 9.2.3 AR-8, AR-9
                    self._stream.send([pdu.RELEASE_RP_PDU])
                elif kind != pdu.P_DATA:
                    self._stream.refuse(kind)
                self._stream.body()
        self._end()

    def abort(self) -> None:
        """A-ABORT and close. Idempotent; only from the thread that uses the requestor (others: association.abort)."""
        self._end(pdu.abort_pdu(SOURCE_USER, REASON_NOT_SPECIFIED))

    def __enter__(self) -> "Requestor":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.release()
        else:
            self.abort()

    def _end(self, last_words: bytes = b"") -> None:
        if self._open:
            self._open = False
            self._stream.close(last_words)

    def _exchange(
        self,
        context: PresentationContext,
        message_id: int,
        command: bytes,
        chunks: Iterator[bytes],
        size: int,
        meanwhile: Callable[[], None] | None = None,
    ) -> Response:
        """One request, one response."""
        return self._guarded(lambda: self._association.exchange(context, message_id, command, chunks, size, meanwhile))

    def _guarded(self, work: Callable[[], _Result]) -> _Result:
        """Whatever goes wrong ends the association."""
        if not self._open:
            raise AssociationAborted(SOURCE_USER, REASON_NOT_SPECIFIED, local=True)
        try:
            return work()
        except AssociationError as error:
            self._end(_last_words(error))
            raise
        except BaseException:
            self.abort()
            raise


def _negotiate(stream: PduStream, peer: Peer, request: bytes, proposed: Sequence[ProposedContext]) -> Association:
    limit = after(stream.guards.artim_seconds)
    stream.send([request])
    kind = stream.next_pdu(limit, all_until=limit)
    if kind == pdu.ASSOCIATE_RJ:
        body = stream.body()
        raise AssociationRejected(body[1], body[2], body[3])
    if kind != pdu.ASSOCIATE_AC:
        stream.refuse(kind)
    answer = pdu.decode_answer(stream.body())
    syntaxes = {context.id: context for context in proposed}
    answers = [
        ContextAnswer(each.id, each.result, syntaxes[each.id].abstract_syntax, each.transfer_syntax)
        for each in answer.contexts
        if each.id in syntaxes and (each.result or each.transfer_syntax in syntaxes[each.id].transfer_syntaxes)
    ]
    if 0 < answer.maximum_pdu <= 2 * pdu.PDV_HEADER.size:
        raise ProtocolViolation(f"the peer takes PDUs of at most {answer.maximum_pdu} bytes")
    return Association(
        stream,
        Negotiated(
            peer.calling_aet, peer.called_aet, peer.host, accepted(answers), answer.roles, answer.maximum_pdu,
            pdu.Implementation("", ""),
        ),
        serve_nothing,
        ours=True,
    )  # fmt: skip


def chunks_from(source: BinaryIO, offset: int, size: int, chunk: int) -> Iterator[bytes]:
    """A data set in a file as ``send_message`` wants it. Raises SourceTruncated."""
    source.seek(offset)
    left = size
    while left:
        data = source.read(min(chunk, left))
        if not data:
            raise SourceTruncated(f"the object ends {left} bytes early")
        left -= len(data)
        yield data


def _last_words(error: AssociationError) -> bytes:
    if isinstance(error, ProtocolViolation):
        return pdu.abort_pdu(error.source, error.reason)
    if isinstance(error, AssociationRejected) or (isinstance(error, AssociationAborted) and not error.local):
        return b""
    return pdu.abort_pdu(SOURCE_USER, REASON_NOT_SPECIFIED)

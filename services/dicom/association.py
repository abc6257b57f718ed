"""One association: whole DIMSE messages in and out (PS3.7 6.3, PS3.8 annex E), for acceptor and requestor alike."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from services.dicom import commands, pdu
from services.dicom.commands import Command, Value
from services.dicom.contexts import PresentationContext, Roles
from services.dicom.errors import REASON_NOT_SPECIFIED, AssociationError, PeerReleased, PeerTooSlow, ProtocolViolation
from services.dicom.status import PENDING, classify
from services.dicom.stream import Digest, PduStream
from services.dicom.transport import WATCH_SECONDS
from services.runtime import fail_points

LARGEST_CHUNK: Final = 256 * 1024
"""What we send in one PDU at most, whatever the peer can take."""
LARGEST_IDENTIFIER: Final = 1024 * 1024
"""Bytes of a data set that comes with a response: a match, or the UIDs that a retrieval failed for."""
MOST_REQUESTS_IN_BETWEEN: Final = 1000
"""A peer that answers with requests only is aborted after so many: in profile xeleris no time would end it (R75)."""
_LARGEST_MESSAGE_ID: Final = 0xFFFF


@dataclass(frozen=True)
class Negotiated:
    """What negotiation has left: the parameters of an association."""

    calling_aet: str
    called_aet: str
    peer_address: str
    contexts: Mapping[int, PresentationContext]
    roles: Mapping[str, Roles]
    """Role items answered, by abstract syntax; classes without one have the default roles."""
    peer_max_pdu: int
    """Largest P-DATA-TF the peer takes in bytes, 0 for no limit."""
    peer_implementation: pdu.Implementation
    extended: Mapping[str, bytes] = field(default_factory=dict)
    """Extended negotiation items answered, by abstract syntax (PS3.7 D.3.3.5)."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a peer answered: classify ``status`` with services.dicom.status. ``data``: the data set of a Pending one."""

    status: int
    comment: str
    command: Command
    data: bytes = field(default=b"", repr=False)


class Association:
    """An established association. Only its own thread uses it, but for ``abort``."""

    def __init__(
        self,
        stream: PduStream,
        negotiated: Negotiated,
        serve: Callable[["Request"], None],
        identity: str | None = None,
        *,
        ours: bool = False,
    ) -> None:
        """``serve`` answers what the peer asks for while we wait for a response; ``ours``: we opened it."""
        self.id = identity or uuid.uuid4().hex
        self.negotiated = negotiated
        self.calling_aet, self.called_aet = negotiated.calling_aet, negotiated.called_aet
        self.peer_address, self.contexts = negotiated.peer_address, negotiated.contexts
        self.peer_max_pdu = negotiated.peer_max_pdu
        self.stream = stream
        self.serve = serve
        self.asking = False
        """A response to a request of ours is waited for."""
        self._ours = ours
        self._message_id = 0

    @property
    def own_aet(self) -> str:
        """The title under which we take part."""
        return self.calling_aet if self._ours else self.called_aet

    @property
    def peer_aet(self) -> str:
        """The title of the other side, whoever opened the association."""
        return self.called_aet if self._ours else self.calling_aet

    @property
    def chunk(self) -> int:
        """Data bytes of one PDU to the peer; even, as PS3.8 annex E.2 wants fragments."""
        most = min(self.peer_max_pdu or LARGEST_CHUNK, LARGEST_CHUNK)
        return (most - pdu.PDV_HEADER.size) & ~1

    def abort(self) -> None:
        """From any thread: the association's thread sends A-ABORT and ends, at once if it waits for the peer."""
        self.stream.stop()

    def read_command(self, wait_until: float) -> tuple[PresentationContext, Command] | None:
        """The next command set; None for A-RELEASE-RQ. A data set that follows is left unread.

        Raises AssociationAborted, PeerGone, PeerTooSlow, ProtocolViolation.
        """
        stream = self.stream
        if not stream.remaining:
            kind = stream.next_pdu(wait_until)
            if kind == pdu.RELEASE_RQ:
                stream.body()
                return None
            if kind != pdu.P_DATA:
                stream.refuse(kind)
        data, context_id = self._command_set()
        context = self.contexts.get(context_id)
        if context is None:
            raise ProtocolViolation(f"presentation context {context_id} was not accepted")
        command = commands.decode(data)
        stream.data_set_open = command.has_data_set
        return context, command

    def _command_set(self) -> tuple[bytes, int]:
        stream, data, context_id = self.stream, bytearray(), -1
        while True:
            stream.continue_message()
            stream.next_fragment()
            if not stream.flags & pdu.COMMAND or context_id not in (-1, stream.context_id):
                raise ProtocolViolation("data set fragment where a command set is due")
            if len(data) + stream.fragment > stream.guards.maximum_command:
                raise ProtocolViolation(f"command set above {stream.guards.maximum_command} bytes")
            context_id = stream.context_id
            data += stream.fragment_bytes()
            if stream.flags & pdu.LAST:
                return bytes(data), context_id

    def send_message(self, context_id: int, command: bytes, chunks: Iterator[bytes], size: int) -> None:
        """A command set and ``size`` bytes of data set (0: none). The command leaves together with the first data."""
        parts = list(self._fragments(context_id, pdu.COMMAND, command))
        left = size
        for chunk in chunks:
            left -= len(chunk)
            parts += (pdu.data_header(context_id, 0 if left else pdu.LAST, len(chunk)), chunk)
            self.stream.send(parts)
            parts = []
            if left:
                self.stream.notice()
        if parts:
            self.stream.send(parts)

    def _fragments(self, context_id: int, kind: int, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), self.chunk):
            piece = data[start : start + self.chunk]
            last = pdu.LAST if start + self.chunk >= len(data) else 0
            yield pdu.data_header(context_id, kind | last, len(piece))
            yield piece

    def chunks_of(self, data: bytes) -> Iterator[bytes]:
        """A data set in memory as ``send_message`` wants it."""
        return (data[start : start + self.chunk] for start in range(0, len(data), self.chunk))

    def respond(
        self, request: "Request", status: int, *, comment: str = "", data_set: bytes | None = None, **fields: Value
    ) -> None:
        """Send a response; ``fields`` are names of commands.FIELDS. Any status but Pending is the last one.

        What is left of the request's data set is read first, so that both sides agree where the next message begins.
        Raises the errors of the stream.
        """
        request.discard_data_set()
        command = commands.encode_response(request.command, status, comment, bool(data_set), **fields)
        data = data_set or b""
        self.send_message(request.context.id, command, self.chunks_of(data), len(data))
        request.answered = classify(status) is not PENDING

    def next_message_id(self) -> int:
        """For a request of ours; each side counts its own (PS3.7 9.1, 10.1)."""
        self._message_id = self._message_id % _LARGEST_MESSAGE_ID + 1
        return self._message_id

    def exchange(
        self,
        context: PresentationContext,
        message_id: int,
        command: bytes,
        chunks: Iterator[bytes],
        size: int,
        meanwhile: Callable[[], None] | None = None,
        pending: Callable[[Response], None] | None = None,
    ) -> Response:
        """One request of ours and its response; what the peer asks for in between is answered by ``serve``.

        ``meanwhile`` is called each second while nothing comes. All of it ends at ``response_seconds``, whatever the
        peer sends. With ``pending``, which gets every response with status Pending, each response has that time, and
        ``meanwhile`` is called four times a second: what a person cancels ends soon.
        Raises the errors of the association with their phase, PeerReleased for an A-RELEASE-RQ.
        """
        phase = "request"
        asking, self.asking = self.asking, True
        try:
            self.send_message(context.id, command, chunks, size)
            fail_points.reached("association.asked")
            phase = "response"
            expected = (commands.decode(command).command_field | commands.RESPONSE, message_id, context.id)
            response = self._response(expected, meanwhile, pending is not None)
            while pending is not None and classify(response.status) is PENDING:
                pending(response)
                response = self._response(expected, meanwhile, keep=True)
            return response
        except AssociationError as error:
            error.phase = phase
            raise
        finally:
            self.asking = asking

    def cancel(self, context: PresentationContext, message_id: int) -> None:
        """C-CANCEL for a request of ours that is under way (PS3.7 9.3.2.3, 9.3.4.3). The peer need not heed it."""
        command = commands.encode(
            command_field=commands.C_CANCEL, responded_id=message_id, data_set_type=commands.NO_DATA_SET
        )
        self.send_message(context.id, command, iter(()), 0)

    def _response(
        self, expected: tuple[int, int, int], meanwhile: Callable[[], None] | None, keep: bool = False
    ) -> Response:
        limit = after(self.stream.guards.response_seconds)
        for _ in range(MOST_REQUESTS_IN_BETWEEN):
            if meanwhile is not None:
                self.stream.wait_watching(limit, meanwhile, WATCH_SECONDS / 4 if keep else WATCH_SECONDS)
            message = self.read_command(limit)
            if message is None:
                raise PeerReleased
            context, command = message
            if command.command_field & commands.RESPONSE:
                return self._checked(context, command, expected, keep)
            with self.stream.until(limit):
                self.serve(Request(self, context, command))
            if time.monotonic() >= limit:
                raise PeerTooSlow("requests instead of a response until the limit")
        raise ProtocolViolation(f"{MOST_REQUESTS_IN_BETWEEN} requests instead of a response", REASON_NOT_SPECIFIED)

    def _checked(
        self, context: PresentationContext, command: Command, expected: tuple[int, int, int], keep: bool
    ) -> Response:
        command_field, message_id, context_id = expected
        if (command.command_field, command.message_id, context.id) != expected:
            raise ProtocolViolation(
                f"response {command.command_field:04X} to message {command.message_id} on context {context.id} instead "
                f"of {command_field:04X} to message {message_id} on context {context_id}"
            )
        if command.status is None:
            raise ProtocolViolation("response without status")
        collected = _Collected()
        if command.has_data_set:
            most = LARGEST_IDENTIFIER if keep else self.stream.guards.maximum_command
            self.stream.copy_data_set(context.id, None, collected if keep else None, most)
        return Response(command.status, command.comment, command, bytes(collected.data))

    def report(
        self,
        context: PresentationContext,
        event_type: int,
        data: bytes,
        *,
        meanwhile: Callable[[], None] | None = None,
    ) -> Response:
        """N-EVENT-REPORT of storage commitment (PS3.4 J.3.3) and its response, whoever opened the association.

        A handler calls it after it has answered its request. Status and related fields are those of the response
        (R113). Raises as ``exchange``: a handler lets that pass through, the association is over then.
        """
        message_id = self.next_message_id()
        command = commands.encode_commitment_report(message_id, event_type)
        return self.exchange(context, message_id, command, self.chunks_of(data), len(data), meanwhile)

    def quiet(self) -> bool:
        """Nothing has come from the peer after the request that is served, and nothing of ours is under way.

        Looks at the socket without waiting; the data set of the request must have been read (``respond`` does). False:
        a release or a request waits, so the handler has to return. Raises AssociationAborted or PeerGone.
        """
        self.stream.notice()
        return not self.asking and not self.stream.pending

    def cancelled(self, request: "Request") -> bool:
        """A C-CANCEL for this request has come (PS3.7 9.3.2.3). Looks at the socket without waiting.

        The request's data set must have been read: what lies behind it cannot be seen before.
        Raises AssociationAborted or PeerGone when that is what has come. Other requests stay unread.
        """
        if request.cancelled:
            return True
        self.stream.notice()
        while self.stream.peek_pdu()[0] == pdu.P_DATA and (cancel := self._peek_cancel()):
            size, message_id = cancel
            self.stream.start += size
            request.cancelled |= message_id == request.command.message_id
        self.stream.noticed()
        return request.cancelled

    def _peek_cancel(self) -> tuple[int, int] | None:
        """Size of the PDU and Message ID, if the buffered PDU is one whole C-CANCEL."""
        stream = self.stream
        _, size = stream.peek_pdu()
        start = stream.start + pdu.PDU_HEADER.size
        length, _, flags = pdu.PDV_HEADER.unpack_from(stream.view, start)
        if flags & 3 != pdu.COMMAND | pdu.LAST or length + 4 != size - pdu.PDU_HEADER.size:
            return None
        command = commands.decode(bytes(stream.view[start + pdu.PDV_HEADER.size : stream.start + size]))
        return (size, command.message_id) if command.command_field == commands.C_CANCEL else None


class Request:
    """A request a peer has made; lives while its handler runs."""

    def __init__(self, association: Association, context: PresentationContext, command: Command) -> None:
        self.association, self.context, self.command = association, context, command
        self.answered = self.cancelled = False

    def copy_data_set(self, descriptor: int, digest: Digest | None, limit: int) -> int:
        """Write the data set to a file descriptor as it comes, hashing on the way. Returns its size in bytes.

        Raises DataSetTooLarge after which the association is aborted, OSError of the file (the rest is then discarded
        by ``respond``), and the errors of the stream.
        """
        return self._read(descriptor, digest, limit)

    def read_data_set(self, limit: int) -> bytes:
        """A small data set (identifier, action information) in memory. Raises as ``copy_data_set``."""
        collected = _Collected()
        self._read(None, collected, limit)
        return bytes(collected.data)

    def discard_data_set(self) -> None:
        """Read what is left of the data set and forget it."""
        self._read(None, None, self.association.stream.guards.maximum_object)

    def _read(self, descriptor: int | None, digest: Digest | None, limit: int) -> int:
        return self.association.stream.copy_data_set(self.context.id, descriptor, digest, limit)


class _Collected:
    def __init__(self) -> None:
        self.data = bytearray()

    def update(self, data: memoryview, /) -> None:
        self.data += data


Handler = Callable[[Request], None]
"""Serves one request: reads its data set if it wants it, calls ``respond``. Errors of the association pass through."""


def after(seconds: float) -> float:
    """The monotonic time that many seconds from here."""
    return time.monotonic() + seconds

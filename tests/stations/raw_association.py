"""Association PDUs by hand, both sides: what the gateway answers and what it proposes, read from the bytes.

It shares no code with the gateway, so neither hides the other's mistakes (PS3.8 9.3, PS3.7 annex D).
"""

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

from tests.stations.raw_sender import item, pdu
from tests.waiting import until

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
MAXIMUM_LENGTH, IMPLEMENTATION_CLASS, ASYNCHRONOUS, ROLES, VERSION_NAME, EXTENDED = 0x51, 0x52, 0x53, 0x54, 0x55, 0x56
COMMON_EXTENDED, USER_IDENTITY = 0x57, 0x58
TOO_MANY = (2, 3, 2)
"""Transient, by the presentation layer, its local limit exceeded (PS3.8 table 9-21)."""
_LIMIT_SECONDS = 20.0


class Context(NamedTuple):
    """A presentation context item; ``result`` of an answer (0 accepted), ``abstract_syntax`` of a proposal."""

    id: int
    result: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True)
class Items:
    """An A-ASSOCIATE-RQ or -AC."""

    version: int
    titles: bytes
    application_context: str
    contexts: tuple[Context, ...]
    user: tuple[tuple[int, bytes], ...]
    """User information sub-items, type and body, in the order they came."""

    def only(self, kind: int) -> bytes:
        """The body of the one sub-item of a type."""
        (body,) = [body for found, body in self.user if found == kind]
        return body

    @property
    def kinds(self) -> list[int]:
        """Types of the user information sub-items."""
        return [kind for kind, _ in self.user]

    @property
    def accepted(self) -> dict[int, str]:
        """Transfer syntax of each accepted context."""
        return {context.id: context.transfer_syntaxes[0] for context in self.contexts if context.result == 0}


class Rejected(Exception):
    """An A-ASSOCIATE-RJ; ``codes`` are result, source, reason (PS3.8 table 9-21)."""

    def __init__(self, codes: tuple[int, ...]) -> None:
        super().__init__(str(codes))
        self.codes = codes


def role_item(abstract_syntax: str, *, scu: bool, scp: bool) -> bytes:
    """An SCP/SCU role selection sub-item (PS3.7 D.3.3.4)."""
    uid = abstract_syntax.encode()
    return item(ROLES, struct.pack(">H", len(uid)) + uid + bytes((scu, scp)))


def request_pdu(
    contexts: Sequence[tuple[str, Sequence[str]]],
    *,
    calling: str = "SCANNER1",
    called: str = "GATEWAY",
    application_context: str = APPLICATION_CONTEXT,
    more_user_items: bytes = b"",
) -> bytes:
    """An A-ASSOCIATE-RQ with contexts 1, 3, 5 …, each of any number of transfer syntaxes."""
    body = struct.pack(">H2x16s16s32x", 1, called.encode().ljust(16), calling.encode().ljust(16))
    body += item(0x10, application_context.encode())
    for place, (abstract_syntax, syntaxes) in enumerate(contexts):
        inner = item(0x30, abstract_syntax.encode()) + b"".join(item(0x40, syntax.encode()) for syntax in syntaxes)
        body += item(0x20, struct.pack("B3x", 2 * place + 1) + inner)
    user = item(MAXIMUM_LENGTH, struct.pack(">I", 16384)) + item(IMPLEMENTATION_CLASS, b"1.2.826.0.1.3680043.10.999")
    return pdu(ASSOCIATE_RQ, body + item(0x50, user + more_user_items))


@contextmanager
def associated(
    port: int, contexts: Sequence[tuple[str, Sequence[str]]], *, source: str = "127.0.0.1", **request: object
) -> Iterator[tuple[socket.socket, Items]]:
    """An association from an address of this machine, aborted at the end. Raises ``Rejected``."""
    with socket.create_connection(("127.0.0.1", port), _LIMIT_SECONDS, (source, 0)) as connection:
        connection.sendall(request_pdu(contexts, **request))  # type: ignore[arg-type]
        kind, body = read_pdu(connection)
        if kind == ASSOCIATE_RJ:
            raise Rejected(tuple(body[1:4]))
        assert kind == ASSOCIATE_AC, f"PDU type {kind} instead of an answer"
        try:
            yield connection, read_items(body)
        finally:
            with suppress(OSError):
                connection.sendall(pdu(ABORT, bytes(4)))


def propose(port: int, contexts: Sequence[tuple[str, Sequence[str]]], **request: object) -> Items:
    """The A-ASSOCIATE-AC to a proposal, made again while there are too many for the moment: the abort of the one before
    may still be under way. Raises ``Rejected``."""

    def answer() -> Items | None:
        try:
            with associated(port, contexts, **request) as (_, found):  # type: ignore[arg-type]
                return found
        except Rejected as rejected:
            if rejected.codes != TOO_MANY:
                raise
            return None

    found = until(answer, limit=_LIMIT_SECONDS, what="an association to be free")
    assert found is not None
    return found


def proposal(listener: socket.socket) -> Items:
    """The A-ASSOCIATE-RQ of whoever connects next, who is then refused as for the moment too many (2,3,2)."""
    listener.settimeout(_LIMIT_SECONDS)
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(_LIMIT_SECONDS)
        kind, body = read_pdu(connection)
        assert kind == ASSOCIATE_RQ, f"PDU type {kind} instead of a request"
        connection.sendall(pdu(ASSOCIATE_RJ, bytes((0, *TOO_MANY))))
        return read_items(body)


def read_pdu(connection: socket.socket) -> tuple[int, bytes]:
    """Type and body. Raises ConnectionResetError when the peer has closed."""
    kind, length = struct.unpack(">BxI", _exactly(connection, 6))
    return kind, _exactly(connection, length)


def read_items(body: bytes) -> Items:
    """The parts of an A-ASSOCIATE-RQ or -AC body."""
    (version,) = struct.unpack_from(">H", body)
    application_context, contexts, user = "", [], ()
    for kind, data in _split(body[68:]):
        if kind == 0x10:
            application_context = data.decode("ascii")
        elif kind in (0x20, 0x21):
            contexts.append(_context(data))
        elif kind == 0x50:
            user = tuple(_split(data))
    return Items(version, body[4:36], application_context, tuple(contexts), user)


def _context(data: bytes) -> Context:
    parts = list(_split(data[4:]))
    abstract_syntax = "".join(_uid(uid) for kind, uid in parts if kind == 0x30)
    return Context(data[0], data[2], abstract_syntax, tuple(_uid(uid) for kind, uid in parts if kind == 0x40))


def _uid(data: bytes) -> str:
    return data.decode("ascii").rstrip("\0")


def _split(data: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place < len(data):
        kind, length = struct.unpack_from(">BxH", data, place)
        yield kind, data[place + 4 : place + 4 + length]
        place += 4 + length


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionResetError("connection closed by the peer")
        data += part
    return bytes(data)

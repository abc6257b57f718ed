"""An SCP on a plain socket that writes down what it is proposed, byte for byte, and rejects it (2,3,1).

Shares no code with the gateway.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType

_REJECTED = bytes.fromhex("03000000000400020301")


@dataclass
class Proposal:
    """An A-ASSOCIATE-RQ (PS3.8 9.3.2). ``others`` are the types of user items beyond the three that are named."""

    called_aet: str
    calling_aet: str
    application_context: str = ""
    contexts: list[tuple[int, str, tuple[str, ...]]] = field(default_factory=list)
    maximum_pdu: int = 0
    implementation_class_uid: str = ""
    version_name: str = ""
    others: list[int] = field(default_factory=list)


class ProposalRecorder:
    """Context manager; ``proposals`` in order of arrival, from ``port`` on 127.0.0.1."""

    def __init__(self) -> None:
        self.proposals: list[Proposal] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "ProposalRecorder":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection, contextlib.suppress(OSError, EOFError):
                    connection.settimeout(5)
                    kind, length = struct.unpack(">BxL", _exactly(connection, 6))
                    body = _exactly(connection, length)
                    if kind == 1:
                        self.proposals.append(_parsed(body))
                    connection.sendall(_REJECTED)
                    connection.recv(1)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _parsed(body: bytes) -> Proposal:
    proposal = Proposal(body[4:20].decode().strip(), body[20:36].decode().strip())
    for kind, content in _items(body[68:]):
        if kind == 0x10:
            proposal.application_context = content.decode()
        elif kind == 0x20:
            parts = [(part, text.decode()) for part, text in _items(content[4:])]
            (abstract,) = [text for part, text in parts if part == 0x30]
            proposal.contexts.append((content[0], abstract, tuple(text for part, text in parts if part == 0x40)))
        elif kind == 0x50:
            _user(proposal, content)
    return proposal


def _user(proposal: Proposal, content: bytes) -> None:
    for kind, value in _items(content):
        if kind == 0x51:
            (proposal.maximum_pdu,) = struct.unpack(">L", value)
        elif kind == 0x52:
            proposal.implementation_class_uid = value.decode()
        elif kind == 0x55:
            proposal.version_name = value.decode()
        else:
            proposal.others.append(kind)


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place < len(data):
        kind, length = struct.unpack_from(">BxH", data, place)
        yield kind, data[place + 4 : place + 4 + length]
        place += 4 + length

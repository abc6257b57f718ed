"""A Storage SCU on a plain socket. It shares no code with the gateway, so neither hides the other's mistakes."""

import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.stations.part10 import part10

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
_APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
_IMPLEMENTATION = b"1.2.826.0.1.3680043.10.999"
_LIMIT_SECONDS = 60.0


def item(kind: int, body: bytes) -> bytes:
    """A PDU item or sub-item."""
    return struct.pack(">BxH", kind, len(body)) + body


def associate_request(
    contexts: Sequence[tuple[str, str]],
    *,
    calling_aet: str = "SCANNER1",
    called_aet: str = "GATEWAY",
    maximum_pdu: int = 16384,
    more_user_items: bytes = b"",
) -> bytes:
    """A whole A-ASSOCIATE-RQ with contexts 1, 3, 5 … of one transfer syntax each."""
    body = struct.pack(">H2x16s16s32x", 1, called_aet.encode().ljust(16), calling_aet.encode().ljust(16))
    body += item(0x10, _APPLICATION_CONTEXT)
    for place, (abstract_syntax, transfer_syntax) in enumerate(contexts):
        syntaxes = item(0x30, abstract_syntax.encode()) + item(0x40, transfer_syntax.encode())
        body += item(0x20, struct.pack("B3x", 2 * place + 1) + syntaxes)
    user = item(0x51, struct.pack(">I", maximum_pdu)) + item(0x52, _IMPLEMENTATION) + more_user_items
    body += item(0x50, user)
    return pdu(1, body)


def pdu(kind: int, body: bytes) -> bytes:
    """A whole PDU."""
    return struct.pack(">BxI", kind, len(body)) + body


def data_pdu(context_id: int, flags: int, data: bytes) -> bytes:
    """A P-DATA-TF with one fragment; flags: 1 command, 2 last."""
    return pdu(4, struct.pack(">IBB", len(data) + 2, context_id, flags) + data)


def command_set(elements: dict[int, bytes]) -> bytes:
    """A command set with its group length; values are padded by the caller."""
    body = b"".join(struct.pack("<HHI", 0, element, len(value)) + value for element, value in sorted(elements.items()))
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def number(value: int) -> bytes:
    """A US value."""
    return struct.pack("<H", value)


def uid(value: str) -> bytes:
    """A UI value, padded."""
    return value.encode() + b"\0" * (len(value) % 2)


def store_command(sop_class: str, sop_instance: str, message_id: int) -> bytes:
    """A C-STORE-RQ that announces a data set."""
    return command_set(
        {
            0x0002: uid(sop_class),
            0x0100: number(0x0001),
            0x0110: number(message_id),
            0x0700: number(0),
            0x0800: number(0x0001),
            0x1000: uid(sop_instance),
        }
    )


def echo_command(message_id: int) -> bytes:
    """A C-ECHO-RQ."""
    return command_set(
        {0x0002: uid(VERIFICATION), 0x0100: number(0x0030), 0x0110: number(message_id), 0x0800: number(0x0101)}
    )


class RawSender:
    """One association. Everything that ends it before its time is an OSError."""

    def __init__(
        self,
        port: int,
        calling_aet: str = "SCANNER1",
        called_aet: str = "GATEWAY",
        contexts: Sequence[tuple[str, str]] = (),
        *,
        host: str = "127.0.0.1",
        largest_pdu: int = 65536,
        limit: float = _LIMIT_SECONDS,
        more_user_items: bytes = b"",
        secure: Callable[[socket.socket], socket.socket] | None = None,
    ) -> None:
        """``contexts`` are pairs of SOP class and transfer syntax; one for Verification is added. ``limit``: seconds a
        peer may be silent. ``secure`` wraps the connection in TLS."""
        self._address, self._secure = (host, port), secure
        self._contexts = [*contexts, (VERIFICATION, IMPLICIT_LITTLE_ENDIAN)]
        self._request = associate_request(
            self._contexts, calling_aet=calling_aet, called_aet=called_aet, more_user_items=more_user_items
        )
        self._largest_pdu, self._limit = largest_pdu, limit
        self._chunk = largest_pdu - 6
        self._message_id = 0
        self._accepted: set[int] = set()
        self.largest_sent = 0
        """Length of the longest P-DATA-TF, as its header says."""

    @classmethod
    def from_file(
        cls, port: int, path: Path, calling_aet: str = "SCANNER1", called_aet: str = "GATEWAY"
    ) -> "RawSender":
        """A sender with the one context of a Part 10 file."""
        file = part10(path)
        return cls(port, calling_aet, called_aet, [(file.sop_class, file.transfer_syntax)])

    def calling(self, called_aet: str) -> Self:
        """The same, calling another title."""
        self._request = self._request[:10] + called_aet.encode().ljust(16) + self._request[26:]
        return self

    def __enter__(self) -> Self:
        self.socket = socket.create_connection(self._address, self._limit)
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._secure is not None:
                self.socket = self._secure(self.socket)
            self.socket.sendall(self._request)
            kind, body = self.read_pdu()
            if kind == 3:
                raise ConnectionRefusedError(f"association rejected: {tuple(body[1:4])}")
            self._accept(body[68:])
        except BaseException:
            self.socket.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with self.socket:
            if kind is None:
                self.socket.sendall(pdu(5, b"\0" * 4))
                self.read_pdu()
                self.socket.shutdown(socket.SHUT_WR)

    def store(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax: str, data_set: bytes) -> int:
        """C-STORE; the status. Raises ValueError when the peer has not accepted the context."""
        context_id = self._context_id(sop_class_uid, transfer_syntax)
        self._message_id += 1
        command = store_command(sop_class_uid, sop_instance_uid, self._message_id)
        first, *more = self._data_pdus(context_id, data_set)
        self.socket.sendall(data_pdu(context_id, 3, command) + first)
        for each in more:
            self.socket.sendall(each)
        return self.read_status()

    def echo(self) -> int:
        """C-ECHO; the status."""
        context_id = self._context_id(VERIFICATION, IMPLICIT_LITTLE_ENDIAN)
        self._message_id += 1
        self.socket.sendall(data_pdu(context_id, 3, echo_command(self._message_id)))
        return self.read_status()

    def read_status(self) -> int:
        """The status of the next response, which must belong to the last request."""
        elements = self.read_command()
        if elements.get(0x0120) != number(self._message_id):
            raise AssertionError(f"response to message {elements.get(0x0120)!r}, not to {self._message_id}")
        return int(struct.unpack("<H", elements[0x0900])[0])

    def read_command(self) -> dict[int, bytes]:
        """The next message's command set, by element; only for responses without data set."""
        data = b""
        while True:
            kind, body = self.read_pdu()
            if kind != 4:
                raise ConnectionAbortedError(f"PDU type {kind} instead of a response")
            length, _, flags = struct.unpack_from(">IBB", body)
            data += body[6 : 4 + length]
            if flags & 2:
                return dict(_elements(data))

    def read_pdu(self) -> tuple[int, bytes]:
        """Type and body of the next PDU. ConnectionAbortedError for an A-ABORT, ConnectionResetError at the end."""
        kind, length = struct.unpack(">BxI", self._exactly(6))
        body = self._exactly(length)
        if kind == 7:
            raise ConnectionAbortedError(f"A-ABORT source {body[2]}, reason {body[3]}")
        return kind, body

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise ConnectionResetError("connection closed by the peer")
            data += part
        return bytes(data)

    def _accept(self, items: bytes) -> None:
        offset = 0
        while offset < len(items):
            kind, length = struct.unpack_from(">BxH", items, offset)
            body = items[offset + 4 : offset + 4 + length]
            if kind == 0x21 and body[2] == 0:
                self._accepted.add(body[0])
            elif kind == 0x50:
                (announced,) = struct.unpack_from(">I", body, 4)
                self._chunk = min(self._largest_pdu, announced or self._largest_pdu) - 6
            offset += 4 + length

    def _context_id(self, sop_class: str, transfer_syntax: str) -> int:
        context_id = 2 * self._contexts.index((sop_class, transfer_syntax)) + 1
        if context_id not in self._accepted:
            raise ValueError(f"no presentation context for {sop_class} in {transfer_syntax}")
        return context_id

    def _data_pdus(self, context_id: int, data: bytes) -> Iterator[bytes]:
        for start in range(0, max(len(data), 1), self._chunk):
            last = 2 if start + self._chunk >= len(data) else 0
            fragment = data[start : start + self._chunk]
            self.largest_sent = max(self.largest_sent, len(fragment) + 6)
            yield data_pdu(context_id, last, fragment)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(data):
        _, element, length = struct.unpack_from("<HHI", data, offset)
        yield element, data[offset + 8 : offset + 8 + length]
        offset += 8 + length

"""The acceptor's side of an association on plain sockets: a thread for each connection, everything ended at the end.

It shares no code with the gateway, so neither hides the other's mistakes.
"""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

from tests.stations.messages import Message, read_message
from tests.stations.raw_association import (
    APPLICATION_CONTEXT,
    ASSOCIATE_AC,
    ASSOCIATE_RQ,
    IMPLEMENTATION_CLASS,
    MAXIMUM_LENGTH,
    RELEASE_RP,
    ROLES,
    Context,
    Items,
    read_items,
    read_pdu,
)
from tests.stations.raw_sender import item, pdu

_SILENCE_SECONDS = 120.0


@dataclass
class Served:
    """An association that somebody opened to us."""

    socket: socket.socket
    proposed: Items
    syntaxes: dict[int, str]
    """Transfer syntax of each context that was accepted: the first that was proposed."""
    requests: int = 0
    released: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def calling(self) -> str:
        """Calling AE title."""
        return self.proposed.titles[16:].decode("ascii").strip()

    @property
    def called(self) -> str:
        """Called AE title."""
        return self.proposed.titles[:16].decode("ascii").strip()


class RawAcceptor:
    """Accepts every association, and every role that is proposed; ``serve`` gets each message. A context manager."""

    def __init__(self, port: int = 0) -> None:
        self.associations: list[Served] = []
        """In their order, ended ones too."""
        self.connections = 0
        """TCP connections that came, associations or not."""
        self.closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def __enter__(self) -> "RawAcceptor":
        self.beside(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            still_open, threads = list(self._open), list(self._threads)
        for connection in still_open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive(), f"{thread.name} did not end"

    def beside(self, work: Callable[[], None]) -> None:
        """Run something in a thread that ends before the block does."""
        thread = threading.Thread(target=work, name=f"{type(self).__name__} {self.port}", daemon=True)
        with self._lock:
            self._threads = [each for each in self._threads if each.is_alive()]
            self._threads.append(thread)
            thread.start()

    def admit(self, proposed: Items) -> bytes | None:
        """An A-ASSOCIATE-RJ PDU for who is not wanted; None: come in."""
        return None

    def takes(self, context: Context) -> bool:
        """Whether a proposed context is accepted, with its first transfer syntax."""
        return True

    def serve(self, association: Served, message: Message) -> bool:
        """Handle a message; False ends the connection without a word."""
        raise NotImplementedError

    def _accept(self) -> None:
        with suppress(OSError):
            while not self.closing.is_set():
                connection, _ = self._listener.accept()
                self.connections += 1
                connection.settimeout(_SILENCE_SECONDS)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.beside(lambda connection=connection: self._run(connection))  # type: ignore[misc]

    def _run(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
        try:
            with connection, suppress(OSError):
                self._talk(connection)
        finally:
            with self._lock:
                self._open.discard(connection)

    def _talk(self, connection: socket.socket) -> None:
        kind, body = read_pdu(connection)
        if kind != ASSOCIATE_RQ:
            return
        proposed = read_items(body)
        if (rejection := self.admit(proposed)) is not None:
            connection.sendall(rejection)
            return
        syntaxes = {each.id: each.transfer_syntaxes[0] for each in proposed.contexts if self.takes(each)}
        association = Served(connection, proposed, syntaxes)
        with self._lock:
            self.associations.append(association)
        connection.sendall(_accepted(proposed, syntaxes))
        while (message := read_message(connection)) is not None:
            association.requests += 1
            if not self.serve(association, message):
                return
        association.released = True
        connection.sendall(pdu(RELEASE_RP, bytes(4)))


def _accepted(proposed: Items, syntaxes: dict[int, str]) -> bytes:
    body = struct.pack(">H2x", 1) + proposed.titles + bytes(32) + item(0x10, APPLICATION_CONTEXT.encode())
    for context in proposed.contexts:
        syntax = syntaxes.get(context.id, context.transfer_syntaxes[0])
        result = 0 if context.id in syntaxes else 3
        body += item(0x21, struct.pack("BxBx", context.id, result) + item(0x40, syntax.encode()))
    user = item(MAXIMUM_LENGTH, struct.pack(">I", 65536)) + item(IMPLEMENTATION_CLASS, b"1.2.826.0.1.3680043.10.999")
    user += b"".join(item(ROLES, roles) for kind, roles in proposed.user if kind == ROLES)
    return pdu(ASSOCIATE_AC, body + item(0x50, user))

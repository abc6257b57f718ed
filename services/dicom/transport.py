"""One TCP (or TLS) connection with absolute deadlines and one reused receive buffer. Knows nothing of DICOM."""

import contextlib
import math
import mmap
import os
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from services.dicom.errors import AssociationAborted, PeerGone, PeerTooSlow
from services.dicom.guards import Guards

BUFFER = 256 * 1024
_WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_LONGEST_POLL_SECONDS = 3600.0
WATCH_SECONDS: Final = 1.0
"""How often something else is looked at while the peer is waited for."""


def prepare(sock: socket.socket) -> None:
    """No Nagle delay, dead peers found within a minute by keep-alive (30/10/3) and TCP_USER_TIMEOUT (30 s)."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)


class Transport:
    """``view[start:end]`` are the received bytes not yet used. One thread uses it; only ``stop`` is for others."""

    def __init__(self, sock: socket.socket, guards: Guards) -> None:
        sock.setblocking(False)
        self.guards = guards
        self._socket = sock
        # An anonymous map costs no memory until bytes arrive: silent connections stay small.
        self._memory = mmap.mmap(-1, BUFFER)
        self.view = memoryview(self._memory)
        self.start = self.end = 0
        self.received = self.sent = 0
        self._poll = select.poll()
        self._poll.register(sock.fileno(), select.POLLIN)
        # The end of input would make TLS give up before the last words are written: another descriptor wakes its owner.
        self._alarm = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK) if self.secured else None
        if self._alarm is not None:
            self._poll.register(self._alarm, select.POLLIN)
        self._lock = threading.Lock()
        self._closed = self._stopped = self._writing = False
        self._limit = math.inf

    def fill(self, least: int, deadline: float) -> None:
        """Return when ``least`` bytes lie in the buffer. May move the buffer's contents.

        Raises PeerGone, PeerTooSlow, or AssociationAborted after ``stop``.
        """
        if self.start == self.end:
            self.start = self.end = 0
        elif self.start + least > BUFFER:
            rest = bytes(self.view[self.start : self.end])
            self.view[: len(rest)] = rest
            self.start, self.end = 0, len(rest)
        while self.end - self.start < least:
            while not self.receive():
                self._wait(select.POLLIN, deadline)

    @contextlib.contextmanager
    def until(self, limit: float) -> Iterator[None]:
        """Within the block no wait for input or output goes on after ``limit``, however late its own deadline is."""
        before, self._limit = self._limit, min(limit, self._limit)
        try:
            yield
        finally:
            self._limit = before

    def awaited(self, deadline: float) -> bool:
        """Whether something lies in the buffer by then. Raises PeerGone, or AssociationAborted after ``stop``."""
        try:
            self.fill(1, deadline)
        except PeerTooSlow:
            return False
        return True

    def wait_watching(self, deadline: float, meanwhile: Callable[[], None], every: float = WATCH_SECONDS) -> None:
        """Return when something lies in the buffer; ``meanwhile`` is called ``every`` so often. Raises as ``fill``."""
        while True:
            try:
                return self.fill(1, min(deadline, time.monotonic() + every))
            except PeerTooSlow:
                if time.monotonic() >= min(deadline, self._limit):
                    raise
            meanwhile()

    def receive(self) -> bool:
        """Take what the socket has, without waiting: True if there was something."""
        self._check_stopped()
        try:
            count = self._socket.recv_into(self.view[self.end :])
        except _WOULD_BLOCK:
            return False
        except OSError as error:
            raise self._ended(f"connection lost: {error.strerror or error}") from error
        if not count:
            raise self._ended("connection closed by the peer")
        self.end += count
        self.received += count
        # Delayed ACKs make Nagle senders pause 40 ms per message; the kernel drops this option by itself, so again.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return True

    def send(self, parts: Iterable[bytes | memoryview]) -> None:
        """Write all of it within the write deadline; what the peer sends meanwhile is looked at by ``noticed``."""
        self._check_stopped()
        pending = [memoryview(part) for part in parts]
        size = sum(map(len, pending))
        deadline = time.monotonic() + self.guards.pdu_seconds + size / self.guards.minimum_rate
        if self.secured:
            pending = [memoryview(b"".join(pending))]  # else a header would be a record, and a packet, of its own
        self._writing = True
        while pending:
            try:
                count = self._write(pending)
            except _WOULD_BLOCK:
                self._wait_to_write(deadline)
                continue
            except OSError as error:
                raise self._lost_while_sending(error) from error
            self.sent += count
            pending = _without(pending, count)
        self._writing = False

    def _write(self, pending: list[memoryview]) -> int:
        if self.secured:
            return self._socket.send(pending[0])
        return self._socket.sendmsg(pending)

    @property
    def secured(self) -> bool:
        """The connection is a TLS one."""
        return isinstance(self._socket, ssl.SSLSocket)

    @property
    def certificate(self) -> bytes | None:
        """The peer's certificate in DER; None without TLS, and from a peer that was not asked for one."""
        return self._socket.getpeercert(binary_form=True) if isinstance(self._socket, ssl.SSLSocket) else None

    def noticed(self) -> None:
        """Called by ``notice``; raises if what lies in the buffer means that going on is useless."""

    def notice(self) -> None:
        """Look at what the peer has sent, without waiting."""
        if self.start == self.end:
            self.start = self.end = 0
        if self.end < BUFFER:
            self.receive()
        self.noticed()

    def _wait_to_write(self, deadline: float) -> None:
        watch_input = self.end < BUFFER
        self._wait(select.POLLOUT | (select.POLLIN if watch_input else 0), deadline)
        if watch_input:
            self.notice()

    def _wait(self, events: int, deadline: float) -> None:
        self._poll.modify(self._socket.fileno(), events)
        while (left := min(deadline, self._limit) - time.monotonic()) > 0:
            if self._poll.poll(math.ceil(min(left, _LONGEST_POLL_SECONDS) * 1000)):
                return
        raise PeerTooSlow("deadline passed while waiting for the peer")

    def _lost_while_sending(self, error: OSError) -> Exception:
        """What the peer sent before it reset the connection is worth more than the reset: often an A-ABORT."""
        try:
            self.notice()
        except AssociationAborted as abort:
            return abort
        except PeerGone as gone:
            if isinstance(gone.__cause__, ssl.SSLError):
                return gone  # an alert: our certificate was refused, which in TLS 1.3 is told after the handshake
        return self._ended(f"connection lost while sending: {error}")

    def _check_stopped(self) -> None:
        if self._stopped:
            raise AssociationAborted(0, 0, local=True)

    def _ended(self, text: str) -> Exception:
        return AssociationAborted(0, 0, local=True) if self._stopped else PeerGone(text)

    @property
    def stopped(self) -> bool:
        """``stop`` was called."""
        return self._stopped

    def stop(self) -> None:
        """From any thread: the owner's next or current read or write ends with AssociationAborted(local)."""
        with self._lock:
            self._stopped = True
            if self._closed:
                return
            if self._alarm is not None:
                os.eventfd_write(self._alarm, 1)
                return
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RD)

    def close(self, last_words: bytes = b"") -> None:
        """Send ``last_words``, let the peer read them (linger), close. Never raises, never waits past the linger.

        Closing with unread input resets the connection and the reset can overtake the last words: input is drained.
        A connection in the middle of a write is reset, because nothing sent there would be understood.
        """
        if self._closed:
            return
        if self._alarm is not None:
            self._poll.unregister(self._alarm)
        with contextlib.suppress(OSError, PeerTooSlow):
            if self._writing:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            else:
                self._farewell(last_words)
        with self._lock:
            self._closed = True
            self._socket.close()
            if self._alarm is not None:
                os.close(self._alarm)
        self.view.release()
        with contextlib.suppress(BufferError):  # an exception under way holds a piece of it: it is freed with that
            self._memory.close()

    def _farewell(self, last_words: bytes) -> None:
        deadline = time.monotonic() + self.guards.linger_seconds
        if last_words:
            self._socket.send(last_words)
        if isinstance(self._socket, ssl.SSLSocket):
            with contextlib.suppress(*_WOULD_BLOCK, ssl.SSLError):
                self._socket.unwrap()  # sends close_notify; the peer's is not waited for
        # What an SSLSocket calls shutdown forgets TLS as well.
        socket.socket.shutdown(self._socket, socket.SHUT_WR)
        while self._drained(deadline):
            pass

    def _drained(self, deadline: float) -> bool:
        try:
            return bool(socket.socket.recv_into(self._socket, self.view)) and time.monotonic() < deadline
        except _WOULD_BLOCK:
            self._wait(select.POLLIN, deadline)
            return True


def _without(parts: list[memoryview], count: int) -> list[memoryview]:
    while parts and count >= len(parts[0]):
        count -= len(parts[0])
        del parts[0]
    if count:
        parts[0] = parts[0][count:]
    return parts

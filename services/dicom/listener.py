"""Accepts connections and gives each a thread, within limits; drains without resetting anybody."""

import os
import select
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping

import structlog

from services.dicom import pdu
from services.dicom.acceptor import AcceptancePolicy, Acceptor, AssociationSummary, Outcome, Service
from services.dicom.association import Handler
from services.dicom.contexts import Roles
from services.dicom.guards import Guards
from services.dicom.slots import Slot
from services.dicom.stream import PduStream
from services.dicom.transport import prepare

_log = structlog.get_logger(__name__)
BACKLOG = 256
_PAUSE_WITHOUT_DESCRIPTORS = 0.2
STUCK_SECONDS = 5.0
"""No thread takes that long to start: one whose first breath failed for want of memory is waited for without end."""
_SECONDS_BETWEEN_STRANGERS = 1.0
"""Connections that never sent an A-ASSOCIATE-RQ (scanners, probes) get one log line in this time."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket of our own; port 0 for any, host ``::`` for IPv4 as well. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=host == "::")


def nobody_asks(summary: AssociationSummary) -> None:
    """The default for ``ended``."""


class Listener:
    """Serves one listening socket, its own or one shared with other processes. ``start`` returns at once."""

    def __init__(
        self,
        sock: socket.socket,
        policy: AcceptancePolicy,
        handlers: Mapping[int, Handler],
        guards: Guards,
        *,
        admit: Callable[[str, str], Slot | None] | None = None,
        secure: Callable[[socket.socket], socket.socket] | None = None,
        ended: Callable[[AssociationSummary], None] = nobody_asks,
        roles: Mapping[str, Roles] | None = None,
        implementation: pdu.Implementation = pdu.OURS,
        extended: Mapping[str, bytes] | None = None,
    ) -> None:
        """``admit`` takes a slot for calling and called AE title, None rejects (2,3,2); without it ``guards`` limit.

        ``secure`` wraps a connection in TLS; it runs in the association's thread within the ARTIM time.

        ``ended`` is called once for every connection that got a thread, in that thread. ``roles`` are what we support
        beyond the default of PS3.7 D.3.3.4, by abstract syntax; ``extended`` likewise, for extended negotiation.
        """
        self._socket, self._guards, self._take_slot, self._secure, self._ended = sock, guards, admit, secure, ended
        self._service = Service(policy, handlers, roles or {}, implementation, extended or {})
        self._changed = threading.Condition()
        self._connections: dict[str, PduStream | None] = {}
        self._addresses: Counter[str] = Counter()
        self._associations: set[str] = set()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._accept_all, name="dicom-listener", daemon=True)
        self._next_stranger = 0.0
        self._starting_since = float("inf")
        self._drained = False
        self.turned_away = 0
        """Connections closed at once because of a cap."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port it listens on."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    @property
    def active(self) -> int:
        """Associations established at this moment."""
        return len(self._associations)

    @property
    def connections(self) -> int:
        """Connections that have a thread at this moment."""
        return len(self._connections)

    @property
    def stuck(self) -> bool:
        """Whether it accepts nothing more though nobody told it to stop: the process has to be started again."""
        late = time.monotonic() - self._starting_since > STUCK_SECONDS
        return not self._drained and (late or not self._thread.is_alive())

    def start(self) -> None:
        """Begin to accept."""
        self._socket.setblocking(False)
        self._thread.start()

    def drain(self, seconds: float) -> bool:
        """Stop accepting, let associations end for so long, abort the others. True if none had to be aborted.

        Connections that wait in the backlog of a shared socket stay there for the other processes. Idempotent.
        """
        if self._drained:
            return True
        self._drained = True
        os.eventfd_write(self._wake, 1)
        self._thread.join(STUCK_SECONDS)
        self._socket.close()
        os.close(self._wake)
        limit = time.monotonic() + seconds
        with self._changed:
            clean = self._changed.wait_for(lambda: not self._connections, max(0.0, limit - time.monotonic()))
            for stream in filter(None, self._connections.values()):
                stream.stop()
            grace = self._guards.pdu_seconds + self._guards.linger_seconds
            if not clean and not self._changed.wait_for(lambda: not self._connections, grace):
                _log.error("listener_threads_left", connections=len(self._connections))
        return clean

    def _accept_all(self) -> None:
        waiter = select.poll()
        waiter.register(self._wake, select.POLLIN)
        waiter.register(self._socket.fileno(), select.POLLIN)
        while self._wake not in (descriptor for descriptor, _ in waiter.poll()):
            try:
                connection, address = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                continue
            except (OSError, MemoryError) as error:
                _log.error("listener_accept_failed", error=str(error))
                self._pause()
                continue
            self._take(connection, str(address[0]).removeprefix("::ffff:"))

    def _pause(self) -> None:
        """Out of descriptors or memory: connections wait in the backlog meanwhile."""
        waiter = select.poll()
        waiter.register(self._wake, select.POLLIN)
        waiter.poll(_PAUSE_WITHOUT_DESCRIPTORS * 1000)

    def _take(self, connection: socket.socket, address: str) -> None:
        identity = uuid.uuid4().hex
        with self._changed:
            waiting = len(self._connections) - len(self._associations)
            full = waiting >= self._guards.maximum_waiting
            if full or self._addresses[address] >= self._guards.maximum_per_address:
                self.turned_away += 1
                connection.close()
                return
            self._connections[identity] = None
            self._addresses[address] += 1
        thread = threading.Thread(
            target=self._serve, args=(connection, address, identity), name=f"association-{identity[:8]}", daemon=True
        )
        self._starting_since = time.monotonic()
        try:
            thread.start()
        except (RuntimeError, MemoryError):
            _log.error("listener_no_thread", peer=address)
            connection.close()
            self._forget(identity, address)
        finally:
            self._starting_since = float("inf")

    def _serve(self, connection: socket.socket, address: str, identity: str) -> None:
        summary = AssociationSummary(identity, address)
        begun = time.monotonic()
        try:
            self._run(connection, summary, begun + self._guards.artim_seconds)
        except OSError as error:
            summary.outcome, summary.detail = Outcome.LOST, str(error)
        except Exception as error:  # noqa: BLE001 - the thread's last resort: nobody above would see it
            summary.outcome, summary.detail = Outcome.LOST, type(error).__name__
            _log.exception("association_crashed", association=identity)
        finally:
            connection.close()
        summary.seconds = time.monotonic() - begun
        self._report(summary)
        self._forget(identity, address)

    def _report(self, summary: AssociationSummary) -> None:
        if summary.calling_aet or time.monotonic() > self._next_stranger:
            if not summary.calling_aet:
                self._next_stranger = time.monotonic() + _SECONDS_BETWEEN_STRANGERS
            _log.info(
                "association_ended", association=summary.id, peer=summary.peer_address, calling=summary.calling_aet,
                called=summary.called_aet, outcome=summary.outcome.value, detail=summary.detail,
            )  # fmt: skip
        try:
            self._ended(summary)
        except Exception:  # noqa: BLE001 - a fault in bookkeeping must not keep the connection on the books
            _log.exception("association_report_failed", association=summary.id)

    def _run(self, connection: socket.socket, summary: AssociationSummary, request_by: float) -> None:
        prepare(connection)
        if self._secure is not None:
            connection.settimeout(self._guards.artim_seconds)
            connection = self._secure(connection)
        stream = PduStream(connection, self._guards)
        held: list[Slot] = []
        acceptor = Acceptor(stream, self._service, summary)
        try:
            self._connections[summary.id] = stream
            acceptor.serve(lambda: self._admit(summary, held), request_by)
        finally:
            for slot in held:
                slot.release()
            with self._changed:
                self._associations.discard(summary.id)
            stream.close(acceptor.farewell)
            summary.received_bytes, summary.sent_bytes = stream.received, stream.sent

    def _admit(self, summary: AssociationSummary, held: list[Slot]) -> bool:
        with self._changed:
            if self._take_slot is not None:
                slot = self._take_slot(summary.calling_aet, summary.called_aet)
                if slot is None:
                    return False
                held.append(slot)
            elif len(self._associations) >= self._guards.maximum_associations:
                return False
            self._associations.add(summary.id)
        return True

    def _forget(self, identity: str, address: str) -> None:
        with self._changed:
            del self._connections[identity]
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]
            self._changed.notify_all()

    def __enter__(self) -> "Listener":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.drain(0)

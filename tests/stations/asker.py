"""A modality on plain sockets that asks for commitment, and hears the reports on either kind of association.

It shares no code with the gateway, so neither hides the other's mistakes (PS3.4 annex J).
"""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.stations.messages import (
    COMMAND,
    COMMITMENT,
    COMMITMENT_INSTANCE,
    EVENT_TYPE,
    N_ACTION,
    N_EVENT_REPORT,
    RESPONSE,
    STATUS,
    Failure,
    Message,
    Reference,
    action,
    failures,
    information,
    parsed,
    read_message,
    references,
    respond,
    send_message,
)
from tests.stations.raw_acceptor import RawAcceptor, Served
from tests.stations.raw_association import ROLES, associated
from tests.stations.raw_sender import IMPLICIT_LITTLE_ENDIAN, number, pdu
from tests.waiting import until


@dataclass(frozen=True)
class Heard:
    """An N-EVENT-REPORT that came."""

    transaction_uid: str
    event_type: int
    committed: tuple[Reference, ...]
    failed: tuple[Failure, ...]
    at: float
    """time.monotonic()"""
    association: Served | None = None
    """None: it came on the association of the request."""

    @property
    def role(self) -> tuple[int, int] | None:
        """SCU and SCP role as the gateway proposed them; None without a role item."""
        items = [body for kind, body in self.association.proposed.user if kind == ROLES] if self.association else []
        return (items[0][-2], items[0][-1]) if items else None


def heard(message: Message, syntax: str, association: Served | None = None) -> Heard:
    """Read a report."""
    data_set = parsed(message.data, syntax)
    return Heard(
        str(data_set.TransactionUID),
        message.number(EVENT_TYPE),
        references(data_set),
        failures(data_set),
        time.monotonic(),
        association,
    )


@dataclass(frozen=True)
class Answered:
    """An N-ACTION response."""

    status: int
    elements: dict[int, bytes] = field(repr=False)


class Asking:
    """An association to ask on; a context manager that releases it. ``reports`` are those that came on it."""

    def __init__(
        self,
        port: int,
        calling: str = "SCANNER1",
        called: str = "GATEWAY",
        syntaxes: Sequence[str] = (IMPLICIT_LITTLE_ENDIAN,),
    ) -> None:
        self._opening = associated(port, [(COMMITMENT, tuple(syntaxes))], calling=calling, called=called)
        self._message_ids = itertools.count(1)
        self.reports: list[Heard] = []

    def __enter__(self) -> Self:
        self.socket, self.answer = self._opening.__enter__()
        self.syntax = self.answer.accepted.get(1, IMPLICIT_LITTLE_ENDIAN)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if kind is None:
                self.socket.sendall(pdu(5, bytes(4)))
                self.socket.recv(10)
        finally:
            self._opening.__exit__(kind, error, None)

    def ask(
        self,
        transaction_uid: str | None,
        wanted: Sequence[Reference],
        *,
        action_type: int = 1,
        sop_class: str = COMMITMENT,
        sop_instance: str = COMMITMENT_INSTANCE,
        data: bytes | None = None,
    ) -> Answered:
        """N-ACTION; its answer. ``data`` replaces the action information."""
        command = action(next(self._message_ids), action_type, sop_class, sop_instance)
        content = information(transaction_uid, wanted, syntax=self.syntax) if data is None else data
        send_message(self.socket, 1, command, content)
        answer = read_message(self.socket)
        assert answer is not None, "the gateway released the association instead of answering"
        assert answer.number(COMMAND) == N_ACTION | RESPONSE
        return Answered(answer.number(STATUS), answer.command)

    def report(self, limit: float = 10, status: int = 0) -> Heard:
        """The report that comes on this association, answered. Raises TimeoutError when none comes."""
        self.socket.settimeout(limit)
        message = read_message(self.socket)
        assert message is not None, "the gateway released the association instead of reporting"
        assert message.number(COMMAND) == N_EVENT_REPORT
        found = heard(message, self.syntax)
        respond(self.socket, message, status, e1002=number(found.event_type))
        self.reports.append(found)
        return found


class Hearing(RawAcceptor):
    """Where reports on new associations come in. ``status`` answers them; None: never."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.status: int | None = 0
        self.reports: list[Heard] = []

    def __enter__(self) -> "Hearing":
        super().__enter__()
        return self

    def serve(self, association: Served, message: Message) -> bool:
        """A report."""
        if message.number(COMMAND) != N_EVENT_REPORT:
            return False
        found = heard(message, association.syntaxes[message.context], association)
        self.reports.append(found)
        if self.status is not None:
            respond(association.socket, message, self.status, e1002=number(found.event_type))
        return True

    def of(self, transaction_uid: str) -> list[Heard]:
        """Every report about a transaction so far."""
        return [each for each in self.reports if each.transaction_uid == transaction_uid]

    def report(self, transaction_uid: str, limit: float = 30) -> Heard:
        """The first report about a transaction, waited for."""
        until(lambda: self.of(transaction_uid), limit=limit, what=f"a report about {transaction_uid}")
        return self.of(transaction_uid)[0]

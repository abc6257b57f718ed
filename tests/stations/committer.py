"""A commit server on plain sockets: stores, is asked for commitment and reports, all of it as a script says.

It keeps a journal: what it was asked, what it reported, how each report was answered. It shares no code with the
gateway, so neither hides the other's mistakes (PS3.4 annex J).
"""

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal

from tests.stations.messages import (
    ACTION_TYPE,
    AFFECTED_INSTANCE,
    C_ECHO,
    C_STORE,
    COMMAND,
    COMMITMENT,
    N_ACTION,
    N_EVENT_REPORT,
    REQUESTED_CLASS,
    REQUESTED_INSTANCE,
    RESPONSE,
    STATUS,
    Failure,
    Message,
    Reference,
    event_report,
    information,
    parsed,
    read_message,
    references,
    respond,
    send_message,
)
from tests.stations.raw_acceptor import RawAcceptor, Served
from tests.stations.raw_association import ASSOCIATE_RJ, RELEASE_RP, Items, Rejected, associated, role_item
from tests.stations.raw_sender import IMPLICIT_LITTLE_ENDIAN, pdu
from tests.waiting import until

PROCESSING_FAILURE, NO_SUCH_OBJECT, CLASS_CONFLICT = 0x0110, 0x0112, 0x0119
CLASS_NOT_SUPPORTED, DUPLICATE_TRANSACTION, RESOURCE_LIMITATION = 0x0122, 0x0131, 0x0213
FAILURE_REASONS: Final = {
    PROCESSING_FAILURE: "Processing failure",
    NO_SUCH_OBJECT: "No such object instance",
    RESOURCE_LIMITATION: "Resource limitation",
    CLASS_NOT_SUPPORTED: "Referenced SOP Class not supported",
    CLASS_CONFLICT: "Class / Instance conflict",
    DUPLICATE_TRANSACTION: "Duplicate transaction UID",
}
"""PS3.3 C.14.1.1; the six of R136."""

Drop = Literal["", "before answering", "after answering"]


@dataclass(frozen=True)
class Asked:
    """An N-ACTION that came whole."""

    transaction_uid: str
    references: tuple[Reference, ...]
    action_type: int
    sop_class: str
    sop_instance: str
    elements: frozenset[str]
    """Tags of the action information, those of its items too."""
    association: Served
    context: int
    at: float
    """time.monotonic()"""

    @property
    def instances(self) -> tuple[str, ...]:
        """SOP Instance UIDs."""
        return tuple(instance for _, instance in self.references)


@dataclass(frozen=True)
class Verdict:
    """What a report says. ``event_type`` None: 1 without failures, 2 with them."""

    committed: Sequence[Reference] = ()
    failed: Sequence[Failure] = ()
    event_type: int | None = None
    transaction_uid: str = ""
    """"": that of the request."""


@dataclass(frozen=True)
class Told:
    """A report and its answer: ``status`` None where none came, ``fault`` says why."""

    verdict: Verdict
    transaction_uid: str
    calling: str
    same_association: bool
    status: int | None = None
    answer: dict[int, bytes] = field(default_factory=dict)
    fault: str = ""


def everything(asked: Asked) -> Verdict:
    """All that was asked is committed."""
    return Verdict(committed=asked.references)


def failing(reason: int, *instances: str) -> Callable[[Asked], Verdict]:
    """These instances (none: all) failed with that reason, the others are committed."""

    def of(asked: Asked) -> Verdict:
        bad = [each for each in asked.references if not instances or each[1] in instances]
        good = [each for each in asked.references if each not in bad]
        return Verdict(good, [(sop_class, instance, reason) for sop_class, instance in bad])

    return of


def part(start: int | None, stop: int | None) -> Callable[[Asked], Verdict]:
    """Only this slice of what was asked is named, as committed."""
    return lambda asked: Verdict(committed=asked.references[start:stop])


@dataclass(frozen=True)
class Report:
    """One report of a script. Those on a new association follow one another in the order of the script."""

    says: Callable[[Asked], Verdict] = everything
    way: Literal["new", "same", "before the answer"] = "new"
    after: float = 0.0
    """Seconds, from the answer or the report before it."""
    calling: str = ""
    """The AE title it comes from; "": its own."""
    role: bool = True
    """Whether a new association proposes the SCP role (PS3.7 D.3.3.4)."""
    times: int = 1


@dataclass(frozen=True)
class Script:
    """What is done with a request. ``status`` None: it is never answered, the association stays open."""

    status: int | None = 0
    drop: Drop = ""
    reports: Sequence[Report] = (Report(),)


SILENT: Final = Script(reports=())
"""Accepts and says nothing of its own accord: the test calls ``report``."""


class Committer(RawAcceptor):
    """``script`` may be changed at any time, and may be a function of the request. A context manager."""

    def __init__(
        self,
        gateway_port: int = 0,
        title: str = "ARCHIVE1",
        gateway: str = "GATEWAY",
        script: Script | Callable[[Asked], Script] = SILENT,
        *,
        port: int = 0,
    ) -> None:
        super().__init__(port)
        self.title, self.gateway, self.gateway_port, self.script = title, gateway, gateway_port, script
        self.asked: list[Asked] = []
        self.told: list[Told] = []
        self.stored: dict[str, list[str]] = {}
        """SHA-256 (hex) of the data sets it got by SOP Instance UID."""
        self.store_status = 0
        self.rejection: tuple[int, int, int] | None = None
        """Result, source and reason for everybody who associates."""
        self._message_id = 0
        self._journal = threading.Lock()

    def __enter__(self) -> "Committer":
        super().__enter__()
        return self

    def admit(self, proposed: Items) -> bytes | None:
        """Rejects everybody where it is so told."""
        return None if self.rejection is None else pdu(ASSOCIATE_RJ, bytes((0, *self.rejection)))

    # ------------------------------------------------------------------------------------- what is asked

    def serve(self, association: Served, message: Message) -> bool:
        """Verification, storage and commitment."""
        kind = message.number(COMMAND)
        if kind == N_ACTION:
            return self._act(association, message)
        if kind == C_STORE:
            digest = hashlib.sha256(message.data).hexdigest()
            with self._journal:
                self.stored.setdefault(message.text(AFFECTED_INSTANCE), []).append(digest)
            respond(association.socket, message, self.store_status)
        elif kind == C_ECHO:
            respond(association.socket, message, 0)
        return kind in (C_STORE, C_ECHO)

    def request(self, number: int = 0, *, limit: float = 30) -> Asked:
        """The N-ACTION of that place in the journal, waited for."""
        until(lambda: len(self.asked) > number, limit=limit, what=f"N-ACTION {number + 1} at {self.title}")
        return self.asked[number]

    def _act(self, association: Served, message: Message) -> bool:
        asked = _asked(association, message)
        with self._journal:
            self.asked.append(asked)
        script = self.script(asked) if callable(self.script) else self.script
        early = [each for each in script.reports if each.way == "before the answer"]
        for report in early:
            self._tell_here(asked, report)
        if script.drop == "before answering":
            association.socket.shutdown(socket.SHUT_RDWR)
        elif script.status is not None:
            respond(association.socket, message, script.status)
        for report in (each for each in script.reports if each.way == "same"):
            self._tell_here(asked, report)
        if later := [each for each in script.reports if each.way == "new"]:
            self.beside(lambda: self._tell_later(asked, later))
        return not script.drop

    # ---------------------------------------------------------------------------------- what is reported

    def report(
        self, verdict: Verdict, *, to: Asked | None = None, calling: str = "", role: bool = True, limit: float = 0.0
    ) -> Told:
        """Report on a new association, again and again for ``limit`` seconds until it is answered 0000.

        ``to`` gives the Transaction UID where the verdict has none of its own. What came of it is returned.
        """
        transaction_uid = verdict.transaction_uid or (to.transaction_uid if to else "")
        deadline = time.monotonic() + limit
        while True:
            told = self._told(Told(verdict, transaction_uid, calling or self.title, False), role)
            if told.status == 0 or time.monotonic() > deadline or self.closing.wait(0.2):
                return told

    def _tell_later(self, asked: Asked, reports: Sequence[Report]) -> None:
        for report in reports:
            if self.closing.wait(report.after):
                return
            for _ in range(report.times):
                self.report(report.says(asked), to=asked, calling=report.calling, role=report.role)

    def _tell_here(self, asked: Asked, report: Report) -> None:
        """On the association of the request, which the caller reads. Nobody answers who has left."""
        if self.closing.wait(report.after):
            return
        verdict = report.says(asked)
        told = Told(verdict, verdict.transaction_uid or asked.transaction_uid, self.title, True)
        for _ in range(report.times):
            connection, syntax = asked.association.socket, asked.association.syntaxes[asked.context]
            self._note(self._exchange(told, connection, asked.context, syntax))

    def _told(self, told: Told, role: bool) -> Told:
        """On a new association."""
        roles = role_item(COMMITMENT, scu=False, scp=True) if role else b""
        try:
            with associated(
                self.gateway_port,
                [(COMMITMENT, (IMPLICIT_LITTLE_ENDIAN,))],
                calling=told.calling,
                called=self.gateway,
                more_user_items=roles,
            ) as (connection, answer):
                if 1 not in answer.accepted:
                    return self._note(Told(told.verdict, told.transaction_uid, told.calling, False, fault="no context"))
                told = self._note(self._exchange(told, connection, 1, IMPLICIT_LITTLE_ENDIAN))
                with suppress(OSError):
                    connection.sendall(pdu(5, bytes(4)))
                    connection.recv(10)
                return told
        except (OSError, Rejected) as fault:
            return self._note(
                Told(told.verdict, told.transaction_uid, told.calling, False, fault=f"{type(fault).__name__}: {fault}")
            )

    def _exchange(self, told: Told, connection: socket.socket, context: int, syntax: str) -> Told:
        verdict = told.verdict
        event_type = verdict.event_type or (2 if verdict.failed else 1)
        with self._journal:
            self._message_id = self._message_id % 0xFFFF + 1
            command = event_report(self._message_id, event_type)
        data = information(told.transaction_uid, verdict.committed, verdict.failed, syntax)
        try:
            send_message(connection, context, command, data)
            answer = read_message(connection)
            if answer is None:
                connection.sendall(pdu(RELEASE_RP, bytes(4)))
                raise ConnectionAbortedError("A-RELEASE-RQ instead of an answer")
        except OSError as fault:
            return Told(verdict, told.transaction_uid, told.calling, told.same_association, fault=str(fault))
        assert answer.number(COMMAND) == N_EVENT_REPORT | RESPONSE
        return Told(
            verdict,
            told.transaction_uid,
            told.calling,
            told.same_association,
            answer.number(STATUS),
            answer.command,
        )

    def _note(self, told: Told) -> Told:
        with self._journal:
            self.told.append(told)
        return told


def _asked(association: Served, message: Message) -> Asked:
    data_set = parsed(message.data, association.syntaxes[message.context])
    tags = {str(element.tag) for element in data_set.iterall()}
    return Asked(
        str(data_set.get("TransactionUID", "")),
        references(data_set),
        message.number(ACTION_TYPE),
        message.text(REQUESTED_CLASS),
        message.text(REQUESTED_INSTANCE),
        frozenset(tags),
        association,
        message.context,
        time.monotonic(),
    )

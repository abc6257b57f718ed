"""A Query/Retrieve SCP on plain sockets that answers what the test says: matches, numbers of sub-operations, statuses.

It shares no code with the gateway, so neither hides the other's mistakes (PS3.4 C.4).
"""

import select
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from tests.stations.messages import (
    C_ECHO,
    COMMAND,
    MESSAGE_ID,
    RESPONDED_ID,
    RESPONSE,
    STATUS,
    Message,
    parsed,
    read_message,
    respond,
    send_message,
)
from tests.stations.raw_acceptor import RawAcceptor, Served
from tests.stations.raw_association import Context
from tests.stations.raw_sender import IMPLICIT_LITTLE_ENDIAN, number

C_FIND, C_MOVE, C_CANCEL = 0x0020, 0x0021, 0x0FFF
FIND_STUDY_ROOT, MOVE_STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.2"
MATCH, CANCELED = 0xFF00, 0xFE00
NUMBERS = (0x1020, 0x1021, 0x1022, 0x1023)
"""Remaining, completed, failed, warning sub-operations."""


@dataclass
class Asked:
    """A C-FIND or C-MOVE under way, as the test's script sees it."""

    association: Served
    message: Message
    canceled: threading.Event = field(default_factory=threading.Event)

    @property
    def syntax(self) -> str:
        """Transfer syntax of its context."""
        return self.association.syntaxes[self.message.context]

    @property
    def identifier(self) -> Dataset:
        """What is asked."""
        return parsed(self.message.data, self.syntax)

    @property
    def destination(self) -> str:
        """Move Destination of a C-MOVE."""
        return self.message.text(0x0600)

    def pending(self, *numbers: int, data: bytes = b"", status: int = MATCH) -> None:
        """A Pending response: with numbers of sub-operations, or with an identifier."""
        command = {
            COMMAND: number(self.message.number(COMMAND) | RESPONSE),
            RESPONDED_ID: self.message.command[MESSAGE_ID],
            STATUS: number(status),
            **dict(zip(NUMBERS, map(number, numbers), strict=False)),
        }
        send_message(self.association.socket, self.message.context, command, data)

    def matches(self, *identifiers: Dataset) -> None:
        """A Pending response with each."""
        for identifier in identifiers:
            self.pending(data=encoded(identifier, self.syntax))

    def look_for_cancel(self, seconds: float = 0.0) -> bool:
        """Whether a C-CANCEL for this request came by then."""
        if not self.canceled.is_set() and select.select([self.association.socket], [], [], seconds)[0]:
            message = read_message(self.association.socket)
            assert message is not None
            assert message.number(COMMAND) == C_CANCEL
            assert message.command[RESPONDED_ID] == self.message.command[MESSAGE_ID]
            self.canceled.set()
        return self.canceled.is_set()


Script = Callable[[Asked], int | None]
"""Answers with Pending responses as it likes; the last status, or None to end the connection without a word."""


def nothing(_: Asked) -> int:
    """No match, nothing to move."""
    return 0


class Archive(RawAcceptor):
    """A context manager. ``finding`` and ``moving`` are scripts; contexts of the classes it ``lacks`` are refused."""

    def __init__(self, port: int = 0, *, lacks: Collection[str] = ()) -> None:
        super().__init__(port)
        self._lacks = lacks
        self.echo_status = 0
        self.finding: Script = nothing
        self.moving: Script = nothing
        self.last: dict[str, bytes] = {}
        """Elements of the last response to a C-MOVE by name: ``e1022=…``."""
        self.comment = ""
        self.asked: list[Asked] = []
        """Every C-FIND and C-MOVE."""
        self.echoes = 0

    def __enter__(self) -> "Archive":
        super().__enter__()
        return self

    def takes(self, context: Context) -> bool:
        """All but the classes it lacks."""
        return context.abstract_syntax not in self._lacks

    def serve(self, association: Served, message: Message) -> bool:
        """C-ECHO, C-FIND, C-MOVE; a C-CANCEL that comes too late is passed over."""
        command = message.number(COMMAND)
        if command == C_ECHO:
            self.echoes += 1
            respond(association.socket, message, self.echo_status)
            return True
        if command == C_CANCEL:
            return True
        asked = Asked(association, message)
        self.asked.append(asked)
        status = (self.finding if command == C_FIND else self.moving)(asked)
        if status is None:
            return False
        more = dict(self.last) if command == C_MOVE else {}
        if self.comment:
            more["e0902"] = self.comment.encode() + b" " * (len(self.comment) % 2)
        respond(association.socket, message, status, **more)
        return True

    def of(self, level: str) -> list[Asked]:
        """What was asked at a level."""
        return [each for each in self.asked if each.identifier.QueryRetrieveLevel == level]


def encoded(data_set: Dataset, syntax: str) -> bytes:
    """A data set in one of the little endian transfer syntaxes."""
    target = DicomBytesIO()
    target.is_implicit_VR, target.is_little_endian = syntax == IMPLICIT_LITTLE_ENDIAN, True
    write_dataset(target, data_set)
    return target.getvalue()


def study(uid: str, **values: str) -> Dataset:
    """A match at STUDY level, by keywords."""
    return match("STUDY", StudyInstanceUID=uid, **values)


def match(level: str, **values: str) -> Dataset:
    """A match, by keywords."""
    found = Dataset()
    found.QueryRetrieveLevel = level
    for keyword, value in values.items():
        setattr(found, keyword, value)
    return found


def matching(*found: Dataset, status: int = 0) -> Script:
    """A script that answers with these."""

    def script(asked: Asked) -> int:
        asked.matches(*found)
        return status

    return script


def moving(total: int, status: int = 0, *, failed: int = 0) -> Script:
    """A script that counts ``total`` sub-operations up, the last ``failed`` of which fail."""

    def script(asked: Asked) -> int:
        for done in range(1, total):
            asked.pending(total - done, min(done, total - failed), max(0, done - total + failed), 0)
        return status

    return script

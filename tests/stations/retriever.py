"""A Retrieve SCU on a plain socket: C-MOVE and C-GET with every response seen, and the instances a C-GET brings."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from tests.stations.finder import IMPLICIT, Finder, identifier
from tests.stations.raw_sender import RawSender, command_set, data_pdu, item, number, uid

PATIENT_ROOT, STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.1.", "1.2.840.10008.5.1.4.1.2.2."
MOVE, GET, FIND = "2", "3", "1"
SUCCESS, PENDING, CANCELLED, SOME_FAILED = 0x0000, 0xFF00, 0xFE00, 0xB000
CANNOT_COUNT, CANNOT_PERFORM, UNKNOWN_DESTINATION, MISMATCH, UNABLE = 0xA701, 0xA702, 0xA801, 0xA900, 0xC000

__all__ = ["Answer", "Finder", "Retriever", "identifier"]


@dataclass(frozen=True)
class Answer:
    """One C-MOVE or C-GET response; numbers that are not in it are None."""

    status: int
    remaining: int | None
    completed: int | None
    failed: int | None
    warned: int | None
    comment: str
    failed_uids: tuple[str, ...] = ()

    @property
    def numbers(self) -> tuple[int | None, ...]:
        """Remaining, completed, failed, warned."""
        return self.remaining, self.completed, self.failed, self.warned


@dataclass
class Got:
    """What a C-GET stored: transfer syntax and data set by SOP Instance UID."""

    instances: dict[str, tuple[str, bytes]] = field(default_factory=dict)


class Retriever(RawSender):
    """One association with both models of C-MOVE and C-GET. ``storage`` are classes with their transfer syntaxes, each
    pair a context of its own, of which it takes the SCP role."""

    def __init__(
        self, port: int, calling_aet: str = "SCANNER1", *, storage: Sequence[tuple[str, str]] = (), limit: float = 60
    ) -> None:
        models = [(root + operation, IMPLICIT) for root in (PATIENT_ROOT, STUDY_ROOT) for operation in (MOVE, GET)]
        classes = dict.fromkeys(sop_class.encode() for sop_class, _ in storage)
        roles = b"".join(item(0x54, struct.pack(">H", len(each)) + each + b"\0\1") for each in classes)
        super().__init__(port, calling_aet, contexts=[*models, *storage], limit=limit, more_user_items=roles)
        self.storage_status = SUCCESS
        self.got = Got()
        self.answers: list[Answer] = []
        self._left = False

    def ask(
        self, data: bytes, root: str = STUDY_ROOT, *, operation: str = MOVE, to: str = "", sop_class: str = ""
    ) -> None:
        """Send the request and wait for nothing."""
        self._message_id += 1
        elements = {
            0x0002: uid(sop_class or root + operation),
            0x0100: number(0x0021 if operation == MOVE else 0x0010),
            0x0110: number(self._message_id),
            0x0700: number(0),
            0x0800: number(1 if data else 0x0101),
        }
        if operation == MOVE:
            elements[0x0600] = to.encode() + b" " * (len(to) % 2)
        self.asked = self._context_id(root + operation, IMPLICIT)
        data_pdus = b"".join(self._data_pdus(self.asked, data)) if data else b""
        self.socket.sendall(data_pdu(self.asked, 3, command_set(elements)) + data_pdus)

    def cancel(self) -> None:
        """Send a C-CANCEL for the last request."""
        command = command_set({0x0100: number(0x0FFF), 0x0120: number(self._message_id), 0x0800: number(0x0101)})
        self.socket.sendall(data_pdu(self.asked, 3, command))

    def leave(self) -> None:
        """Close the connection without a word."""
        self.socket.close()
        self._left = True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if not self._left:
            super().__exit__(kind, error, _)

    def next(self) -> Answer:
        """The next response; instances that come before it are stored and answered."""
        while True:
            context, command = self._command()
            data = self._data_set() if command[0x0800] != number(0x0101) else b""
            if command[0x0100] != number(0x0001):
                answer = _answer(command, data)
                self.answers.append(answer)
                return answer
            self._stored(context, command, data)

    def retrieve(self, keys: Mapping[int, bytes | str], level: str, **how: str) -> list[Answer]:
        """Ask, and every response up to the last one."""
        self.ask(identifier(level, keys), **how)
        answers = [self.next()]
        while answers[-1].status == PENDING:
            answers.append(self.next())
        return answers

    def _stored(self, context: int, command: dict[int, bytes], data: bytes) -> None:
        name = command[0x1000].rstrip(b"\0").decode()
        self.got.instances[name] = self._contexts[(context - 1) // 2][1], data
        answer = command_set(
            {
                0x0002: command[0x0002],
                0x0100: number(0x8001),
                0x0120: command[0x0110],
                0x0800: number(0x0101),
                0x0900: number(self.storage_status),
                0x1000: command[0x1000],
            }
        )
        self.socket.sendall(data_pdu(context, 3, answer))

    def _command(self) -> tuple[int, dict[int, bytes]]:
        """Context and command set. Its last fragment may be followed by data in the same PDU: kept for _data_set."""
        data, last = b"", False
        while not last:
            context, flags, fragment = self._fragment()
            assert flags & 1
            data, last = data + fragment, bool(flags & 2)
        elements, offset = {}, 0
        while offset < len(data):
            _, element, length = struct.unpack_from("<HHI", data, offset)
            elements[element] = data[offset + 8 : offset + 8 + length]
            offset += 8 + length
        return context, elements

    def _data_set(self) -> bytes:
        parts, last = [], False
        while not last:
            _, flags, fragment = self._fragment()
            assert not flags & 1
            parts.append(fragment)
            last = bool(flags & 2)
        return b"".join(parts)

    _rest = b""

    def _fragment(self) -> tuple[int, int, bytes]:
        if not self._rest:
            kind, self._rest = self.read_pdu()
            if kind != 4:
                raise ConnectionAbortedError(f"PDU type {kind} instead of a response")
        length, context, flags = struct.unpack_from(">IBB", self._rest)
        fragment, self._rest = self._rest[6 : 4 + length], self._rest[4 + length :]
        return context, flags, fragment


def _answer(command: dict[int, bytes], data: bytes) -> Answer:
    def value(element: int) -> int | None:
        return int.from_bytes(command[element], "little") if element in command else None

    failed = data[8:].rstrip(b"\0").decode().split("\\") if data else []
    assert not data or data[:4] == b"\x08\x00\x58\x00"
    return Answer(
        value(0x0900) or 0, value(0x1020), value(0x1021), value(0x1022), value(0x1023),
        command.get(0x0902, b"").decode().strip(), tuple(failed),
    )  # fmt: skip

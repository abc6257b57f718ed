"""PDUs and fragments on a transport: headers judged before a byte of body is kept, data sets passed straight on."""

import os
import time
from typing import Final, Protocol

from services.dicom import pdu
from services.dicom.errors import (
    REASON_INVALID_PARAMETER,
    REASON_UNEXPECTED_PDU,
    REASON_UNRECOGNIZED_PDU,
    AssociationAborted,
    DataSetTooLarge,
    ProtocolViolation,
)
from services.dicom.transport import Transport

_SLACK: Final = 1024
"""Above our announced maximum: some peers count the headers in, some do not."""
_PIECES: Final = 512
"""Fragments gathered for one write; the kernel takes 1024."""
_SHORT: Final = frozenset((pdu.ASSOCIATE_RJ, pdu.RELEASE_RQ, pdu.RELEASE_RP, pdu.ABORT))
_FIXED_PART: Final = 68


class Digest(Protocol):
    """A hashlib object."""

    def update(self, data: memoryview, /) -> None:
        """Take more data."""


class PduStream(Transport):
    """Where we are in the peer's stream: bytes ``remaining`` of the current P-DATA-TF and of the ``fragment`` begun."""

    remaining = 0
    fragment = 0
    context_id = 0
    flags = 0
    data_set_open = False
    """The last command announced a data set whose last fragment has not been read."""
    deadline = 0.0

    def next_pdu(self, wait_until: float, *, all_until: float | None = None) -> int:
        """Type of the next PDU, its body still unread. The first byte must come by ``wait_until``.

        ``all_until`` bounds the whole PDU as well. Raises ProtocolViolation for a type or length that cannot be.
        """
        self.fill(1, wait_until)
        self.deadline = min(time.monotonic() + self.guards.pdu_seconds, all_until or float("inf"))
        self.fill(pdu.PDU_HEADER.size, self.deadline)
        kind, length = self._header()
        self._judge(kind, length)
        self.start += pdu.PDU_HEADER.size
        self.remaining = length
        if all_until is None:
            self.deadline += length / self.guards.minimum_rate
        return kind

    def _header(self) -> tuple[int, int]:
        kind, length = pdu.PDU_HEADER.unpack_from(self.view, self.start)
        return int(kind), int(length)

    def _judge(self, kind: int, length: int) -> None:
        if not pdu.ASSOCIATE_RQ <= kind <= pdu.ABORT:
            raise ProtocolViolation(f"PDU type {kind:02X}", REASON_UNRECOGNIZED_PDU)
        if kind in _SHORT:
            fits = length == 4
        elif kind == pdu.P_DATA:
            fits = pdu.PDV_HEADER.size <= length <= self.guards.maximum_pdu + _SLACK
        else:
            fits = _FIXED_PART <= length <= self.guards.maximum_association_pdu
        if not fits:
            raise ProtocolViolation(f"PDU type {kind:02X} of {length} bytes", REASON_INVALID_PARAMETER)

    def body(self) -> bytes:
        """The rest of the current PDU."""
        self.fill(self.remaining, self.deadline)
        data = bytes(self.view[self.start : self.start + self.remaining])
        self.start += self.remaining
        self.remaining = 0
        return data

    def refuse(self, kind: int) -> None:
        """A PDU that is not expected here: raises AssociationAborted for an A-ABORT, else ProtocolViolation."""
        if kind == pdu.ABORT:
            body = self.body()
            raise AssociationAborted(body[2], body[3])
        raise ProtocolViolation(f"unexpected PDU type {kind:02X}", REASON_UNEXPECTED_PDU)

    def next_fragment(self) -> None:
        """Step to the next PDV of the current PDU and set context_id, flags and fragment."""
        if self.remaining < pdu.PDV_HEADER.size:
            raise ProtocolViolation("P-DATA-TF ends within a fragment header")
        self.fill(pdu.PDV_HEADER.size, self.deadline)
        length, self.context_id, self.flags = pdu.PDV_HEADER.unpack_from(self.view, self.start)
        if length < 2 or length + 4 > self.remaining:
            raise ProtocolViolation(f"fragment of {length} bytes in {self.remaining} bytes of PDU")
        self.start += pdu.PDV_HEADER.size
        self.remaining -= length + 4
        self.fragment = length - 2
        if not self.fragment and not self.flags & pdu.LAST:
            raise ProtocolViolation("empty fragment that is not the last")  # no size limit would end a row of them

    def fragment_bytes(self) -> bytes:
        """The whole current fragment; only for those known to be small."""
        parts = []
        while self.fragment:
            if self.start == self.end:
                self.fill(1, self.deadline)
            parts.append(bytes(self._piece()))
        return b"".join(parts)

    def continue_message(self) -> None:
        """Make sure that the current PDU is a P-DATA-TF with bytes left: the message under way goes on in it."""
        if not self.remaining:
            kind = self.next_pdu(time.monotonic() + self.guards.pause_seconds)
            if kind != pdu.P_DATA:
                self.refuse(kind)

    def next_data_fragment(self, context_id: int) -> None:
        """Step to the next fragment of the data set under way, over PDU borders."""
        self.continue_message()
        self.next_fragment()
        if self.context_id != context_id or self.flags & pdu.COMMAND:
            raise ProtocolViolation("fragment of another message within a data set")

    def copy_data_set(self, context_id: int, descriptor: int | None, digest: Digest | None, limit: int) -> int:
        """Read a data set, or what is left of it, into a file, hashing on the way. Returns the bytes read.

        Between two writes at most the receive buffer is held. ``descriptor`` None: read and forget.
        Raises DataSetTooLarge, OSError of the file, and the errors of the stream.
        """
        total = 0
        pieces: list[memoryview] = []
        while self.data_set_open:
            if not self.fragment:
                if self.end - self.start < pdu.PDU_HEADER.size + pdu.PDV_HEADER.size:
                    _flush(descriptor, pieces)
                self.next_data_fragment(context_id)
                total += self.fragment
                if total > limit:
                    raise DataSetTooLarge(limit)
            while self.fragment:
                if self.start == self.end or len(pieces) >= _PIECES:
                    _flush(descriptor, pieces)
                if self.start == self.end:
                    self.fill(1, self.deadline)
                pieces.append(piece := self._piece())
                if digest is not None:
                    digest.update(piece)
            self.data_set_open = not self.flags & pdu.LAST
        _flush(descriptor, pieces)
        return total

    def _piece(self) -> memoryview:
        size = min(self.fragment, self.end - self.start)
        piece = self.view[self.start : self.start + size]
        self.start += size
        self.fragment -= size
        return piece

    def peek_pdu(self) -> tuple[int, int]:
        """Type and total size of the next PDU if it lies whole in the buffer, else (0, 0). Never waits."""
        available = self.end - self.start
        if self.remaining or self.fragment or available < pdu.PDU_HEADER.size:
            return 0, 0
        kind, length = self._header()
        size = pdu.PDU_HEADER.size + length
        return (kind, size) if size <= available else (0, 0)

    @property
    def pending(self) -> bool:
        """Something lies in the buffer or belongs to a message that is not read to its end."""
        return self.start != self.end or bool(self.remaining) or self.data_set_open

    def noticed(self) -> None:
        """Raises AssociationAborted when an A-ABORT is next in the stream."""
        if self.peek_pdu()[0] == pdu.ABORT:
            self.refuse(self.next_pdu(time.monotonic()))


def _flush(descriptor: int | None, pieces: list[memoryview]) -> None:
    """Write all of it; the kernel may take less than asked for."""
    while pieces and descriptor is not None:
        count = os.writev(descriptor, pieces)
        while pieces and count >= len(pieces[0]):
            count -= len(pieces[0])
            del pieces[0]
        if count:
            pieces[0] = pieces[0][count:]
    pieces.clear()

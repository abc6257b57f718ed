"""The numbers of a retrieval and the status they end with (pure; PS3.4 C.4.2.1.4 to C.4.2.3.1, R21, R104)."""

import struct
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from services.dicom.contexts import EXPLICIT_BIG_ENDIAN, IMPLICIT_LITTLE_ENDIAN
from services.query.retrieve_wish import CANNOT_COUNT, CANNOT_PERFORM

SUCCESS: Final = 0x0000
PENDING: Final = 0xFF00
CANCELLED: Final = 0xFE00
SOME_FAILED: Final = 0xB000

_MOST: Final = 0xFFFF
_LONGEST_UID_LIST: Final = 0xFFFE
"""Bytes: the value of a UI element has a 16 bit length in Explicit VR (PS3.5 7.1.2)."""


class Result(Enum):
    """Of one sub-operation."""

    COMPLETED = "COMPLETED"
    WARNED = "WARNED"
    FAILED = "FAILED"


@dataclass
class Counts:
    """Of all sub-operations so far. The UIDs of failed ones are kept for as many as an answer can name."""

    remaining: int
    completed: int = 0
    failed: int = 0
    warned: int = 0
    failed_uids: list[str] = field(default_factory=list)
    _bytes: int = 0

    def add(self, result: Result, sop_instance_uid: str) -> None:
        """One sub-operation has ended."""
        self.remaining -= 1
        if result is Result.COMPLETED:
            self.completed += 1
        elif result is Result.WARNED:
            self.warned += 1
        else:
            self.failed += 1
            self._keep(sop_instance_uid)

    def _keep(self, uid: str) -> None:
        if self._bytes + len(uid) + 1 <= _LONGEST_UID_LIST:
            self.failed_uids.append(uid)
            self._bytes += len(uid) + 1

    def give_up_rest(self) -> None:
        """What remains is not tried any more and counts as failed; its UIDs come by ``add_failed_uid``."""
        self.failed += self.remaining
        self.remaining = 0

    def add_failed_uid(self, uid: str) -> None:
        """Name one of those given up."""
        self._keep(uid)

    def final_status(self, *, xeleris: bool) -> int:
        """0000 without failure or warning, A702 if none was successful, else B000.

        Nothing matched: DICOM says 0000, the statement A701 (notes A10).
        """
        if self.failed == self.warned == 0:
            return CANNOT_COUNT if xeleris and not self.completed else SUCCESS
        return SOME_FAILED if self.completed or self.warned else CANNOT_PERFORM

    def fields(self, *, remaining: bool) -> dict[str, Any]:
        """The numbers of a response, ``remaining`` in pending and cancelled ones only (PS3.4 C.4.2.1.6)."""
        numbers = {"completed": self.completed, "failed": self.failed, "warned": self.warned}
        if remaining:
            numbers["remaining"] = self.remaining
        return {name: min(number, _MOST) for name, number in numbers.items()}


def failed_list(uids: list[str], transfer_syntax: str) -> bytes | None:
    """The data set with Failed SOP Instance UID List (0008,0058), None when there is nothing to name."""
    if not uids:
        return None
    value = "\\".join(uids).encode("ascii", "replace")
    value += b"\0" * (len(value) % 2)
    if transfer_syntax == IMPLICIT_LITTLE_ENDIAN:
        return struct.pack("<HHL", 0x0008, 0x0058, len(value)) + value
    order = ">" if transfer_syntax == EXPLICIT_BIG_ENDIAN else "<"
    return struct.pack(order + "HH2sH", 0x0008, 0x0058, b"UI", len(value)) + value

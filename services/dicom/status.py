"""DIMSE statuses: their class and their name (PS3.7 annex C, PS3.4 B.2.3, conformance data status_codes)."""

import re
from enum import Enum
from typing import Final

from pynetdicom.status import (
    GENERAL_STATUS,
    QR_FIND_SERVICE_CLASS_STATUS,
    QR_MOVE_SERVICE_CLASS_STATUS,
    STORAGE_SERVICE_CLASS_STATUS,
)

from services.dicom import commands


class StatusClass(Enum):
    """PS3.7 C.1 to C.5."""

    SUCCESS = "success"
    WARNING = "warning"
    PENDING = "pending"
    CANCEL = "cancel"
    FAILURE = "failure"


SUCCESS, WARNING, PENDING = StatusClass.SUCCESS, StatusClass.WARNING, StatusClass.PENDING
CANCEL, FAILURE = StatusClass.CANCEL, StatusClass.FAILURE

OUT_OF_RESOURCES: Final = 0xA700
DATA_SET_MISMATCH: Final = 0xA900
CANNOT_UNDERSTAND: Final = 0xC000
COERCED, DISCARDED, MISMATCH_WARNING = 0xB000, 0xB006, 0xB007
PROCESSING_FAILURE: Final = 0x0110
INVALID_INSTANCE: Final = 0x0117
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
DUPLICATE_INSTANCE: Final = 0x0111
NO_SUCH_INSTANCE, NO_SUCH_EVENT_TYPE, INVALID_ARGUMENT = 0x0112, 0x0113, 0x0115
NO_SUCH_CLASS, NO_SUCH_ACTION, DUPLICATE_TRANSACTION_UID = 0x0118, 0x0123, 0x0131
DUPLICATE_INVOCATION, MISTYPED_ARGUMENT, RESOURCE_LIMITATION = 0x0210, 0x0212, 0x0213
CLASS_INSTANCE_CONFLICT: Final = 0x0119
UNRECOGNIZED_OPERATION: Final = 0x0211
NOT_AUTHORIZED: Final = 0x0124

LONGEST_COMMENT: Final = 64
"""Characters of VR LO (PS3.5 6.2)."""
_PATTERN: Final = re.compile(r"(?=.{4}$)[0-9A-Fa-f]{1,4}[xX]{0,3}")
OTHER_WARNINGS: Final = frozenset((0x0001, 0x0107, 0x0116))
"""Beside Bxxx."""
_PENDING: Final = frozenset((0xFF00, 0xFF01))

STORE_NAMES: Final[dict[int, str]] = {
    0xA700: "Refused: Out of resources",
    0xA710: "Refused: Write to remote database failed",
    0xA720: "Refused: Remote DICOM Toolkit problems",
    0xA730: "Refused: Remote cannot understand received DICOM message",
    0xA740: "Refused: Cannot find Pixel data",
    0xA750: "Refused: remote archive device will not store the data",
    0xA760: "Refused: no default destination set for redirecting PET raw data",
    0xA780: "Refused: sender not defined on the remote station",
    0xA900: "Error: Data set does not match SOP Class",
    0xB000: "Coercion of Data Elements",
    0xB006: "Elements Discarded",
    0xB007: "Data Set does not match SOP Class",
    0xC000: "Error: Cannot understand",
}
"""R47, R48: the private meanings of A710 to A780 are applied whatever vendor sent the code."""

ACTION_NAMES: Final[dict[int, str]] = {
    CLASS_INSTANCE_CONFLICT: "Class-instance conflict",
    DUPLICATE_INVOCATION: "Duplicate invocation",
    INVALID_ARGUMENT: "Invalid argument value",
    INVALID_INSTANCE: "Invalid SOP Instance",
    MISTYPED_ARGUMENT: "Mistyped argument",
    NO_SUCH_ACTION: "No such action",
    NO_SUCH_CLASS: "No such SOP Class",
    NO_SUCH_INSTANCE: "No such SOP Instance",
    PROCESSING_FAILURE: "Processing failure",
}
"""R76, R77: what a commitment server may answer an N-ACTION."""
EVENT_REPORT_NAMES: Final[dict[int, str]] = {
    CLASS_INSTANCE_CONFLICT: "Class-instance conflict",
    NO_SUCH_EVENT_TYPE: "No such event type",
    PROCESSING_FAILURE: "Processing failure",
}
"""R113: what a report is answered."""
FIND_NAMES: Final[dict[int, str]] = {
    0xA700: "Refused: Out of resources",
    0xA900: "Error: Identifier does not match SOP Class",
    0xC000: "Error: Unable to process",
    0xFE00: "Matching terminated due to cancel",
}
"""R62: what a query may end with."""
MOVE_NAMES: Final[dict[int, str]] = {
    0xA701: "Refused: Out of resources - Unable to calculate number of matches",
    0xA702: "Refused: Out of resources - Unable to perform sub-operations",
    0xA801: "Refused: Move Destination Unknown",
    0xA900: "Error: Identifier does not match SOP Class",
    0xB000: "Sub-operations Complete - One or more Failures",
    0xC000: "Error: Unable to process",
    0xFE00: "Sub-operations terminated due to a Cancel indication",
}
"""R70: what a retrieval may end with."""
_NAMES: Final[dict[int, dict[int, str]]] = {
    commands.C_STORE: STORE_NAMES,
    commands.C_FIND: FIND_NAMES,
    commands.C_MOVE: MOVE_NAMES,
    commands.N_ACTION: ACTION_NAMES,
    commands.N_EVENT_REPORT: EVENT_REPORT_NAMES,
}

_OF_SERVICE: Final[dict[int, dict[int, tuple[str, str]]]] = {
    commands.C_STORE: STORAGE_SERVICE_CLASS_STATUS,
    commands.C_FIND: QR_FIND_SERVICE_CLASS_STATUS,
    commands.C_MOVE: QR_MOVE_SERVICE_CLASS_STATUS,
}
"""The standard's, for what the statement does not list."""


def classify(status: int) -> StatusClass:
    """The class of any status of any service."""
    if status == 0:
        return SUCCESS
    if status in _PENDING:
        return PENDING
    if status == 0xFE00:
        return CANCEL
    if status & 0xF000 == 0xB000 or status in OTHER_WARNINGS:
        return WARNING
    return FAILURE


def statuses(pattern: str) -> range:
    """All statuses that four hexadecimal digits name, the last of which may be x: ``0110``, ``A7xx``, ``Cxxx``.

    Raises:
        ValueError: it is no such pattern.
    """
    digits = pattern.strip().upper().rstrip("X")
    if not _PATTERN.fullmatch(pattern.strip()):
        raise ValueError("write four hexadecimal digits, the last ones may be x: 0110, A7xx, Cxxx")
    free = 16 ** (4 - len(digits))
    first = int(digits, 16) * free
    return range(first, first + free)


def told(status: int, comment: str = "") -> str:
    """The answer to a C-STORE in words; ``comment`` is the peer's Error Comment (0000,0902), which may say anything."""
    text = f"status {status:04X} {name(status)}".strip()
    printable = "".join(character if character.isprintable() else " " for character in comment).strip()
    return f"{text}: {printable[:LONGEST_COMMENT]}" if printable else text


def name(status: int, service: int = commands.C_STORE) -> str:
    """Words for people; "" for a plain success, the class for what nobody has defined."""
    if status == 0:
        return ""
    if words := _NAMES.get(service, {}).get(status):
        return words
    for known in (_OF_SERVICE.get(service, {}), GENERAL_STATUS):
        if status in known:
            kind, words = known[status]
            return str(words or kind)
    return f"undefined {classify(status).value}"

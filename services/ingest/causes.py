"""Why a C-STORE is not answered Success: the checks, and the statuses of both profiles as data (pure).

Statuses are those of the statement (R95, status_codes "Store SCP") in profile xeleris and those of PS3.4 B.2.3 and
PS3.7 9.1.1.1.9 in profile gateway; the comments go into (0000,0902) and carry no value. That of TOO_LARGE is never
sent: the association is aborted, since the rest of the data set would have to be read before it could be answered.
"""

import errno
from dataclasses import dataclass
from enum import Enum
from typing import Final

from services.dicom.commands import Command
from services.dicom.facts import Header
from services.dicom.uids import valid_uid
from services.runtime.errors import StoreFailed, StoreFull, Unavailable


class Cause(Enum):
    """What was wrong. The value labels the metric and the log line."""

    STORE_FULL = "store-full"
    SHORT_OF_RESOURCES = "short-of-resources"
    WRITE_FAILED = "write-failed"
    CLOCK_WRONG = "clock-wrong"
    FAULT = "fault"
    NO_DATA_SET = "no-data-set"
    EMPTY = "empty-data-set"
    UNPARSABLE = "unparsable"
    TOO_LARGE = "too-large"
    PIXEL_DATA_MISSING = "pixel-data-missing"
    PIXEL_DATA_SHORT = "pixel-data-short"
    FINDINGS = "findings"
    PET_RAW = "pet-raw-without-destination"
    CLASS_NOT_OF_CONTEXT = "class-not-of-context"
    CLASS_DIFFERS = "class-differs"
    UID_DIFFERS = "uid-differs"
    UID_MISSING = "uid-missing"
    UID_ILLEGAL = "uid-illegal"
    REVISION_REFUSED = "revision-refused"
    REVISION_UNKNOWN = "revision-unknown"


@dataclass(frozen=True)
class Answer:
    """Status and Error Comment (at most 64 characters)."""

    status: int
    comment: str


_TABLE: Final[dict[Cause, tuple[int, int, str]]] = {
    Cause.STORE_FULL: (0xA700, 0xA700, "Out of resources: object store is full"),
    Cause.SHORT_OF_RESOURCES: (0xA700, 0xA700, "Out of resources: memory or descriptors"),
    Cause.CLOCK_WRONG: (0xA700, 0xA700, "Out of resources: clock of the gateway is wrong"),
    Cause.REVISION_UNKNOWN: (0xA700, 0xA700, "Out of resources: cannot tell whether UID is stored"),
    Cause.TOO_LARGE: (0xA700, 0xA700, "Data set is larger than the gateway takes"),
    Cause.WRITE_FAILED: (0xA710, 0xA700, "Out of resources: object could not be written"),
    Cause.FAULT: (0xA720, 0x0110, "Processing failure in the gateway"),
    Cause.NO_DATA_SET: (0xA730, 0xC000, "No data set"),
    Cause.EMPTY: (0xA730, 0xC000, "Empty data set"),
    Cause.UNPARSABLE: (0xA730, 0xC000, "Data set cannot be read or is truncated"),
    Cause.PIXEL_DATA_MISSING: (0xA740, 0xA900, "Pixel data is missing"),
    Cause.PIXEL_DATA_SHORT: (0xA740, 0xA900, "Pixel data is shorter than the image"),
    Cause.PET_RAW: (0xA760, 0xA760, "No destination for PET raw data"),
    Cause.FINDINGS: (0xA900, 0xC000, "Data set does not keep to its IOD"),
    Cause.CLASS_NOT_OF_CONTEXT: (0xA900, 0x0122, "SOP class is not that of the presentation context"),
    Cause.CLASS_DIFFERS: (0xA900, 0xA900, "SOP Class UID differs between command and data set"),
    Cause.UID_DIFFERS: (0xC000, 0xA900, "SOP Instance UID differs between command and data set"),
    Cause.UID_MISSING: (0xC000, 0x0117, "A UID is missing"),
    Cause.UID_ILLEGAL: (0xC000, 0x0117, "A UID is illegal"),
    Cause.REVISION_REFUSED: (0xC000, 0x0111, "SOP Instance UID is stored with other content"),
}
"""Status in profile xeleris, in profile gateway, and the comment of both (R95: C000 where no other row fits)."""

ANSWERS: Final = {
    "xeleris": {cause: Answer(status, comment) for cause, (status, _, comment) in _TABLE.items()},
    "gateway": {cause: Answer(status, comment) for cause, (_, status, comment) in _TABLE.items()},
}
"""By the name of the profile."""

_SHORTAGES: Final = frozenset({errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN})

IDENTIFIERS: Final = {
    "SOP Class UID": "00080016",
    "SOP Instance UID": "00080018",
    "Study Instance UID": "0020000D",
    "Series Instance UID": "0020000E",
}


class Refusal(Exception):
    """Ends the handling of a C-STORE before anything is durable. ``detail`` is for the log: names, never values."""

    def __init__(self, cause: Cause, detail: str = "") -> None:
        super().__init__(f"{cause.value} {detail}".strip())
        self.cause, self.detail = cause, detail


def cause_of(error: Exception) -> Cause:
    """What an error means that is no refusal: short of resources, store full, not written, or a fault of ours."""
    for each in (error, error.__cause__):
        if isinstance(each, MemoryError) or (isinstance(each, OSError) and each.errno in _SHORTAGES):
            return Cause.SHORT_OF_RESOURCES
    if isinstance(error, StoreFull):
        return Cause.STORE_FULL
    return Cause.WRITE_FAILED if isinstance(error, StoreFailed | Unavailable | OSError) else Cause.FAULT


def check_command(command: Command, abstract_syntax: str) -> None:
    """What can be judged before the data set is read. Raises ``Refusal``."""
    if not command.has_data_set:
        raise Refusal(Cause.NO_DATA_SET)
    if command.affected_sop_class_uid != abstract_syntax:
        raise Refusal(Cause.CLASS_NOT_OF_CONTEXT, "Affected SOP Class UID")
    _check_uid("Affected SOP Instance UID", command.affected_sop_instance_uid)


def check_data_set(command: Command, header: Header) -> None:
    """Compare the data set with its command. Raises ``Refusal``."""
    for name, key in IDENTIFIERS.items():
        if len(header.facts["values"].get(key, [])) > 1:
            raise Refusal(Cause.UID_ILLEGAL, f"{name} with several values")
    if not header.sop_class_uid:
        raise Refusal(Cause.UID_MISSING, "SOP Class UID")
    if header.sop_class_uid != command.affected_sop_class_uid:
        raise Refusal(Cause.CLASS_DIFFERS)
    _check_uid("SOP Instance UID", header.sop_instance_uid)
    if header.sop_instance_uid != command.affected_sop_instance_uid:
        raise Refusal(Cause.UID_DIFFERS)
    _check_uid("Study Instance UID", header.study_instance_uid)
    _check_uid("Series Instance UID", header.series_instance_uid)


def _check_uid(name: str, uid: str) -> None:
    if not uid:
        raise Refusal(Cause.UID_MISSING, name)
    if not valid_uid(uid):
        raise Refusal(Cause.UID_ILLEGAL, name)

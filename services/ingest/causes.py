"""Why a C-STORE is not answered Success: the checks and the statuses of profile gateway, as data (pure).

Statuses are those of PS3.4 B.2.3 and PS3.7 9.1.1.1.9; the comments go into (0000,0902) and carry no value.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from services.dicom.commands import Command
from services.dicom.facts import Header
from services.dicom.uids import valid_uid


class Cause(Enum):
    """What was wrong. The value labels the metric and the log line."""

    STORE_FULL = "store-full"
    WRITE_FAILED = "write-failed"
    CLOCK_WRONG = "clock-wrong"
    FAULT = "fault"
    NO_DATA_SET = "no-data-set"
    EMPTY = "empty-data-set"
    UNPARSABLE = "unparsable"
    TOO_LARGE = "too-large"
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


ANSWERS: Final[dict[Cause, Answer]] = {
    Cause.STORE_FULL: Answer(0xA700, "Out of resources: object store is full"),
    Cause.WRITE_FAILED: Answer(0xA700, "Out of resources: object could not be written"),
    Cause.CLOCK_WRONG: Answer(0xA700, "Out of resources: clock of the gateway is wrong"),
    Cause.FAULT: Answer(0x0110, "Processing failure in the gateway"),
    Cause.NO_DATA_SET: Answer(0xC000, "No data set"),
    Cause.EMPTY: Answer(0xC000, "Empty data set"),
    Cause.UNPARSABLE: Answer(0xC000, "Data set cannot be read or is truncated"),
    Cause.TOO_LARGE: Answer(0xA700, "Data set is larger than the gateway takes"),
    Cause.CLASS_NOT_OF_CONTEXT: Answer(0x0122, "SOP class is not that of the presentation context"),
    Cause.CLASS_DIFFERS: Answer(0xA900, "SOP Class UID differs between command and data set"),
    Cause.UID_DIFFERS: Answer(0xA900, "SOP Instance UID differs between command and data set"),
    Cause.UID_MISSING: Answer(0x0117, "A UID is missing"),
    Cause.UID_ILLEGAL: Answer(0x0117, "A UID is illegal"),
    Cause.REVISION_REFUSED: Answer(0x0111, "SOP Instance UID is stored with other content"),
    Cause.REVISION_UNKNOWN: Answer(0xA700, "Out of resources: cannot tell whether UID is stored"),
}


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

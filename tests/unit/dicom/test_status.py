"""Status classes of PS3.7 annex C and PS3.4 B.2.3, and the names a person reads."""

import pytest

from services.dicom import commands
from services.dicom.status import CANCEL, FAILURE, PENDING, SUCCESS, WARNING, StatusClass, classify, name, statuses


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0x0000, SUCCESS),
        (0xFF00, PENDING),
        (0xFF01, PENDING),
        (0xFE00, CANCEL),
        (0xB000, WARNING),
        (0xB006, WARNING),
        (0xB007, WARNING),
        (0x0001, WARNING),
        (0x0107, WARNING),
        (0x0116, WARNING),
        (0xA700, FAILURE),
        (0xA780, FAILURE),
        (0xA900, FAILURE),
        (0xC000, FAILURE),
        (0x0110, FAILURE),
        (0x0111, FAILURE),
        (0x0122, FAILURE),
        (0xFFFF, FAILURE),
        (0x1234, FAILURE),
    ],
)
def test_class_of_each_status(status: int, expected: StatusClass) -> None:
    assert classify(status) is expected


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0xA710, "Write to remote database failed"),
        (0xA760, "no default destination"),
        (0xA7FF, "Out of Resources"),
        (0xC123, "Cannot Understand"),
        (0x0122, "SOP Class Not Supported"),
        (0x1234, "undefined failure"),
        (0xB123, "undefined warning"),
        (0xFE00, "Cancel"),
        (0xFF00, "undefined pending"),
    ],
)
def test_names(status: int, words: str) -> None:
    assert words in name(status)


def test_names_of_queries_and_retrievals() -> None:
    assert name(0xA900, commands.C_FIND) == "Error: Identifier does not match SOP Class"
    assert name(0xA801, commands.C_MOVE) == "Refused: Move Destination Unknown"
    assert name(0xC123, commands.C_FIND) == "Unable to Process"
    assert name(0xA701, commands.C_FIND) == "undefined failure"


def test_private_store_codes_mean_nothing_elsewhere() -> None:
    assert name(0xA710, commands.C_ECHO) == "undefined failure"


@pytest.mark.requirement("R76", "R77")
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0x0119, "Class-instance conflict"),
        (0x0210, "Duplicate invocation"),
        (0x0115, "Invalid argument value"),
        (0x0117, "Invalid SOP Instance"),
        (0x0212, "Mistyped argument"),
        (0x0123, "No such action"),
        (0x0118, "No such SOP Class"),
        (0x0112, "No such SOP Instance"),
        (0x0110, "Processing failure"),
        (0x0000, ""),
        (0xA710, "undefined failure"),
    ],
)
def test_names_of_what_an_action_is_answered(status: int, words: str) -> None:
    assert name(status, commands.N_ACTION) == words


@pytest.mark.parametrize(
    ("pattern", "first", "count"),
    [("0110", 0x0110, 1), ("A7xx", 0xA700, 256), ("a7XX", 0xA700, 256), (" Cxxx ", 0xC000, 4096), ("C00x", 0xC000, 16)],
)
def test_statuses_of_a_pattern(pattern: str, first: int, count: int) -> None:
    assert list(statuses(pattern)) == list(range(first, first + count))


@pytest.mark.parametrize("pattern", ["", "xxxx", "A7", "A7xx0", "A7x0", "G000", "0x0110", "A7xxx", "AxxA"])
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(ValueError, match="four hexadecimal digits"):
        statuses(pattern)

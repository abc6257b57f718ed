"""What findings of the IOD check decide (R93)."""

import io
import struct

import pytest
from pydicom._dicom_dict import DicomDictionary
from structlog.testing import capture_logs

from services.dicom.iods.check import MAX_FINDINGS, check
from services.dicom.iods.findings import STANDARD, XELERIS, Finding, pixel_data_fault
from services.ingest import findings
from services.ingest.causes import Cause, Refusal
from services.ingest.findings import examine, judge, rules
from tests.factories import ct

EMPTY = Finding(STANDARD, "type-1-empty", "00200032", "C.7.6.2")
OWN = Finding(XELERIS, "value", "00081111", "3-7")
MISSING = Finding(STANDARD, "pixel-data-missing", "7FE00010", "C.7.6.3")
SHORT = Finding(STANDARD, "pixel-data-short", "7FE00010", "C.7.6.3")


@pytest.mark.parametrize(
    ("found", "xeleris", "status"),
    [([], True, 0), ([], False, 0), ([EMPTY], True, 0xB007), ([EMPTY], False, 0), ([OWN], True, 0), ([OWN], False, 0)],
)
def test_status_of_what_is_kept(found: list[Finding], xeleris: bool, status: int) -> None:
    assert judge(found, xeleris=xeleris, refuse=False) == status


@pytest.mark.parametrize(
    ("found", "cause"),
    [([EMPTY], Cause.FINDINGS), ([OWN, MISSING], Cause.PIXEL_DATA_MISSING), ([SHORT], Cause.PIXEL_DATA_SHORT)],
)
def test_what_is_refused_where_the_station_asks_for_it(found: list[Finding], cause: Cause) -> None:
    with pytest.raises(Refusal) as refused:
        judge(found, xeleris=True, refuse=True)
    assert refused.value.cause is cause


def test_findings_of_the_second_check_are_never_refused() -> None:
    assert judge([OWN], xeleris=True, refuse=True) == 0


@pytest.mark.parametrize("fault", [MISSING, SHORT])
def test_pixel_data_that_cannot_be_reached_is_refused_of_any_station(fault: Finding) -> None:
    with pytest.raises(Refusal):
        judge([EMPTY, fault], xeleris=False, refuse=False)


def test_the_log_names_rules_once_and_no_paths() -> None:
    assert rules([EMPTY, MISSING, EMPTY]) == "pixel-data-missing, type-1-empty"


def test_a_check_that_breaks_loses_nothing_and_tells_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("Doe^Jane")

    monkeypatch.setattr(findings, "check", broken)
    with capture_logs() as logged:
        assert examine(io.BytesIO(), 0, 0, "1.2.840.10008.1.2.1", "1.2") is None
    assert [line["event"] for line in logged] == ["iod_check_failed"]
    assert "Doe" not in str(logged)


def test_many_findings_do_not_hide_that_the_pixels_are_missing() -> None:
    """Hundreds of elements with a wrong VR in a CT image without pixel data."""
    tags = [tag for tag, (vr, *_) in sorted(DicomDictionary.items()) if vr == "FD" and 0x00180000 < tag < 0x00280000]
    odd = [tag for tag, (vr, *_) in sorted(DicomDictionary.items()) if vr == "LO" and 0x00100000 < tag < 0x00280000]
    data = b"".join(struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, b"US", 2) + b"ab" for tag in sorted({*tags, *odd}))
    image = ct(1)
    found = check(io.BytesIO(data), 0, len(data), image.transfer_syntax_uid, image.sop_class_uid)
    assert len(found) > MAX_FINDINGS
    assert pixel_data_fault(found) == "pixel-data-missing"

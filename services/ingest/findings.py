"""The check against the IOD at receipt (R93): what it finds, and what is answered for that."""

from collections.abc import Sequence
from typing import BinaryIO, Final

import structlog

from services.dicom.iods.check import check
from services.dicom.iods.findings import PIXEL_DATA_MISSING, PIXEL_DATA_SHORT, STANDARD, Finding, pixel_data_fault
from services.dicom.status import MISMATCH_WARNING
from services.ingest import metrics
from services.ingest.causes import Cause, Refusal

SUCCESS: Final = 0x0000
PIXEL_CAUSES: Final = {PIXEL_DATA_MISSING: Cause.PIXEL_DATA_MISSING, PIXEL_DATA_SHORT: Cause.PIXEL_DATA_SHORT}

log = structlog.get_logger(__name__)


def examine(
    source: BinaryIO, offset: int, size: int, transfer_syntax: str, sop_class_uid: str
) -> tuple[Finding, ...] | None:
    """What a received data set does not keep to; None when the check breaks."""
    try:
        return check(source, offset, size, transfer_syntax, sop_class_uid)
    except Exception:  # one bad element never loses an object, nor does a fault of the check
        log.exception("iod_check_failed", sop_class=sop_class_uid)
        metrics.UNCHECKED.inc()
        return None


def count(findings: Sequence[Finding]) -> None:
    """Tell the metrics of one instance's findings."""
    for finding in findings:
        metrics.FINDINGS.labels(finding.check, finding.rule).inc()


def judge(findings: Sequence[Finding], *, xeleris: bool, refuse: bool) -> int:
    """Status of an instance with these findings: B007 in profile xeleris, else 0000 (pure).

    Findings of the second check, a Xeleris's own tables, are only stored. ``refuse``: its station's findings are
    refused. Raises ``Refusal``, always for pixel data that cannot be reached.
    """
    fault = pixel_data_fault(findings)
    if fault is not None:
        raise Refusal(PIXEL_CAUSES[fault])
    of_the_first = [finding for finding in findings if finding.check == STANDARD]
    if of_the_first and refuse:
        raise Refusal(Cause.FINDINGS, rules(of_the_first))
    return MISMATCH_WARNING if of_the_first and xeleris else SUCCESS


def rules(findings: Sequence[Finding]) -> str:
    """The rule codes of findings, for the log."""
    return ", ".join(sorted({finding.rule for finding in findings}))

"""What is told of a report beside its row: lines of the log and counts. UIDs, titles and reasons, no patient data."""

from collections import defaultdict
from collections.abc import Iterable

import structlog

from services.commitment import metrics
from services.commitment.hearing import Heard
from services.commitment.judging import Verdict
from services.commitment.states import ItemState
from services.dicom.commitment import failure_name

INSTANCES_TOLD = 20
"""A line counts all instances and names so many; the rows have all of them."""
_LEVELS = {Verdict.FOREIGN: "error", Verdict.UNKNOWN: "warning", Verdict.LATE: "warning"}

log = structlog.get_logger(__name__)


def begin() -> None:
    """Let the counts of every verdict begin with 0: Prometheus sees no increase in a series that begins with 1."""
    for verdict in Verdict:
        metrics.REPORTS.labels(verdict)


def tell(heard: Heard) -> None:
    """Tell of a report that was recorded. Call it after its transaction."""
    judgement = heard.judgement
    metrics.REPORTS.labels(judgement.verdict).inc()
    for state in (ItemState.COMMITTED, ItemState.FAILED):
        count = sum(change.state is state for change in judgement.changes)
        if heard.server is not None and count:
            metrics.INSTANCES.labels(heard.server, state.lower()).inc(count)
    write = getattr(log, _LEVELS.get(judgement.verdict, "info"))
    write("commitment_reported", verdict=judgement.verdict, remark=judgement.remark, **_names(heard))
    for alarm in judgement.alarms if judgement.verdict is not Verdict.FOREIGN else ():
        log.error("commitment_report_contradicts", alarm=alarm, **_names(heard))
    _tell_failures(heard)


def tell_unreadable(object_key: str, reason: str) -> None:
    """Tell of an object that is no report."""
    metrics.REPORTS.labels(Verdict.UNREADABLE).inc()
    log.error("commitment_report_unreadable", object_key=object_key, reason=reason)


def _tell_failures(heard: Heard) -> None:
    """R112, R136: every failure in a result that counts goes to the error log, by its reason."""
    failed = defaultdict[str, list[str]](list)
    for change in heard.judgement.changes:
        if change.state is ItemState.FAILED:
            failed[failure_name(change.failure_reason or 0)].append(change.sop_instance_uid)
    for reason, uids in failed.items():
        log.error("instances_not_committed", reason=reason, count=len(uids), instances=_some(uids), **_names(heard))


def _some(uids: Iterable[str]) -> list[str]:
    return sorted(uids)[:INSTANCES_TOLD]


def _names(heard: Heard) -> dict[str, object]:
    report = heard.report
    return {
        "commitment": None if heard.commitment is None else str(heard.commitment),
        "server": heard.server,
        "calling": report.calling_aet,
        "transaction_uid": report.transaction_uid,
        "object_key": heard.object_key,
        "association": report.association,
    }

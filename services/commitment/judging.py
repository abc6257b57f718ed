"""What a report means for the instances that were asked for (R82, R109, R135, R136; PS3.4 J.3.3). Pure.

The lists are believed, whatever the event type says. A verdict about an instance, once given, stands; only the setting
``repair_late`` lets a later success replace a failure or come after the end.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.commitment import CommitmentReport, ReportedInstance
from services.commitment.states import Event, ItemState, State, reported

UIDS_TOLD = 5
"""A remark counts all instances and names so many."""


class Verdict(StrEnum):
    """What was made of a report; every one was answered 0000."""

    APPLIED = "APPLIED"
    REPAIRED = "REPAIRED"  # it came late, or it took a failure back, and the setting believes it
    DUPLICATE = "DUPLICATE"  # the same was said of that transaction before
    LATE = "LATE"  # the commitment is closed, or every instance it names was decided otherwise
    FOREIGN = "FOREIGN"  # it is not from whom we asked
    UNKNOWN = "UNKNOWN"  # nobody asked under that Transaction UID
    UNREADABLE = "UNREADABLE"


@dataclass(frozen=True)
class Item:
    """An instance that was asked for, as it is known before the report."""

    sop_instance_uid: str
    sop_class_uid: str
    state: ItemState


@dataclass(frozen=True)
class Asked:
    """The commitment of the transaction that the report names.

    ``titles`` are the AE titles whose reports count: the server's own and its ``report_titles``. ``known``: the same
    digest was applied, or was late, before. ``closed``: what comes now is late.
    """

    titles: frozenset[str]
    state: State
    closed: bool
    known: bool
    items: Sequence[Item]


@dataclass(frozen=True)
class Change:
    """The new state of every item of one instance. ``failure_reason`` of one that failed: the peer's code (R136)."""

    sop_instance_uid: str
    state: ItemState
    failure_reason: int | None = None


@dataclass(frozen=True)
class Judgement:
    """What is to be recorded. ``event`` is None where no instance changes. ``alarms`` need a person, remarks do not."""

    verdict: Verdict
    changes: tuple[Change, ...] = ()
    event: Event | None = None
    remarks: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()

    @property
    def remark(self) -> str:
        """All that was noticed, in one line."""
        return "; ".join((*self.alarms, *self.remarks))


def judge(report: CommitmentReport, asked: Asked | None, *, repair_late: bool) -> Judgement:
    """Decide what becomes of a report. ``asked`` is None when its Transaction UID is none of ours."""
    if asked is None:
        return Judgement(Verdict.UNKNOWN, remarks=("no request has this Transaction UID",))
    if report.calling_aet not in asked.titles:
        expected = ", ".join(sorted(asked.titles))
        return Judgement(Verdict.FOREIGN, alarms=(f"{report.calling_aet} reports what was asked of {expected}",))
    if asked.known:
        return Judgement(Verdict.DUPLICATE)
    comparison = _compare(report, asked)
    changes = comparison.allowed(closed=asked.closed, repair_late=repair_late)
    return Judgement(
        _verdict(comparison, asked, changes),
        changes,
        _event(asked, changes),
        tuple(comparison.remarks),
        tuple(comparison.alarms),
    )


@dataclass
class _Comparison:
    """What is said beside what is known, one change an instance."""

    fresh: list[Change] = field(default_factory=list)  # of what is open
    taken_back: list[Change] = field(default_factory=list)  # success after a failure
    denied: list[Change] = field(default_factory=list)  # failure after a success
    same: int = 0
    remarks: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)

    def allowed(self, *, closed: bool, repair_late: bool) -> tuple[Change, ...]:
        """Those that are applied; after the end only successes, and those only where late ones repair."""
        fresh = self.fresh
        if closed:
            fresh = [each for each in fresh if repair_late and each.state is ItemState.COMMITTED]
        return (*fresh, *(self.taken_back if repair_late else ()))

    def put(self, item: Item, said: Change) -> None:
        """Sort one change by what is known of its instance."""
        if item.state is said.state:
            self.same += 1
        elif item.state is ItemState.PENDING:
            self.fresh.append(said)
        else:
            (self.taken_back if item.state is ItemState.FAILED else self.denied).append(said)

    def note(self, words: str, uids: Sequence[str], *, alarm: bool = False) -> None:
        """Remark on instances, if there are any."""
        if uids:
            more = ", …" if len(uids) > UIDS_TOLD else ""
            text = f"{len(uids)} {words}: {', '.join(uids[:UIDS_TOLD])}{more}"
            (self.alarms if alarm else self.remarks).append(text)


def _compare(report: CommitmentReport, asked: Asked) -> _Comparison:
    comparison = _Comparison()
    items = {item.sop_instance_uid: item for item in asked.items}
    said = _said(report)
    for uid, change in said.items():
        if uid in items:
            comparison.put(items[uid], change)
    comparison.note("in both lists, taken as not committed", _contradictory(report), alarm=True)
    comparison.note("failed after success, which stays", _uids(comparison.denied), alarm=True)
    comparison.note("committed after failure", _uids(comparison.taken_back))
    comparison.note("not asked for", [uid for uid in said if uid not in items])
    comparison.note("with another SOP Class than asked for", _of_other_class(report, items))
    return comparison


def _said(report: CommitmentReport) -> dict[str, Change]:
    """By instance; one in both lists is not committed, of several reasons the first counts."""
    said = {each.sop_instance_uid: Change(each.sop_instance_uid, ItemState.COMMITTED) for each in report.committed}
    for each in reversed(report.failed):
        said[each.sop_instance_uid] = Change(each.sop_instance_uid, ItemState.FAILED, each.failure_reason)
    return said


def _contradictory(report: CommitmentReport) -> list[str]:
    failed = {each.sop_instance_uid for each in report.failed}
    return sorted({each.sop_instance_uid for each in report.committed if each.sop_instance_uid in failed})


def _of_other_class(report: CommitmentReport, items: Mapping[str, Item]) -> list[str]:
    def differs(named: ReportedInstance) -> bool:
        item = items.get(named.sop_instance_uid)
        return item is not None and item.sop_class_uid != named.sop_class_uid

    return sorted({each.sop_instance_uid for each in (*report.committed, *report.failed) if differs(each)})


def _uids(changes: Iterable[Change]) -> list[str]:
    return [change.sop_instance_uid for change in changes]


def _verdict(comparison: _Comparison, asked: Asked, changes: Sequence[Change]) -> Verdict:
    took_back = not set(changes).isdisjoint(comparison.taken_back)
    if took_back or (changes and asked.closed):
        return Verdict.REPAIRED
    otherwise = comparison.taken_back or comparison.denied
    return Verdict.LATE if asked.closed or (otherwise and not changes) else Verdict.APPLIED


def _event(asked: Asked, changes: Sequence[Change]) -> Event | None:
    """Whatever failed it (an answer, the deadline) did not know of this report, if nothing has failed by a report."""
    if not changes:
        return None
    changed = {change.sop_instance_uid: change.state for change in changes}
    event = reported(changed.get(item.sop_instance_uid, item.state) for item in asked.items)
    if event is Event.COMMIT and asked.state is State.FAILURE:
        return Event.REPAIR
    return event

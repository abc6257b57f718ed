"""What a report means, row by row (R82, R109, R135, R136; PS3.4 J.3.3): lists are believed, verdicts stand."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from schemas.commitment import COMPLETE, WITH_FAILURES, CommitmentReport, ReportedInstance
from services.commitment.hearing import digest
from services.commitment.judging import Asked, Item, Judgement, Verdict, judge
from services.commitment.states import Event, ItemState, State

NM, CT = "1.2.840.10008.5.1.4.1.1.20", "1.2.840.10008.5.1.4.1.1.2"
APPLIED, REPAIRED, DUPLICATE, LATE = Verdict.APPLIED, Verdict.REPAIRED, Verdict.DUPLICATE, Verdict.LATE
STATES = {"p": ItemState.PENDING, "c": ItemState.COMMITTED, "f": ItemState.FAILED}


def report(
    committed: str = "", failed: str = "", *, calling: str = "ARCHIVE", event_type: int = 0, sop_class: str = NM
) -> CommitmentReport:
    """Instances are letters: their UIDs are 1.2.<letter's number>."""
    return CommitmentReport(
        received_at=datetime(2026, 11, 24, tzinfo=UTC),
        peer_address="127.0.0.1",
        calling_aet=calling,
        called_aet="GATEWAY",
        association="a",
        transaction_uid="1.2.3",
        event_type=event_type or (WITH_FAILURES if failed else COMPLETE),
        committed=[ReportedInstance(sop_class_uid=sop_class, sop_instance_uid=uid(each)) for each in committed],
        failed=[
            ReportedInstance(sop_class_uid=sop_class, sop_instance_uid=uid(each), failure_reason=0x0112)
            for each in failed
        ],
    )


def uid(letter: str) -> str:
    return f"1.2.{ord(letter)}"


def asked(items: str, state: State = State.WAITING, *, closed: bool = False, known: bool = False) -> Asked:
    """``items`` such as "Ap Bc": instance A is pending, B committed."""
    return Asked(
        titles=frozenset({"ARCHIVE", "ARCHIVE2"}),
        state=state,
        closed=closed,
        known=known,
        items=[Item(uid(each[0]), NM, STATES[each[1]]) for each in items.split()],
    )


def told(judgement: Judgement) -> str:
    """The changes such as "Ac Bf"."""
    letters = {state: letter for letter, state in STATES.items()}
    return " ".join(
        f"{chr(int(change.sop_instance_uid[4:]))}{letters[change.state]}"
        for change in sorted(judgement.changes, key=lambda change: change.sop_instance_uid)
    )


@dataclass(frozen=True)
class Row:
    """A row of the table: what is known, what is said, what comes of it."""

    name: str
    known: Asked
    said: CommitmentReport
    verdict: Verdict
    changes: str = ""
    event: Event | None = None
    noticed: str = ""
    alarm: bool = False
    repair_late: bool = False


TWO, OPEN_FAILED = asked("Ap Bp"), asked("Ap Bf", State.FAILURE)
CLOSED = asked("Ap Bp", State.FAILURE, closed=True)
DONE = asked("Ac Bc", State.SUCCESS, closed=True)
OTHER_CLASS, NEITHER = "another SOP Class", ""

TABLE = [
    Row("all committed", TWO, report("AB"), APPLIED, "Ac Bc", Event.COMMIT),
    Row("all failed", TWO, report("", "AB"), APPLIED, "Af Bf", Event.FAIL),
    Row("mixed", TWO, report("A", "B"), APPLIED, "Ac Bf", Event.FAIL),
    Row("in neither list stays open", TWO, report("A"), APPLIED, "Ac", Event.NARROW),
    Row("second part", asked("Ac Bp"), report("B"), APPLIED, "Bc", Event.COMMIT),
    Row("while it is asked", asked("Ap", State.ASKING), report("A"), APPLIED, "Ac", Event.COMMIT),
    Row("while it is queued again", asked("Ap", State.QUEUED), report("A"), APPLIED, "Ac", Event.COMMIT),
    Row("type 1 with failures", TWO, report("A", "B", event_type=COMPLETE), APPLIED, "Ac Bf", Event.FAIL),
    Row("type 2 without failures", TWO, report("AB", event_type=WITH_FAILURES), APPLIED, "Ac Bc", Event.COMMIT),
    Row("from a report title", TWO, report("AB", calling="ARCHIVE2"), APPLIED, "Ac Bc", Event.COMMIT),
    Row("extra instance", TWO, report("ABX"), APPLIED, "Ac Bc", Event.COMMIT, "not asked for: 1.2.88"),
    Row("only extra instances", TWO, report("X", "Y"), APPLIED, noticed="2 not asked for"),
    Row("other class", TWO, report("AB", sop_class=CT), APPLIED, "Ac Bc", Event.COMMIT, OTHER_CLASS),
    Row("in both lists", TWO, report("AB", "A"), APPLIED, "Af Bc", Event.FAIL, "in both lists", alarm=True),
    Row("failure after success", asked("Ac Bp"), report("B", "A"), APPLIED, "Bc", Event.COMMIT, "success", alarm=True),
    Row("only failure after success", asked("Ac Bp"), report("", "A"), LATE, noticed="which stays", alarm=True),
    Row("success after failure", OPEN_FAILED, report("B"), LATE, noticed="committed after failure"),
    Row("success after failure and more", OPEN_FAILED, report("AB"), APPLIED, "Ac", Event.FAIL, "after failure"),
    Row("more after a failure", OPEN_FAILED, report("A"), APPLIED, "Ac", Event.FAIL),
    Row("success after failure repairs", OPEN_FAILED, report("AB"), REPAIRED, "Ac Bc", Event.REPAIR, "after",
        repair_late=True),
    Row("part of it repairs", OPEN_FAILED, report("B"), REPAIRED, "Bc", Event.NARROW, "after", repair_late=True),
    Row("the other part after a repair", asked("Ap Bc", State.FAILURE), report("A"), APPLIED, "Ac", Event.REPAIR,
        repair_late=True),
    Row("the same in other words", asked("Ac Bp"), report("A"), APPLIED),
    Row("known digest", asked("Ac Bc", known=True), report("AB"), DUPLICATE),
    Row("known digest after the end", asked("Ap", State.FAILURE, closed=True, known=True), report("A"), DUPLICATE),
    Row("after the end", CLOSED, report("AB"), LATE),
    Row("after success", DONE, report("AB"), LATE),
    Row("failure after success at the end", DONE, report("", "A"), LATE, noticed="which stays", alarm=True),
    Row("after the end repairs", CLOSED, report("AB"), REPAIRED, "Ac Bc", Event.REPAIR, repair_late=True),
    Row("part after the end repairs", CLOSED, report("A", "B"), REPAIRED, "Ac", Event.NARROW, repair_late=True),
    Row("failure after the end repairs nothing", CLOSED, report("", "AB"), LATE, repair_late=True),
    Row("deadline passed, not yet acted upon", asked("Ap", closed=True), report("A"), REPAIRED, "Ac", Event.COMMIT,
        repair_late=True),
    Row("foreign", TWO, report("AB", calling="OTHER"), Verdict.FOREIGN, noticed="OTHER reports", alarm=True),
    Row("foreign even if known", asked("Ap", known=True), report("A", calling="OTHER"), Verdict.FOREIGN,
        noticed="OTHER", alarm=True),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_row_of_the_table(row: Row) -> None:
    judgement = judge(row.said, row.known, repair_late=row.repair_late)
    assert (judgement.verdict, told(judgement), judgement.event) == (row.verdict, row.changes, row.event)
    assert row.noticed in judgement.remark
    assert bool(judgement.remark) is bool(row.noticed)
    assert bool(judgement.alarms) is row.alarm
    failed = [change.failure_reason for change in judgement.changes if change.state is ItemState.FAILED]
    assert failed == [0x0112] * len(failed)


def test_nobody_asked_under_that_transaction_uid() -> None:
    judgement = judge(report("A"), None, repair_late=True)
    assert (judgement.verdict, judgement.changes, judgement.event) == (Verdict.UNKNOWN, (), None)


def test_an_instance_sent_twice_gets_one_verdict() -> None:
    """Two deliveries of one UID in one request: the event counts both."""
    assert judge(report("A"), asked("Ap Ap"), repair_late=False).event is Event.COMMIT


def test_a_remark_counts_all_and_names_a_few() -> None:
    judgement = judge(report("ABCDEFGHI"), asked("Ap"), repair_late=False)
    assert judgement.remark == "8 not asked for: 1.2.66, 1.2.67, 1.2.68, 1.2.69, 1.2.70, …"


def test_the_digest_is_of_what_is_said_and_not_of_its_order_or_sender() -> None:
    assert digest(report("AB", "C")) == digest(report("BA", "C", calling="ARCHIVE2"))
    different = [report("AB"), report("A", "B"), report("A"), report("AB", sop_class=CT), report("AB", event_type=2)]
    assert len({digest(each) for each in different}) == len(different)

"""What a study's journey says of a correction, and of what was sent of each revision."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.admin.patients.hiding import without_names
from services.admin.patients.journey import events

AT = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)


def received(revision: int, minutes: int, **more: Any) -> dict[str, Any]:
    at = AT + timedelta(minutes=minutes)
    return {
        "uid": "1.2.3", "revision": revision, "source": "CT1", "received_at": at, "status": "0000", "findings": [],
        "rule_set": 1, "matched": ["all"], "not_sent": [], "corrected_by": None, "corrected_why": None, "gone": None,
        "receipts": [{"received_at": at, "source": "CT1", "disposition": "NEW", "job": None, "gone": None}],
    } | more  # fmt: skip


def sent(revision: int, state: str, minutes: int | None, finished: int | None = None) -> dict[str, Any]:
    tries = [] if minutes is None else [{"at": AT + timedelta(minutes=minutes), "status": "0000", "reason": ""}]
    return {
        "instance": "1.2.3", "revision": revision, "destination": "PACS1", "job": "j", "state": state, "reason": "",
        "attempts": tries, "finished_at": None if finished is None else AT + timedelta(minutes=finished),
    }  # fmt: skip


def test_a_correction_was_sent_by_nobody_and_its_deliveries_are_told_apart() -> None:
    correction = received(2, 5, corrected_by="user:ann", corrected_why="was DOE")
    found: dict[str, Any] = {
        "instances": [received(1, 0), correction],
        "deliveries": [sent(1, "DELIVERED", 1, 1), sent(2, "DELIVERED", 6, 6), sent(1, "SUPERSEDED", None, 5)],
        "retrievals": [], "asked_of_others": [], "asked_of_us": [],
    }  # fmt: skip
    told = [each.text for each in events(found) if each.kind != "matched"]
    assert told == [
        "Received from CT1",
        "Delivered to PACS1, revision 1",
        "Corrected by user:ann as revision 2: was DOE",
        "Replaced by a newer revision for PACS1, revision 1",
        "Delivered to PACS1, revision 2",
    ]
    assert all(each.at is not None for each in events(found))
    assert "DOE" not in str(events(without_names(found)))


def test_one_revision_is_told_without_its_number_and_what_waits_comes_last() -> None:
    found: dict[str, Any] = {
        "instances": [received(1, 0)], "deliveries": [sent(1, "PENDING", None)],
        "retrievals": [], "asked_of_others": [], "asked_of_us": [],
    }  # fmt: skip
    *_, last = events(found)
    assert (last.text, last.at) == ("Waits to be sent to PACS1", None)


def test_findings_are_counted_and_what_has_as_many_is_told_together() -> None:
    """Their codes tell a radiographer nothing; each instance has them as sentences."""
    length, representation, value = "S length 00100020 PS3.5", "S vr 00080060 PS3.3", "S value 00080020 PS3.3"
    instances = [
        received(1, 0, uid="1.2.3", findings=[length, representation]),
        received(1, 0, uid="1.2.4", findings=[value, "+1"]),
        received(2, 5, uid="1.2.5", findings=[representation, "+11"], corrected_by="user:ann", corrected_why=""),
    ]
    found = {"instances": instances, "deliveries": [], "retrievals": [], "asked_of_others": [], "asked_of_us": []}
    sent, corrected = [each for each in events(found) if each.kind == "received"]
    assert (sent.detail.split(", ")[-1], sent.tone, sent.instances) == ("2 findings", "warn", ["1.2.3", "1.2.4"])
    assert (corrected.detail, corrected.tone) == ("12 findings", "warn")
    assert "00080060" not in str([sent, corrected])


def test_what_was_erased_and_came_again_is_told_in_the_order_of_time() -> None:
    """The same content has the same revision: its first receipt, its end and its second receipt are three things."""
    gone = {"how": "erased", "at": AT + timedelta(minutes=30), "by": "user:admin"}
    receipts = [
        {"received_at": AT + timedelta(minutes=minutes), "source": "CT1", "disposition": disposition, "job": None,
         "gone": gone if minutes == 0 else None}
        for minutes, disposition in ((0, "NEW"), (5, "DUPLICATE"), (60, "NEW"), (65, "DUPLICATE"))
    ]  # fmt: skip
    found: dict[str, Any] = {
        "instances": [received(1, 60, receipts=receipts)],
        "deliveries": [sent(1, "DELIVERED", 1, 1), sent(1, "DELIVERED", 61, 61)],
        "retrievals": [], "asked_of_others": [], "asked_of_us": [],
    }  # fmt: skip
    assert [(each.text, each.times) for each in events(found) if each.kind != "matched"] == [
        ("Received from CT1", 1),
        ("Delivered to PACS1", 1),
        ("Received again, same content, from CT1", 1),
        ("Erased by user:admin", 1),
        ("Received from CT1, after it was erased", 1),
        ("Delivered to PACS1", 1),
        ("Received again, same content, from CT1", 1),
    ]

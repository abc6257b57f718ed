"""The documented shape of ``gateway where``."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from services.admin.explanations import delivery, instance, retrieval

AT = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
ROW: dict[str, Any] = {
    "uid": "1.2.3",
    "study": "1.2",
    "revision": 2,
    "sha256": "0" * 64,
    "source": "SCANNER1",
    "received_at": AT,
    "status": 0,
    "findings": ["odd"],
    "flags": ["TRANSFER_SYNTAX"],
    "disposition": "HELD",
    "rule_set": 3,
    "matched": [{"rule": "b", "to": ["X"]}, {"rule": "a", "to": ["Y"]}],
}


def test_an_instance_has_exactly_the_documented_fields() -> None:
    again = {"uid": "1.2.3", "revision": 2, "received_at": AT, "source": "SCANNER2", "disposition": "DUPLICATE"}
    assert instance(ROW, [again]) == {
        "uid": "1.2.3",
        "study": "1.2",
        "revision": 2,
        "sha256": "0" * 64,
        "source": "SCANNER1",
        "received_at": AT,
        "status": "0000",
        "findings": ["odd", "TRANSFER_SYNTAX", "HELD"],
        "rule_set": 3,
        "matched": ["b", "a"],
        "archived": False,
        "receipts": [{"received_at": AT, "source": "SCANNER2", "disposition": "DUPLICATE"}],
    }


def test_an_instance_that_was_not_evaluated_yet_matched_nothing() -> None:
    found = instance(ROW | {"matched": None, "disposition": "NEW", "flags": [], "status": 0xB007}, [])
    assert (found["matched"], found["findings"], found["status"]) == ([], ["odd"], "B007")


def test_a_delivery_tells_each_attempt_and_that_an_answer_was_lost() -> None:
    job = uuid4()
    attempts = [
        {"delivery": 7, "at": AT, "status": 0xA700, "outcome": "RETRY", "reason": "Refused: Out of resources"},
        {"delivery": 7, "at": AT, "status": None, "outcome": "UNKNOWN", "reason": "the answer was lost"},
    ]
    row = {
        "id": 7, "instance": "1.2.3", "revision": 2, "sha256": "0" * 64, "destination": "ARCHIVE1", "job": job,
        "state": "UNKNOWN", "reason": "the answer was lost",
    }  # fmt: skip
    assert delivery(row, attempts) == {
        "instance": "1.2.3",
        "revision": 2,
        "sha256": "0" * 64,
        "destination": "ARCHIVE1",
        "job": job,
        "state": "UNKNOWN",
        "reason": "the answer was lost",
        "attempts": [
            {"at": AT, "status": "A700", "reason": "Refused: Out of resources"},
            {"at": AT, "status": None, "reason": "the answer was lost"},
        ],
        "commitment": None,
    }


COVERED: dict[str, Any] = {
    "instance": "1.2.3",
    "operation": "MOVE",
    "requester": "WS1",
    "destination": "WS2",
    "started_at": AT,
    "finished_at": None,
    "result": "PENDING",
    "status": None,
    "reason": "",
    "answered": None,
    "ended": False,
}


def test_a_retrieval_tells_its_state_for_each_instance() -> None:
    assert retrieval(COVERED) == {
        "instance": "1.2.3",
        "operation": "C-MOVE",
        "requester": "WS1",
        "destination": "WS2",
        "at": AT,
        "state": "PENDING",
        "status": None,
        "reason": "",
        "answered": None,
    }
    cancelled = retrieval(COVERED | {"ended": True, "answered": 0xFE00})
    assert (cancelled["state"], cancelled["answered"]) == ("CANCELED", "FE00")
    done = retrieval(COVERED | {"ended": True, "result": "COMPLETED", "status": 0, "answered": 0})
    assert (done["state"], done["status"], done["answered"]) == ("COMPLETED", "0000", "0000")

"""The documented shape of ``gateway where``."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from services.admin.explanations import commitment, delivery, instance, retrieval
from services.admin.removals import ended, lived, removed

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
    "corrected_by": None,
    "corrected_why": None,
    "matched": [{"rule": "b", "to": ["X"]}, {"rule": "a", "to": ["Y", "Z"], "not_sent": {"Z": "it came from there"}}],
}


def test_an_instance_has_exactly_the_documented_fields() -> None:
    again = {
        "uid": "1.2.3",
        "revision": 2,
        "received_at": AT,
        "source": "SCANNER2",
        "disposition": "DUPLICATE",
        "job": None,
        "gone": None,
    }
    archived = {"uid": "1.2.3", "revision": 2, "station": "ARCHIVE1", "at": AT}
    assert instance(ROW, [again], [archived], None) == {
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
        "not_sent": [{"rule": "a", "destination": "Z", "reason": "it came from there"}],
        "corrected_by": None,
        "corrected_why": None,
        "gone": None,
        "archived": True,
        "archived_by": [{"station": "ARCHIVE1", "at": AT}],
        "receipts": [{"received_at": AT, "source": "SCANNER2", "disposition": "DUPLICATE", "job": None, "gone": None}],
    }


def test_what_is_gone_is_told_with_who_had_it_deleted_or_erased() -> None:
    def entry(action: str, minutes: int, by: str, named: str, *uids: str) -> dict[str, Any]:
        at = AT + timedelta(minutes=minutes)
        return {"action": action, "at": at, "by": by, "object": named, "uids": uids or None}

    here = {"uid": "1.2.3", "study": "1.2", "series": "1.2.1", "received_at": AT, "gone_at": None}
    gone = here | {"gone_at": AT + timedelta(minutes=9)}
    before_it_came = entry("studies.delete", -1, "user:ann", "id", "1.2")
    of_another = entry("studies.delete", 2, "user:ann", "id", "1.2.9")
    by_retention, erasure = (
        entry("studies.delete", 8, "retention", "1.2"),
        entry("studies.erase", 10, "user:bob", "id", "1.2"),
    )
    assert removed(here, [by_retention]) is None
    for entries, how, by in (
        ([before_it_came, of_another, by_retention, erasure], "deleted", "retention"),
        ([before_it_came, of_another, erasure], "erased", "user:bob"),
        ([before_it_came, of_another], "deleted", None),
    ):
        found = removed(gone, entries)
        assert found is not None
        assert (found["how"], found["by"]) == (how, by)


def test_what_came_anew_tells_how_it_was_gone_before() -> None:
    def receipt(minutes: int, disposition: str) -> dict[str, Any]:
        here = {"uid": "1.2.3", "study": "1.2", "series": "1.2.1", "disposition": disposition}
        return here | {"received_at": AT + timedelta(minutes=minutes)}

    def entry(action: str, minutes: int) -> dict[str, Any]:
        at = AT + timedelta(minutes=minutes)
        return {"action": action, "at": at, "by": "user:ann", "object": "1.2", "uids": None}

    assert lived([receipt(0, "NEW"), receipt(1, "DUPLICATE")]) == []
    first, second = lived([receipt(0, "NEW"), receipt(5, "NEW"), receipt(6, "DUPLICATE"), receipt(9, "HELD")])
    entries = [entry("studies.delete", 3), entry("studies.erase", 8), entry("studies.delete", 12)]
    assert ended(first, entries) == {"how": "deleted", "at": entries[0]["at"], "by": "user:ann"}
    assert ended(second, entries) == {"how": "erased", "at": entries[1]["at"], "by": "user:ann"}
    assert ended(second, entries[2:]) == {"how": "deleted", "at": AT + timedelta(minutes=9), "by": None}


def test_an_instance_that_was_not_evaluated_yet_matched_nothing() -> None:
    found = instance(ROW | {"matched": None, "disposition": "NEW", "flags": [], "status": 0xB007}, [], [], None)
    assert (found["matched"], found["findings"], found["status"]) == ([], ["odd"], "B007")
    assert (found["archived"], found["archived_by"]) == (False, [])


def test_a_delivery_tells_each_attempt_and_that_an_answer_was_lost() -> None:
    job = uuid4()
    attempts = [
        {"delivery": 7, "at": AT, "status": 0xA700, "outcome": "RETRY", "reason": "Refused: Out of resources"},
        {"delivery": 7, "at": AT, "status": None, "outcome": "UNKNOWN", "reason": "the answer was lost"},
    ]
    row = {
        "id": 7, "instance": "1.2.3", "revision": 2, "sha256": "0" * 64, "destination": "ARCHIVE1", "job": job,
        "state": "UNKNOWN", "reason": "the answer was lost", "awaited": None, "held": None, "shut": None,
        "transformation": None, "finished_at": None,
    }  # fmt: skip
    assert delivery(row, attempts, None) == {
        "instance": "1.2.3",
        "revision": 2,
        "sha256": "0" * 64,
        "destination": "ARCHIVE1",
        "job": job,
        "state": "UNKNOWN",
        "finished_at": None,
        "reason": "the answer was lost",
        "attempts": [
            {"at": AT, "status": "A700", "reason": "Refused: Out of resources"},
            {"at": AT, "status": None, "reason": "the answer was lost"},
        ],
        "commitment": None,
    }


def test_a_delivery_that_awaits_a_commitment_says_of_whom() -> None:
    row = dict.fromkeys(("instance", "revision", "sha256", "destination", "job", "held", "shut", "transformation")) | {
        "state": "PENDING",
        "finished_at": None,
        "reason": "",
    }
    waiting = delivery(row | {"awaited": ["ARCHIVE1", "ARCHIVE2"]}, [], None)
    assert waiting["reason"] == "waits until ARCHIVE1, ARCHIVE2 committed the instance"
    assert delivery(row | {"awaited": []}, [], None)["reason"] == ""


def test_a_delivery_tells_what_was_sent_instead_of_what_is_stored() -> None:
    row = dict.fromkeys(("instance", "revision", "sha256", "destination", "job", "awaited", "held", "shut")) | {
        "state": "PENDING", "finished_at": None, "reason": "", "transformation": "7" * 64, "sent": None,
        "steps": [{"do": "set"}, {"do": "new_uids"}, {"do": "set"}],
    }  # fmt: skip
    assert delivery(row, [], None)["transformation"] == {"number": "7" * 64, "steps": ["set", "new_uids"]}
    sent = {"sha256": "1" * 64, "size": 9, "transfer_syntax": "1.2.840.10008.1.2.1", "uids": {"1.2": "2.25.1"}}
    assert delivery(row | {"sent": sent}, [], None)["transformation"] == {
        "number": "7" * 64, "steps": ["set", "new_uids"], **sent,
    }  # fmt: skip


def test_a_commitment_tells_what_it_means_for_the_instance() -> None:
    asked = {
        "id": uuid4(), "server": "VNA", "state": "FAILURE", "transaction": "2.25.1", "deadline": AT, "status": 0x0213,
    }  # fmt: skip
    row = {"instance": "1.2.3", "revision": 2, "commitment": asked["id"], "failure_reason": 0x0112}
    archived = {("1.2.3", 2): [{"station": "VNA", "at": AT}], ("1.2.3", 1): [{"station": "VNA", "at": None}]}
    found = commitment(row, {asked["id"]: asked}, archived)
    assert found == asked | {"status": "0213", "failure_reason": "No such object instance", "archived_at": AT}
    assert commitment(row | {"commitment": None}, {}, {}) is None
    open_one = commitment(row | {"failure_reason": None}, {asked["id"]: asked | {"status": None}}, {})
    assert open_one is not None
    assert (open_one["failure_reason"], open_one["archived_at"], open_one["status"]) == (None, None, None)


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
